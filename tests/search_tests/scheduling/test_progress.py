"""Progress as data: what the driver counts is what a reader finds in the record, and the bar ends at its end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from results.record.records import SegmentRecord, State, TrialKey
from results.record.study import Study
from search.scheduling.coordinator import Coordinator, Outcome
from search.scheduling.progress import Progress, ProgressCounter, RungProgress, _pace, read_progress
from spaces import Choice, SearchSpace, load_space
from tests.support.simulated import World, create_study, paper_trials, train_in


class Follower:
    """A driver's counter, compared with the record after everything that is committed."""

    def __init__(self, study: Study) -> None:
        self.study, self.seen = study, list[Progress]()

    def began(self) -> None:
        self.counter = ProgressCounter(self.study)
        self._look()

    def committed(self, coordinator: Coordinator, outcome: Outcome) -> None:
        if outcome.facts:
            self.counter.suggested(coordinator, outcome.suggested)
        else:
            self.counter.add(outcome)
        self._look()

    def _look(self) -> None:
        progress = self.counter.progress
        assert progress == read_progress(self.study)
        assert progress.to_json() == read_progress(self.study).to_json()
        assert 0 <= progress.done <= progress.total
        self.seen.append(progress)

    def train(self, world: World, segments: int | None = None) -> Progress:
        train_in(self.study, world, segments, began=self.began, committed=self.committed)
        return self.seen[-1]


def check_ended(study: Study, progress: Progress) -> None:
    """Against the record, read another way."""
    trials, decisions = study.trials(), study.decisions()
    assert progress.done == progress.total == sum(trial.budget for trial in trials)
    assert progress.trained == sum(map(len, study.accuracies().values()))
    assert progress.ended_count == progress.configurations == len(trials)
    for rung in progress.rungs:
        own = [decision.promoted for decision in decisions if decision.epoch == rung.epoch]
        assert (rung.judged, rung.promoted) == (len(own), sum(own))
    assert sum(rung.judged for rung in progress.rungs) == len(decisions)
    assert progress.best is not None and progress.best.val_accuracy == study.best_accuracy()
    assert progress.seconds_left == 0


@pytest.mark.parametrize("scheduler", ["asha", "halving", "none"])
def test_the_bar_ends_at_its_end(scheduler: str, tmp_path: Path) -> None:
    trials = paper_trials(24)
    ends = {trials[3].key: (2, "early_stopped"), trials[7].key: (1, "diverged"), trials[11].key: (5, "early_stopped")}
    world = World(endings=ends, failing={trials[5].key: 3})
    with create_study(tmp_path / "s", trials, scheduler=scheduler, reduction_factor=2, epochs=8) as study:
        follower = Follower(study)
        last = follower.train(world)
        check_ended(study, last)
        done = [progress.done for progress in follower.seen]
        assert done == sorted(done) and len(done) > 5, "it never goes back"
        assert (scheduler == "none") == (last.rungs == ())
        assert last.ended[State.DIVERGED] == 1 and (last.saved > 0)


def test_an_interrupted_study_goes_on_from_where_it_was(tmp_path: Path) -> None:
    with create_study(tmp_path / "s", paper_trials(12), scheduler="asha", reduction_factor=2, epochs=8) as study:
        stopped = Follower(study).train(World(), segments=4)
        assert 0 < stopped.done < stopped.total
        resumed = Follower(study)
        check_ended(study, resumed.train(World()))
        assert resumed.seen[0] == stopped


@pytest.mark.parametrize("repeats", [1, 2])
def test_configurations_that_a_search_has_yet_to_suggest_are_work_too(repeats: int, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"search": "optuna", "trials": 6, "sampler": "random", "scheduler": "none", "epochs": 4}
    space = load_space("paper")
    with create_study(tmp_path / "s", [], space=space, repeats=repeats, **settings) as study:
        follower = Follower(study)
        last = follower.train(World())
        check_ended(study, last)
        assert {(seen.total, seen.configurations) for seen in follower.seen} == {(24 * repeats, 6 * repeats)}


def test_a_space_that_runs_out_leaves_no_work(tmp_path: Path) -> None:
    space = SearchSpace("two", {"hidden_layers": Choice(((8,), (16,)))})
    settings: dict[str, Any] = {"search": "optuna", "trials": 9, "scheduler": "none", "epochs": 4}
    with create_study(tmp_path / "s", [], space=space, **settings) as study:
        check_ended(study, Follower(study).train(World()))
        assert len(study.trials()) == 2


def test_of_equal_scores_the_earlier_is_the_best(tmp_path: Path) -> None:
    trials = paper_trials(6)
    with create_study(tmp_path / "s", trials, scheduler="none", epochs=8) as study:
        best = Follower(study).train(World(score=lambda key, epoch: 0.5)).best
    assert best is not None and (best.key, best.epoch) == (trials[0].key, 1)


def test_survivors_by_rung(tmp_path: Path) -> None:
    with create_study(tmp_path / "s", paper_trials(8), scheduler="halving", reduction_factor=2, epochs=8) as study:
        last = Follower(study).train(World(score=lambda key, epoch: int(key.config_id, 16) / 16**12))
    assert last.rungs == (RungProgress(1, 8, 4), RungProgress(2, 4, 2), RungProgress(4, 2, 1))
    assert (last.trained, last.saved) == (8 + 4 + 2 * 2 + 4, 4 * 7 + 2 * 6 + 4)


def test_the_pace_counts_parallel_work_once_and_no_gaps() -> None:
    def segment(started: float, seconds: float) -> SegmentRecord:
        return SegmentRecord(
            segment_id="1", keys=(TrialKey("a", 1), TrialKey("b", 1)), first_epoch=1, last_epoch=5, seconds=seconds,
            host="", started=started, checkpoint=None, sha256=None,
        )  # fmt: skip

    assert _pace([]) is None
    assert _pace([segment(0, 10)]) == 1.0
    assert _pace([segment(0, 10), segment(5, 10), segment(1000, 5)]) == 20 / 30
    assert _pace([segment(0, 10), segment(2, 3)]) == 0.5


def test_the_time_left_supposes_that_as_much_is_saved_as_so_far() -> None:
    progress = Progress(total=100, trained=10, saved=10, configurations=10, pace=2.0)
    assert progress.seconds_left == 80
    assert replace(progress, trained=0, saved=0).seconds_left is None
    assert replace(progress, pace=None).seconds_left is None
