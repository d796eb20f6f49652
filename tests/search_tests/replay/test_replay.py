from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import InputError
from results.dataframes.frames import load_trials, ranked
from results.record.records import Decision, TrialKey, TrialRecord
from results.record.study import Study
from search.replay.recorded_sweep import RecordedSweep
from search.replay.replay import (
    ReplayedSweep,
    Setting,
    _rungs,
    as_options,
    judged,
    recommended,
    replay,
    simulate,
    summarise,
    usual_settings,
)
from search.scheduling.rungs import Rungs, make_rungs
from tests.search_tests.scheduling.test_coordinator import worlds
from tests.support.simulated import World, create_study, die, paper_trials, train_in
from tests.support.simulated import simulate as train
from tests.support.small import verdicts

EPOCHS = 8


def recorded(trials: tuple[TrialRecord, ...], world: World) -> RecordedSweep:
    """What an exhaustive study of this world would have recorded; an epoch takes a second."""
    rows = [[world.epoch(t.key, epoch).val_accuracy for epoch in range(1, EPOCHS + 1)] for t in trials]
    lengths = np.array([min(t.budget, world.endings.get(t.key, (EPOCHS, ""))[0]) for t in trials])
    trained = np.arange(EPOCHS) < lengths[:, None]
    return RecordedSweep(
        study="made up",
        keys=tuple(t.key for t in trials),
        positions={t.key: t.position for t in trials},
        budgets={t.key: t.budget for t in trials},
        lengths=lengths,
        accuracy=np.where(trained, np.array(rows), np.nan),
        seconds=trained.astype(float),
        weights=np.ones(len(trials)),
    )


class Listening:
    """Rungs that remember what they said."""

    def __init__(self, rungs: Rungs) -> None:
        self.levels, self._rungs = rungs.levels, rungs
        self.decisions: list[Decision] = []

    def report(self, epoch: int, scores: Any) -> list[Decision]:
        return self._said(self._rungs.report(epoch, scores))

    def withdraw(self, key: TrialKey) -> list[Decision]:
        return self._said(self._rungs.withdraw(key))

    def restore(self, decisions: Any) -> None: ...

    def _said(self, decisions: list[Decision]) -> list[Decision]:
        self.decisions += decisions
        return decisions


def rungs_of(sweep: RecordedSweep, scheduler: str, factor: int = 2) -> Listening:
    return Listening(
        make_rungs(scheduler, grace_period=1, reduction_factor=factor, positions=sweep.positions, budgets=sweep.budgets)
    )


