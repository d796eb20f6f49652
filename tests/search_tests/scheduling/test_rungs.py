from __future__ import annotations

import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ray.tune.schedulers import ASHAScheduler

from data.errors import InputError
from results.record.records import Decision, TrialKey
from search.scheduling.rungs import Asha, Halving, Rungs, ladder, make_rungs
from tests.support.examples import examples

NAN = float("nan")


def keys(count: int) -> list[TrialKey]:
    return [TrialKey(f"{number:012x}", 42) for number in range(count)]


class TestLadder:
    @pytest.mark.parametrize(
        ("grace_period", "reduction_factor", "epochs", "rungs"),
        [
            (1, 4, 20, (1, 4, 16)),
            (1, 3, 243, (1, 3, 9, 27, 81)),
            (1, 3, 244, (1, 3, 9, 27, 81, 243)),
            (1, 10, 1001, (1, 10, 100, 1000)),
            (5, 4, 20, (5,)),
            (2, 3, 20, (2, 6, 18)),
            (20, 4, 20, ()),
            (1, 4, 1, ()),
        ],
    )
    def test_whole_numbers(self, grace_period: int, reduction_factor: int, epochs: int, rungs: tuple[int, ...]) -> None:
        assert ladder(grace_period, reduction_factor, epochs) == rungs

    @given(st.integers(1, 9), st.integers(2, 10), st.integers(1, 100_000))
    def test_every_power_below_the_end_is_there(self, grace_period: int, reduction_factor: int, epochs: int) -> None:
        rungs = ladder(grace_period, reduction_factor, epochs)
        assert all(isinstance(rung, int) for rung in rungs)
        assert list(rungs) == [grace_period * reduction_factor**k for k in range(len(rungs))]
        assert all(rung < epochs for rung in rungs)
        assert grace_period * reduction_factor ** len(rungs) >= epochs

    @pytest.mark.parametrize(("grace_period", "reduction_factor"), [(0, 4), (1, 1)])
    def test_what_is_no_ladder_is_refused_with_its_values(self, grace_period: int, reduction_factor: int) -> None:
        with pytest.raises(InputError, match=rf"(?s){grace_period}.*{reduction_factor}"):
            ladder(grace_period, reduction_factor, 20)


class TuneAsha:
    """Tune's own scheduler, told of made-up trials."""

    def __init__(self, grace_period: int, reduction_factor: int, epochs: int) -> None:
        self._scheduler = ASHAScheduler(
            metric="score",
            mode="max",
            max_t=epochs,
            grace_period=grace_period,
            reduction_factor=reduction_factor,
        )
        self._trials: dict[TrialKey, Any] = {}

    def goes_on(self, key: TrialKey, epoch: int, score: float) -> bool:
        if key not in self._trials:
            self._trials[key] = SimpleNamespace(trial_id=f"{key.config_id}-{key.seed}")
            self._scheduler.on_trial_add(None, self._trials[key])
        result = {"training_iteration": epoch, "score": score}
        return self._scheduler.on_trial_result(None, self._trials[key], result) == "CONTINUE"


# few different scores, so that ties are the rule
scores = st.one_of(st.sampled_from([0.0, 0.25, 0.5, 0.5000001, 0.75, 1.0]), st.floats(0, 1))
ladders = st.sampled_from([(1, 2, 8), (1, 3, 10), (1, 4, 20), (2, 2, 9), (3, 3, 28), (5, 4, 21)])


class TestAshaIsTunes:
    @given(ladders, st.lists(st.lists(scores, min_size=28, max_size=28), max_size=30), st.randoms())
    def test_for_stacks_of_one_in_any_order_of_arrival(
        self, shape: tuple[int, int, int], curves: list[list[float]], random: Any
    ) -> None:
        """Every trial reports every epoch to Tune; ours is asked at the rungs alone."""
        ours, theirs = Asha(*shape), TuneAsha(*shape)
        running = dict.fromkeys(keys(len(curves)), 0)
        while running:
            key = random.choice(list(running))
            running[key] += 1
            epoch, score = running[key], curves[int(key.config_id, 16)][running[key] - 1]
            if epoch == shape[2]:
                del running[key]
                continue
            goes_on = theirs.goes_on(key, epoch, score)
            if epoch in ours.levels:
                decision = ours.report(epoch, {key: score})[0]
                assert decision.promoted == goes_on
                assert decision.score == score
            else:
                assert goes_on
            if not goes_on:
                del running[key]

    def test_the_first_to_arrive_goes_on_and_a_tie_with_the_cutoff_goes_on(self) -> None:
        rungs, (a, b, c) = Asha(1, 2, 4), keys(3)
        assert rungs.report(1, {a: 0.1})[0] == Decision(key=a, epoch=1, score=0.1, cutoff=None, promoted=True)
        assert rungs.report(1, {b: 0.1})[0].promoted
        assert not rungs.report(1, {c: 0.0999})[0].promoted


