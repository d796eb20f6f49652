from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from results.record.records import State, TrialKey, TrialRecord
from results.record.study import Study
from search.scheduling.ready import SegmentKey
from search.scheduling.rungs import ladder
from tests.support.examples import examples
from tests.support.simulated import (
    History,
    World,
    create_study,
    curves_of,
    die,
    extend_in,
    made_up_score,
    paper_trials,
    simulate,
    train_in,
    trial,
)
from trainables.segment_protocol import Failed

SCHEDULERS = ("asha", "halving", "none")
sizes = st.sampled_from([1, 2, 3, 5, 16])


@st.composite
def worlds(draw: Any, trials: tuple[TrialRecord, ...]) -> World:
    """Some members diverge, lose their patience, or cannot be trained."""
    keys = [t.key for t in trials]
    kinds = st.tuples(st.integers(1, 8), st.sampled_from(["diverged", "early_stopped"]))
    endings = draw(st.dictionaries(st.sampled_from(keys), kinds, max_size=4))
    failing = draw(st.dictionaries(st.sampled_from(keys), st.integers(1, 8), max_size=2))
    return World(endings=endings, failing={k: e for k, e in failing.items() if k not in endings})


def check_partition(history: History, trials: tuple[TrialRecord, ...], stack_size: int, rungs: tuple[int, ...]) -> None:
    """Every configuration once, stacks of one key, no epoch missing or trained twice, segments within rungs."""
    done = dict.fromkeys((t.key for t in trials), 0)
    by_key = {t.key: t for t in trials}
    for segment in history.segments:
        assert 1 <= len(segment.keys) <= stack_size
        assert len(set(segment.keys)) == len(segment.keys)
        members = [by_key[key] for key in segment.keys]
        assert [m.configuration for m in members] == list(segment.configurations)
        assert len({(*vars(SegmentKey.of(m)).values(),) for m in members}) == 1
        assert {done[key] for key in segment.keys} == {segment.first_epoch - 1}
        assert segment.first_epoch <= segment.last_epoch <= min(m.budget for m in members)
        assert not [rung for rung in rungs if segment.first_epoch <= rung < segment.last_epoch]
        assert all((source is None) == (segment.first_epoch == 1) for source in segment.sources)
        done |= dict.fromkeys(segment.keys, segment.last_epoch)
    for key, epochs in history.curves.items():
        assert epochs == list(range(1, len(epochs) + 1)) and len(epochs) == history.trials[key].epoch
    assert all(t.state.is_final for t in history.trials.values())


class TestPartition:
    @pytest.mark.parametrize("scheduler", SCHEDULERS)
    @pytest.mark.parametrize("stack_size", [1, 5, 16])
    def test_the_paper_grid(self, scheduler: str, stack_size: int) -> None:
        trials = paper_trials(192, epochs=20)
        history = simulate(trials, World(), scheduler=scheduler, stack_size=stack_size, reduction_factor=4, slots=3)
        rungs = () if scheduler == "none" else ladder(1, 4, 20)
        check_partition(history, trials, stack_size, rungs)
        assert set(history.curves) == {t.key for t in trials} and len(history.curves) == 192
        if scheduler == "none":
            assert set(history.states().values()) == {(State.FINISHED, 20)}
        if scheduler == "halving":
            assert Counter(history.states().values()) == {
                (State.STOPPED, 1): 144,
                (State.STOPPED, 4): 36,
                (State.STOPPED, 16): 9,
                (State.FINISHED, 20): 3,
            }

    @given(st.data(), st.sampled_from(SCHEDULERS), sizes, st.integers(1, 4))
    def test_whatever_happens_to_its_members(self, data: Any, scheduler: str, stack_size: int, slots: int) -> None:
        trials = paper_trials(16)
        world = data.draw(worlds(trials))
        choices = data.draw(st.randoms(use_true_random=False))
        history = simulate(
            trials,
            world,
            scheduler=scheduler,
            stack_size=stack_size,
            slots=slots,
            choose=lambda count: choices.randrange(count),
        )
        check_partition(history, trials, stack_size, () if scheduler == "none" else ladder(1, 2, 8))
        for key, (state, epoch) in history.states().items():
            _check_ending(world, key, state, epoch)

    def test_stacks_are_as_large_as_they_may_be(self) -> None:
        history = simulate(paper_trials(192, epochs=1), World(), stack_size=16)
        assert [len(segment.keys) for segment in history.segments] == [16] * 12


def _check_ending(world: World, key: TrialKey, state: State, epoch: int) -> None:
    if state is State.FINISHED:
        assert epoch == 8
    elif state in (State.DIVERGED, State.EARLY_STOPPED):
        assert world.endings[key] == (epoch, str(state))
    elif state is State.FAILED:
        assert epoch < world.failing[key]
    else:
        assert state is State.STOPPED and epoch in ladder(1, 2, 8)


