"""Ready configurations: the stack that is handed out next is that which a look at all of them would choose."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from results.record.records import State, TrialKey, TrialRecord
from search.scheduling.cost_model import CostModel
from search.scheduling.ready import ReadyStacks, SegmentKey
from spaces import Configuration

FULL = 3
BUDGET = 8


def trial(position: int, seed: int, batch_size: int, width: int, epoch: int) -> TrialRecord:
    return TrialRecord(
        key=TrialKey(f"{position:04d}", seed),
        position=position,
        configuration=Configuration(hidden_layers=(width,), batch_size=batch_size),
        budget=BUDGET,
        state=State.PENDING,
        epoch=epoch,
    )


trials = st.builds(
    trial, st.just(0), st.integers(1, 3), st.sampled_from([16, 32, 64]), st.sampled_from([8, 64]), st.integers(0, 7)
)
steps = st.lists(
    st.one_of(
        st.lists(trials, min_size=1, max_size=6),
        st.integers(1, FULL),
        st.tuples(trials, st.floats(0.01, 5.0)),
    ),
    max_size=30,
)


class Plain:
    """The same, by a look at all configurations each time."""

    def __init__(self, costs: CostModel) -> None:
        self.costs, self.ready = costs, dict[SegmentKey, list[TrialRecord]]()

    def add(self, found: list[TrialRecord]) -> None:
        for one in found:
            self.ready.setdefault(SegmentKey.of(one), []).append(one)

    def seconds(self, one: TrialRecord) -> float:
        return (one.budget - one.epoch) * self.costs.seconds_per_epoch(one.configuration)

    def first(self, key: SegmentKey) -> TrialRecord:
        return min(self.ready[key], key=lambda one: (one.configuration.hidden_layers, one.position))

    def urgency(self, key: SegmentKey) -> tuple[bool, float]:
        own = self.ready[key]
        epochs = sum(one.budget - one.epoch for one in own)
        return len(own) >= FULL, epochs * self.costs.seconds_per_epoch(self.first(key).configuration)

    def most_urgent(self) -> SegmentKey:
        return max(self.ready, key=self.urgency)

    def remove(self, key: SegmentKey, taken: list[TrialRecord]) -> None:
        self.ready[key] = [one for one in self.ready[key] if one not in taken]
        if not self.ready[key]:
            del self.ready[key]

    @property
    def work(self) -> float:
        return sum(len(own) * self.seconds(self.first(key)) for key, own in self.ready.items())


@given(steps)
def test_it_chooses_as_a_look_at_all_would(taken: list[list[TrialRecord] | int | tuple[TrialRecord, float]]) -> None:
    costs = CostModel(1000, {"standardised": 14}, 5)
    plain = Plain(costs)
    ready = ReadyStacks(FULL, costs, plain.seconds)
    position = 0
    for step in taken:
        if isinstance(step, list):
            added = [replace(one, position=position + place) for place, one in enumerate(step)]
            position += len(step)
            plain.add(added)
            ready.add(added)
        elif isinstance(step, tuple):
            costs.observe([step[0].configuration], step[1])
        elif ready:
            stack = ready.most_urgent()
            assert stack.key == plain.most_urgent()
            assert abs(ready.work - plain.work) <= 1e-9 * plain.work
            members = ready.take(stack, step)
            assert len(members) == min(step, len(plain.ready[stack.key])) and members[0] == plain.first(stack.key)
            plain.remove(stack.key, members)
        assert bool(ready) == bool(plain.ready)