class TestAsha:
    def test_all_scores_of_a_stack_are_recorded_before_any_is_judged(self) -> None:
        decisions = Asha(1, 2, 4).report(1, dict(zip(keys(4), (0.1, 0.4, 0.2, 0.3), strict=True)))
        assert [d.promoted for d in decisions] == [False, True, False, True]
        assert decisions[0].cutoff == pytest.approx(0.3)
        assert decisions[1].cutoff == pytest.approx(0.2)

    @pytest.mark.parametrize("missing", [NAN, None])
    def test_no_number_ranks_last(self, missing: float | None) -> None:
        rungs, (a, b, c) = Asha(1, 2, 4), keys(3)
        rungs.report(1, {a: 0.0})
        assert not rungs.report(1, {b: missing})[0].promoted
        assert rungs.report(1, {c: 0.0})[0].promoted, "what has no number counts as the worst, not as absent"

    @given(st.lists(scores, min_size=1, max_size=12), st.lists(scores, min_size=1, max_size=6))
    def test_restored_rungs_judge_as_those_that_lived_through_it(
        self, earlier: list[float], later: list[float]
    ) -> None:
        lived, names = Asha(1, 3, 9), keys(len(earlier) + len(later))
        decisions = [d for k, s in zip(names, earlier, strict=False) for d in lived.report(1, {k: s})]
        restored = Asha(1, 3, 9)
        restored.restore(decisions)
        for key, score in zip(names[len(earlier) :], later, strict=True):
            assert restored.report(1, {key: score}) == lived.report(1, {key: score})


def halving(count: int, epochs: int = 8, factor: int = 2, budgets: Sequence[int] | None = None) -> Halving:
    names = keys(count)
    positions = {key: position for position, key in enumerate(names)}
    return Halving(1, factor, epochs, positions, dict(zip(names, budgets or [epochs] * count, strict=True)))


# 12 configurations, rungs 1, 2, 4. The numbers were ranked by hand.
TABLE = {
    1: [0.20, 0.35, 0.31, 0.28, 0.40, 0.31, 0.22, 0.39, 0.31, 0.25, 0.33, 0.30],
    2: {1: 0.36, 2: 0.41, 4: 0.38, 5: 0.36, 7: 0.41, 10: 0.29},
    4: {2: 0.44, 4: 0.45, 7: 0.45},
}
SURVIVORS = {1: {4, 7, 1, 10, 2, 5}, 2: {2, 7, 4}, 4: {4}}


class TestHalving:
    def test_survivors_are_those_of_the_hand_computed_table(self) -> None:
        rungs, names = halving(12), keys(12)
        found = {}
        for level, numbers in TABLE.items():
            found[level] = dict(numbers if isinstance(numbers, dict) else enumerate(numbers))
            decisions = rungs.report(level, {names[number]: score for number, score in found[level].items()})
            assert {d.key for d in decisions} == {names[number] for number in found[level]}
            assert {d.key for d in decisions if d.promoted} == {names[n] for n in SURVIVORS[level]}
        assert SURVIVORS[1] == set(TABLE[2])
        assert SURVIVORS[2] == set(TABLE[4])

    def test_nobody_is_judged_before_all_have_arrived(self) -> None:
        rungs, names = halving(3), keys(3)
        assert rungs.report(1, {names[0]: 0.5}) == []
        assert rungs.report(1, {names[2]: 0.1}) == []
        assert len(rungs.report(1, {names[1]: 0.3})) == 3

    @pytest.mark.parametrize("missing", [NAN, None])
    def test_no_number_ranks_last_even_below_nothing_right(self, missing: float | None) -> None:
        names = keys(4)
        decisions = halving(4).report(1, dict(zip(names, (missing, 0.0, 0.5, 0.5), strict=True)))
        assert [d.key for d in decisions] == [names[2], names[3], names[1], names[0]]

    def test_one_goes_on_where_a_share_would_be_none(self) -> None:
        decisions = halving(3, epochs=20, factor=4).report(1, dict.fromkeys(keys(3), 0.5))
        assert [d.promoted for d in decisions] == [True, False, False]

    def test_the_last_to_withdraw_sets_the_others_free(self) -> None:
        rungs, (a, b, c) = halving(3), keys(3)
        rungs.report(1, {a: 0.5, b: 0.6})
        assert {d.key: d.promoted for d in rungs.withdraw(c)} == {a: False, b: True}

    def test_a_configuration_is_not_waited_for_beyond_its_budget(self) -> None:
        rungs, (a, b, c) = halving(3, epochs=8, budgets=[8, 2, 8]), keys(3)
        rungs.report(1, {a: 0.5, b: 0.9, c: 0.4})
        fresh = halving(3, epochs=8, budgets=[8, 2, 8])
        fresh.report(1, {a: 0.9, b: 0.5, c: 0.4})
        assert {d.key: d.promoted for d in fresh.report(2, {a: 0.1})} == {a: True}

    def test_who_arrives_at_a_rung_that_was_decided_is_judged_by_its_cutoff(self) -> None:
        """So it is for those whose budget ended at a rung, once the study is extended."""
        decided, names = halving(4), keys(4)
        decided.restore(
            [
                Decision(key=names[0], epoch=2, score=0.5, cutoff=0.5, promoted=True),
                Decision(key=names[1], epoch=2, score=0.4, cutoff=0.5, promoted=False),
            ]
        )
        found = decided.report(2, {names[2]: 0.5, names[3]: 0.49})
        assert {d.key: d.promoted for d in found} == {names[2]: True, names[3]: False}