class TestFailures:
    def test_the_failing_member_is_found_by_halving_its_stack_and_the_rest_finish(self) -> None:
        trials = paper_trials(192)
        stack = [t for t in trials if SegmentKey.of(t) == SegmentKey.of(trials[0])]
        bad = stack[5].key
        history = simulate(trials, World(failing={bad: 3}), stack_size=16)
        failed = {key for key, t in history.trials.items() if t.state is not State.FINISHED}
        assert failed == {bad}
        assert history.trials[bad].state is State.FAILED
        assert history.trials[bad].reason == f"RuntimeError: {bad.config_id} cannot be trained"
        assert history.trials[bad].epoch < 3

    def test_a_stack_that_fails_once_is_tried_again_as_it_is(self) -> None:
        trials = paper_trials(12)
        world = World(failing={trials[0].key: 1})
        calls: list[tuple[TrialKey, ...]] = []

        class Once(World):
            def failure(self, segment: Any) -> Failed | None:
                failure = None if any(trials[0].key in keys for keys in calls) else world.failure(segment)
                if failure:
                    calls.append(segment.keys)
                return failure

        history = simulate(trials, Once(), stack_size=16)
        assert len(calls) == 1
        assert calls[0] in [segment.keys for segment in history.segments]
        assert set(history.states().values()) == {(State.FINISHED, 8)}

    @pytest.mark.parametrize("scheduler", ["asha", "halving"])
    def test_rungs_do_not_wait_for_what_failed(self, scheduler: str) -> None:
        trials = paper_trials(16)
        failing = {t.key: epoch for t, epoch in zip(trials, (1, 1, 2, 3, 5, 8), strict=False)}
        history = simulate(trials, World(failing=failing), scheduler=scheduler, stack_size=4)
        assert State.FINISHED in {state for state, _ in history.states().values()}

    def test_where_all_fail_all_are_recorded_so(self) -> None:
        trials = paper_trials(6)
        history = simulate(trials, World(failing={t.key: 1 for t in trials}), scheduler="halving")
        assert set(history.states().values()) == {(State.FAILED, 0)}


class TestMixedBudgets:
    @pytest.mark.parametrize("scheduler", SCHEDULERS)
    def test_paper_full(self, scheduler: str) -> None:
        trials = paper_trials(384, space="paper-full")
        assert Counter(t.budget for t in trials) == {20: 192, 50: 192}
        history = simulate(trials, World(), scheduler=scheduler, reduction_factor=4, stack_size=16)
        check_partition(history, trials, 16, () if scheduler == "none" else ladder(1, 4, 50))
        finished = [t for t in history.trials.values() if t.state is State.FINISHED]
        assert finished and all(t.epoch == t.budget for t in finished)
        if scheduler == "none":
            assert len(finished) == 384

    def test_a_rung_at_the_end_of_a_budget_does_not_wait_for_those_who_end_there(self) -> None:
        trials = paper_trials(384, space="paper-full")
        history = simulate(trials, World(), scheduler="halving", grace_period=5, stack_size=16)
        assert {d.epoch for d in history.decisions} == {5, 10, 20, 40}
        short = {t.key for t in trials if t.budget == 20}
        assert not [d for d in history.decisions if d.epoch == 20 and d.key in short]


class TestAshaSeesPrefixes:
    @given(sizes, st.integers(1, 4), st.randoms(use_true_random=False))
    def test_of_the_exhaustive_curves(self, stack_size: int, slots: int, random: Any) -> None:
        """And every decision is made of the scores of its epoch."""
        trials = paper_trials(16)
        history = simulate(
            trials,
            World(),
            scheduler="asha",
            stack_size=stack_size,
            slots=slots,
            choose=lambda count: random.randrange(count),
        )
        assert all(d.score == made_up_score(d.key, d.epoch) for d in history.decisions)
        promoted = {(d.key, d.epoch): d.promoted for d in history.decisions}
        for key, epochs in history.curves.items():
            passed = [rung for rung in ladder(1, 2, 8) if rung in epochs]
            assert [promoted[key, rung] for rung in passed[:-1]] == [True] * len(passed[:-1])
            assert (len(epochs) == 8) == promoted[key, passed[-1]]
            assert len(epochs) in (*ladder(1, 2, 8), 8)

    def test_the_first_of_a_rung_goes_on_always(self) -> None:
        history = simulate(paper_trials(1), World(score=lambda key, epoch: 0.0), scheduler="asha")
        assert set(history.states().values()) == {(State.FINISHED, 8)}


class TestHalvingIsTheSame:
    @given(st.data(), sizes, st.integers(1, 4))
    def test_whatever_the_stacks_the_slots_and_the_order(self, data: Any, stack_size: int, slots: int) -> None:
        trials = paper_trials(16)
        world = data.draw(worlds(trials))
        random = data.draw(st.randoms(use_true_random=False))
        plain = simulate(trials, world, scheduler="halving", stack_size=1, slots=1)
        other = simulate(
            trials,
            world,
            scheduler="halving",
            stack_size=stack_size,
            slots=slots,
            choose=lambda count: random.randrange(count),
        )
        assert other.verdicts() == plain.verdicts()
        assert {d.key: d.cutoff for d in other.decisions} == {d.key: d.cutoff for d in plain.decisions}
        assert _but_failures(other) == _but_failures(plain)