class TestAsTheProductDecides:
    @given(st.data(), st.sampled_from(["asha", "halving", "none"]), st.sampled_from([1, 3, 16]), st.integers(1, 3))
    def test_in_the_order_that_a_sweep_had(self, data: Any, scheduler: str, stack_size: int, slots: int) -> None:
        """Its segments, in the order in which they ended, lead to its decisions and to its states."""
        trials = paper_trials(24, epochs=EPOCHS)
        world = World(endings=data.draw(worlds(trials)).endings)
        random = data.draw(st.randoms(use_true_random=False))
        history = train(
            trials,
            world,
            scheduler=scheduler,
            stack_size=stack_size,
            slots=slots,
            choose=lambda count: random.randrange(count),
        )
        sweep = recorded(trials, world)
        rungs = rungs_of(sweep, scheduler)
        replayed = ReplayedSweep(sweep, rungs)
        for segment in history.segments:
            replayed.train([sweep.keys.index(key) for key in segment.keys], segment.last_epoch)
        assert rungs.decisions == history.decisions
        assert dict(zip(sweep.keys, replayed.epochs, strict=True)) == {
            key: trial.epoch for key, trial in history.trials.items()
        }

    @pytest.mark.slow
    def test_in_the_order_that_a_real_sweep_had(self, sweep: Callable[..., Path]) -> None:
        """The curves of the exhaustive sweep, taken in the order of the ASHA sweep, lead to its very decisions."""
        asha = sweep(scheduler="asha", reduction_factor=2, stack_size=1)
        exhaustive = RecordedSweep.load(sweep(stack_size=16))
        rungs = rungs_of(exhaustive, "asha")
        replayed = ReplayedSweep(exhaustive, rungs)
        with Study.open(asha) as study:
            segments = [segment for segment in study.segments() if segment.error is None]
            decisions, trials = study.decisions(), study.trials()
        waiting = {
            (key, segment.last_epoch): (segment.keys, segment.last_epoch)
            for segment in segments
            for key in segment.keys
        }
        arrived = dict.fromkeys(waiting[d.key, d.epoch] for d in decisions)
        ends = [stack for stack in dict.fromkeys(waiting.values()) if stack not in arrived]
        for members, last in [*arrived, *sorted(ends, key=lambda stack: stack[1])]:
            replayed.train([exhaustive.keys.index(key) for key in members], last)
        found = [(d.key.config_id, d.epoch, d.score, d.cutoff, d.promoted) for d in rungs.decisions]
        assert sorted(found) == verdicts(asha) and len(found) > 8
        assert dict(zip(exhaustive.keys, replayed.epochs, strict=True)) == {t.key: t.epoch for t in trials}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exhaustive study of 24 configurations; its accuracies are twentieths, so that there are ties."""
    directory = tmp_path_factory.mktemp("replay") / "study"
    trials = paper_trials(24, epochs=EPOCHS)
    world = World(endings={trials[3].key: (2, "early_stopped"), trials[5].key: (1, "diverged")})
    with create_study(directory, trials, scheduler="none", epochs=EPOCHS) as created:
        train_in(created, world)
    return directory


settings_of_all = st.sampled_from([s for s in usual_settings(EPOCHS) if s.scheduler != "none"])
accuracies = st.integers(0, 10).map(lambda tenths: tenths / 10)


@st.composite
def sweeps(draw: Any) -> RecordedSweep:
    """Any curves of up to 20 configurations."""
    trials = paper_trials(draw(st.integers(1, 20)), epochs=EPOCHS)
    table = {t.key: draw(st.lists(accuracies, min_size=EPOCHS, max_size=EPOCHS)) for t in trials}
    return recorded(trials, World(score=lambda key, epoch: table[key][epoch - 1]))


def run(sweep: RecordedSweep, setting: Setting, order: list[int], workers: int = 2, stack_size: int = 4) -> Any:
    return simulate(sweep, _rungs(setting, sweep, order), order, workers, stack_size)


class TestLaws:
    @given(sweeps(), settings_of_all, st.integers(1, 4), st.integers(1, 6), st.randoms(use_true_random=False))
    def test_whatever_the_setting(
        self, sweep: RecordedSweep, setting: Setting, workers: int, stack_size: int, random: Any
    ) -> None:
        order = list(range(len(sweep.keys)))
        random.shuffle(order)
        ended = run(sweep, setting, order, workers, stack_size)
        assert (ended.epochs >= 1).all() and (ended.epochs <= sweep.lengths).all()
        assert ended.epochs.max() == EPOCHS, "someone always trains to the end"
        assert ended.epochs.sum() / workers - 1e-9 <= ended.seconds <= ended.epochs.sum() + 1e-9
        alone = run(sweep, setting, order, 1, stack_size)
        assert alone.seconds == alone.epochs.sum()

    @given(sweeps(), st.sampled_from(["asha", "halving", "median"]))
    def test_a_grace_period_of_all_epochs_saves_nothing(self, sweep: RecordedSweep, scheduler: str) -> None:
        ended = run(sweep, Setting.of(scheduler, 2, EPOCHS), list(range(len(sweep.keys))))
        assert (ended.epochs == sweep.lengths).all()

    @given(settings_of_all, st.lists(accuracies, min_size=EPOCHS, max_size=EPOCHS))
    def test_who_is_alone_is_never_stopped(self, setting: Setting, curve: list[float]) -> None:
        sweep = recorded(paper_trials(1, epochs=EPOCHS), World(score=lambda key, epoch: curve[epoch - 1]))
        assert run(sweep, setting, [0]).epochs.tolist() == [EPOCHS]

    @given(sweeps(), st.sampled_from([2, 3, 4]), st.randoms(use_true_random=False))
    def test_halving_does_not_depend_on_the_order(self, sweep: RecordedSweep, factor: int, random: Any) -> None:
        order = list(range(len(sweep.keys)))
        before = run(sweep, Setting("halving", factor, 1), order).epochs
        random.shuffle(order)
        assert (run(sweep, Setting("halving", factor, 1), order, 3, 5).epochs == before).all()


class TestReplay:
    def test_nobody_stopped_is_the_study_itself(self, study: Path) -> None:
        runs = replay([study], [Setting("none")], orders=2)
        trials = load_trials(study)
        assert runs["epochs"].tolist() == [trials["epochs"].sum()] * 2 == [23 * EPOCHS - 6 - 7 + EPOCHS] * 2
        assert runs["regret"].tolist() == [0.0] * 2 and runs["saved"].tolist() == [0.0] * 2
        assert runs["rank"].tolist() == [1] * 2
        assert set(runs["config_id"]) == {ranked(trials)["config_id"].iloc[0]}

    def test_ranks_are_the_products(self, study: Path) -> None:
        sweep, trials = RecordedSweep.load(study), ranked(load_trials(study))
        by_rank = [sweep.keys[row].config_id for row in np.argsort(sweep.ranks)]
        assert by_rank == trials["config_id"].tolist()
        assert trials["val_accuracy"].nunique() < 10, "the case is about ties"

    @pytest.mark.parametrize("setting", [Setting("asha", 2, 1), Setting("median", None, 1), Setting("hyperband", 2)])
    def test_columns_say_what_was_chosen(self, study: Path, setting: Setting) -> None:
        runs, sweep = replay([study], [setting], orders=30, seed=3), RecordedSweep.load(study)
        rows = {key.config_id: row for row, key in enumerate(sweep.keys)}
        best = sweep.best.max()
        assert runs["epochs"].nunique() > 1 and (runs["saved"] > 0).all() and (runs["regret"] >= 0).all()
        for chosen, rank, regret in zip(runs["config_id"], runs["rank"], runs["regret"], strict=True):
            assert sweep.ranks[rows[chosen]] == rank
            assert best - regret in sweep.accuracy[rows[chosen]]
        pd.testing.assert_frame_equal(runs, replay([study], [setting], orders=30, seed=3))
        assert not runs.equals(replay([study], [setting], orders=30, seed=4))

    def test_processes_make_no_difference(self, study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        settings = [Setting("asha", 2, 1), Setting("hyperband", 3), Setting("none")]
        alone = replay([study], settings)
        assert alone["order"].nunique() == 50 and len(alone) == 150
        monkeypatch.setattr("search.replay.replay._WORTH_PROCESSES", 0)
        monkeypatch.setattr("search.replay.replay.itertools.starmap", None)
        pd.testing.assert_frame_equal(replay([study], settings), alone)

    def test_chosen_on_some_and_judged_on_others(self, study: Path) -> None:
        one = summarise(replay([study], orders=2))
        other = one.assign(epochs=one["epochs"] + 1).sample(frac=1, random_state=0)
        both = judged(one, other)
        assert both["scheduler"].tolist() == one["scheduler"].tolist()
        assert (both["epochs_judged"] - both["epochs"] == 1).all()
        assert (both["regret_judged"] == both["regret"]).all() and (both["rank_judged"] == both["rank"]).all()

    def test_several_studies_are_averaged(self, study: Path) -> None:
        once, twice = (summarise(replay([study] * n, [Setting("asha", 2, 1)], orders=5)) for n in (1, 2))
        pd.testing.assert_frame_equal(once, twice)

    def test_a_study_that_stopped_anyone_is_refused(self, tmp_path: Path) -> None:
        with create_study(tmp_path / "s", paper_trials(4), scheduler="asha", epochs=EPOCHS) as created:
            train_in(created, World())
        with pytest.raises(InputError, match="stopped configurations early.*--scheduler none"):
            replay([tmp_path / "s"])

    @pytest.mark.parametrize("segments", [0, 1])
    def test_an_incomplete_study_is_refused(self, tmp_path: Path, segments: int) -> None:
        created = create_study(tmp_path / "s", paper_trials(4), scheduler="none", epochs=EPOCHS)
        train_in(created, World(), segments)
        die(created)
        with pytest.raises(InputError, match=r"not complete: \d of 4.*genresweep resume"):
            replay([tmp_path / "s"])

    def test_a_study_without_a_score_is_refused(self, tmp_path: Path) -> None:
        trials = paper_trials(2)
        with create_study(tmp_path / "s", trials, scheduler="none", epochs=EPOCHS) as created:
            train_in(created, World(endings={t.key: (1, "diverged") for t in trials}))
        with pytest.raises(InputError, match="no score"):
            replay([tmp_path / "s"])


def test_the_usual_settings_are_all_different_and_within_the_budget() -> None:
    found = usual_settings(20)
    assert len(found) == len(set(found)) == 3 * 5 + 3 * 5 + 5 + 3 + 1
    assert {s.grace_period for s in found} == {None, 1, 2, 4, 8, 16}
    assert usual_settings(1)


def test_what_is_recommended_costs_the_least_of_what_is_good_enough() -> None:
    runs = pd.DataFrame(
        [
            {"scheduler": "asha", "reduction_factor": 4, "grace_period": 1, "epochs": 10, "regret": 0.01},
            {"scheduler": "asha", "reduction_factor": 2, "grace_period": 1, "epochs": 20, "regret": 0.001},
            {"scheduler": "median", "reduction_factor": None, "grace_period": 1, "epochs": 30, "regret": 0.001},
            {"scheduler": "none", "reduction_factor": None, "grace_period": None, "epochs": 40, "regret": 0.0},
        ]
    ).astype({"reduction_factor": "Int64", "grace_period": "Int64"})
    table = summarise(runs.assign(saved=0.0, rank=1, seconds=1.0))
    assert table["best_trade"].tolist() == [True, True, False, True]
    assert as_options(recommended(table, 0.005)) == "--scheduler asha --reduction-factor 2 --grace-period 1"
    assert as_options(recommended(table, 0.0)) == "--scheduler none"
    with pytest.raises(InputError, match=r"at most 0.001; the least is 0.0100"):
        recommended(table.head(1), 0.001)
