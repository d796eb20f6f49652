from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from results.analysis.comparison import compare
from results.analysis.rows import TooFewError
from results.analysis.spending import Clock, best_so_far, study_costs, timeline
from results.dataframes.frames import load_curves
from results.record.records import State
from results.record.study import Study
from tests.results_tests.analysis.test_comparison import ASHA, EXHAUSTIVE, NAN, Trained, write
from tests.support.recorded import KINDS, record

TRAINED = [kind for kind in KINDS if kind != "nothing"]
PAUSED: list[Trained] = [*ASHA[:2], (1, 2, [0.3, 0.4, 0.4], 1102.0, 3.0)]


def test_the_clock_stands_still_while_nothing_trains() -> None:
    clock = Clock.of([(300.0, 310.0), (100.0, 130.0), (110.0, 120.0), (500.0, 501.0), (551.0, 552.0)])
    assert clock.pauses == ((130.0, 300.0), (310.0, 500.0))
    assert [clock.at(moment) for moment in (100.0, 130.0, 300.0, 310.0, 500.0, 552.0)] == [0, 30, 30, 40, 40, 92]


def test_segments_on_their_workers_with_the_pause_cut_out(tmp_path: Path) -> None:
    found = timeline(write(tmp_path / "s", PAUSED))
    assert found.segments[["began", "ended"]].to_numpy().tolist() == [[0, 1], [1, 2], [2, 5]]
    assert found.segments["last_epoch"].tolist() == [1, 1, 4] and not found.segments["failed"].any()
    assert found.pauses.to_numpy().tolist() == [[2.0, 1000.0]]
    assert timeline(write(tmp_path / "t", ASHA)).pauses.empty


def test_failed_segments_are_marked_with_the_last_line_of_their_error(tmp_path: Path) -> None:
    failed = timeline(record(tmp_path / "s", "asha")).segments.query("failed")
    assert len(failed) and failed["error"].str.startswith("RuntimeError: ").all()


@pytest.mark.parametrize("kind", TRAINED)
def test_the_best_so_far_is_that_of_the_comparison(tmp_path: Path, kind: str) -> None:
    directory = record(tmp_path / "s", kind)
    found, theirs = best_so_far(directory), compare([directory]).progress
    for column in ("epochs", "seconds", "best"):
        assert np.allclose(found[column].astype(float), theirs[column].astype(float), equal_nan=True)
    assert found["best"].dropna().is_monotonic_increasing
    assert found["config_id"].notna().tolist() == found["best"].notna().tolist()


def test_costs_are_those_of_the_record(tmp_path: Path) -> None:
    directory = record(tmp_path / "s", "asha")
    found = study_costs(directory)
    with Study.open(directory) as study:
        trials, segments = study.trials(), study.segments()
    assert found.epochs == len(load_curves(directory))
    assert found.saved_epochs == sum(trial.budget - trial.epoch for trial in trials if trial.state is State.STOPPED)
    assert found.segments == len(segments) and found.failed_segments > 0 and found.workers >= 1
    assert found.worker_seconds == sum(segment.seconds for segment in segments)
    assert found.failed_seconds == sum(segment.seconds for segment in segments if segment.error is not None)
    assert sum(count for _, count in found.states) == len(trials)


def test_two_workers_cost_twice_their_wall_time(tmp_path: Path) -> None:
    found = study_costs(write(tmp_path / "s", EXHAUSTIVE))
    assert (found.seconds, found.worker_seconds, found.epochs, found.saved_epochs) == (4.0, 6.0, 8, 0)


def test_before_anything_was_trained(tmp_path: Path) -> None:
    directory = record(tmp_path / "s", "nothing")
    costs = study_costs(directory)
    assert (costs.seconds, costs.epochs, costs.states) == (0.0, 0, ((State.PENDING, 24),))
    for data in (timeline, best_so_far):
        with pytest.raises(TooFewError):
            data(directory)


def test_a_study_without_a_score_has_no_best(tmp_path: Path) -> None:
    with pytest.raises(TooFewError, match="no configuration has a score"):
        best_so_far(write(tmp_path / "s", [(0, 1, [NAN], 1.0, 1.0)], complete=False))