def _but_failures(history: History) -> dict[TrialKey, tuple[State, int]]:
    """A failing member keeps what its last whole segment brought, and segments are of any length."""
    return {key: (state, 0 if state is State.FAILED else epoch) for key, (state, epoch) in history.states().items()}


def killed_and_resumed(
    trials: tuple[TrialRecord, ...], world: World, scheduler: str, kills: list[int], **options: Any
) -> tuple[dict[str, Any], Study]:
    """A sweep with a kill after each of so many segments; what its record says in the end."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "study"
        study = create_study(directory, trials, scheduler=scheduler, reduction_factor=2, epochs=8, stack_size=4)
        for segments in kills:
            train_in(study, world, segments, **options)
            die(study)
            study = Study.open_for_writing(directory)
        train_in(study, world, **options)
        with study:
            record = {
                "states": {t.key: (t.state, t.epoch) for t in study.trials()},
                "curves": curves_of(study),
                "decisions": {(d.key, d.epoch, d.score, d.cutoff, d.promoted) for d in study.decisions()},
            }
            segments_seen = [segment.segment_id for segment in study.segments()]
            assert len(set(segments_seen)) == len(segments_seen)
    return record, study


class TestKillsChangeNothing:
    @examples(8, suppress_health_check=[HealthCheck.too_slow])
    @given(
        st.data(),
        st.sampled_from(["halving", "none"]),
        st.lists(st.integers(0, 9), min_size=1, max_size=3),
        st.integers(1, 3),
    )
    def test_under_halving_and_exhaustively(self, data: Any, scheduler: str, kills: list[int], slots: int) -> None:
        trials = paper_trials(12)
        world = data.draw(worlds(trials))
        random = data.draw(st.randoms(use_true_random=False))
        options = {"slots": slots, "choose": lambda count: random.randrange(count)}
        killed, _ = killed_and_resumed(trials, world, scheduler, kills, **options)
        whole, _ = killed_and_resumed(trials, world, scheduler, [])
        for record in (killed, whole):
            for key, (state, _epoch) in record["states"].items():
                if state is State.FAILED:
                    record["states"][key], record["curves"][key] = (state, 0), []
        assert killed == whole

    @examples(6, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(st.integers(0, 9), min_size=1, max_size=3), st.randoms(use_true_random=False))
    def test_asha_never_judges_twice_and_loses_no_epoch(self, kills: list[int], random: Any) -> None:
        trials = paper_trials(12)
        options = {"slots": 3, "choose": lambda count: random.randrange(count)}
        record, _ = killed_and_resumed(trials, World(), "asha", kills, **options)
        judged = Counter((key, epoch) for key, epoch, *_ in record["decisions"])
        assert set(judged.values()) == {1}
        for key, (state, epoch) in record["states"].items():
            assert state.is_final
            assert record["curves"][key] == list(range(1, epoch + 1))
            assert [level for level in ladder(1, 2, 8) if level <= epoch] == sorted(e for k, e in judged if k == key)

    def test_segments_get_new_numbers_though_some_were_lost_in_flight(self, tmp_path: Path) -> None:
        """The second in flight is committed, the first is lost with the driver: two recorded, three handed out."""
        study = create_study(tmp_path / "study", paper_trials(12), scheduler="none", epochs=8, stack_size=4)
        train_in(study, World(), 2, slots=3, choose=lambda count: count - 1)
        before = {segment.segment_id for segment in study.segments()}
        assert before == {"000003", "000004"}
        die(study)
        with Study.open_for_writing(tmp_path / "study") as study:
            train_in(study, World())
            after = {segment.segment_id for segment in study.segments()}
        assert min(after - before) == "000005"


class TestExtending:
    def test_those_whose_budget_ended_at_a_rung_are_judged_there(self, tmp_path: Path) -> None:
        """Rungs 1, 2, 4, 8: half of the configurations end at 4, then all may go to 10."""
        points = [t.configuration for t in paper_trials(12)]
        trials = tuple(trial(point, place, epochs=4 if place % 2 else 8) for place, point in enumerate(points))
        with create_study(tmp_path / "study", trials, scheduler="halving", reduction_factor=2, epochs=8) as study:
            train_in(study, World(score=lambda key, epoch: int(key.config_id, 16) / 2**48))
            finished = [t.key for t in study.trials() if t.state is State.FINISHED and t.budget == 4]
            assert finished, "the case is about these"
            extend_in(study, epochs=10)
            train_in(study, World(score=lambda key, epoch: int(key.config_id, 16) / 2**48))
            assert all(t.state.is_final for t in study.trials())
            judged = {(d.key, d.epoch) for d in study.decisions()}
            assert {(key, 4) for key in finished} <= judged