@st.composite
def races(draw: Any) -> tuple[int, list[list[float]], dict[int, int]]:
    """How many configurations, their scores by rung, and who withdraws after which rung (-1: before the first)."""
    count = draw(st.integers(1, 14))
    curves = draw(st.lists(st.lists(scores, min_size=3, max_size=3), min_size=count, max_size=count))
    withdrawn = draw(st.dictionaries(st.integers(0, count - 1), st.integers(-1, 2), max_size=count))
    return count, curves, withdrawn


def run_race(
    count: int, curves: list[list[float]], withdrawn: dict[int, int], random: Any
) -> tuple[set[Decision], set[TrialKey]]:
    """Feed random stacks in random order; whoever waits at the end of it is returned as well."""
    rungs, names = halving(count), keys(count)
    place = dict.fromkeys(names, 0)
    able, waiting = set(names), set()
    decisions: set[Decision] = set()

    def take(found: list[Decision]) -> None:
        for d in found:
            assert d not in decisions
            decisions.add(d)
            waiting.discard(d.key)
            if d.promoted:
                place[d.key] += 1
                if place[d.key] < len(rungs.levels):
                    able.add(d.key)

    while able:
        level = random.choice(sorted({place[key] for key in able}))
        here = sorted(key for key in able if place[key] == level)
        stack = random.sample(here, random.randint(1, len(here)))
        able.difference_update(stack)
        ended = [key for key in stack if withdrawn.get(names.index(key), 9) < level]
        arrived = {key: curves[names.index(key)][level] for key in stack if key not in ended}
        waiting.update(arrived)
        if arrived:
            take(rungs.report(rungs.levels[level], arrived))
        for key in ended:
            take(rungs.withdraw(key))
    return decisions, waiting


class TestHalvingLaws:
    @examples(25)
    @given(races(), st.randoms(use_true_random=False), st.randoms(use_true_random=False))
    def test_neither_order_nor_company_matters_and_nobody_waits_for_ever(
        self, race: tuple[int, list[list[float]], dict[int, int]], one: Any, another: Any
    ) -> None:
        decisions, waiting = run_race(*race, one)
        assert not waiting
        assert run_race(*race, another) == (decisions, waiting)

    @examples(25)
    @given(races(), st.integers(0, 40))
    def test_restored_rungs_go_on_as_those_that_lived_through_it(
        self, race: tuple[int, list[list[float]], dict[int, int]], cut: int
    ) -> None:
        """What waited undecided is reported anew, as the coordinator does after a kill."""
        count, curves, withdrawn = race
        names = keys(count)
        whole = _in_order(halving(count), names, curves, withdrawn, [], 10**6)
        begun = _in_order(halving(count), names, curves, withdrawn, [], cut)
        restored = halving(count)
        restored.restore(begun)
        assert _in_order(restored, names, curves, withdrawn, begun, 10**6) == whole[len(begun) :]


def _in_order(
    rungs: Halving,
    names: list[TrialKey],
    curves: list[list[float]],
    withdrawn: dict[int, int],
    earlier: list[Decision],
    steps: int,
) -> list[Decision]:
    """Rung by rung, position by position; decisions of ``earlier`` are not asked for again."""
    judged = {(d.key, d.epoch) for d in earlier}
    stopped = {d.key for d in earlier if not d.promoted}
    found: list[Decision] = []
    for place, level in enumerate(rungs.levels):
        for number, key in enumerate(names):
            if key in stopped | {d.key for d in found if not d.promoted} or (key, level) in judged:
                continue
            steps -= 1
            if steps < 0:
                return found
            ended = withdrawn.get(number, 9) < place
            found += rungs.withdraw(key) if ended else rungs.report(level, {key: curves[number][place]})
    return found


def test_the_paper_grid_under_halving() -> None:
    """192 configurations, all different: 48, 12, 3 go on."""
    names = keys(192)
    rungs: Rungs = make_rungs(
        "halving",
        grace_period=1,
        reduction_factor=4,
        positions={key: position for position, key in enumerate(names)},
        budgets=dict.fromkeys(names, 20),
    )
    left, survivors = names, []
    for level in rungs.levels:
        decisions = rungs.report(level, {key: math.sin(int(key.config_id, 16)) for key in left})
        left = [d.key for d in decisions if d.promoted]
        survivors.append(len(left))
    assert survivors == [48, 12, 3]
