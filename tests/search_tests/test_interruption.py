"""Real commands, killed and interrupted, and what ``resume`` makes of what they left."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from pandas.testing import assert_frame_equal

from results.frames import load_curves, load_trials
from results.record import State
from results.study import Study
from tests.search_tests.conftest import Sweep
from tests.search_tests.processes import Command, Ended, segments
from tests.search_tests.small import CONFIGURATIONS, EPOCHS, HALVING, check_record, curves, outcome, verdicts


def start(small: Path, study: Path, scheduler: str, *options: object) -> Command:
    """Stacks of one, so that there are many segments to be interrupted between."""
    rungs = ("--reduction-factor", 2) if scheduler == "halving" else ()
    return Command(
        *("sweep", "--data", small / "tracks.csv", "--space", small / "space.toml", "--out", study),
        *("--scheduler", scheduler, "--epochs", EPOCHS, "--stack-size", 1, *rungs, *options),
        folder=small,
    )


def check_interrupted(command: Command, ended: Ended, study: Path) -> None:
    assert ended.code == 130, ended.err
    assert f"genresweep resume {study}" in ended.err
    assert "Traceback" not in ended.err and "Traceback" not in ended.out
    assert command.left_behind() == []
    assert len(load_trials(study)) == CONFIGURATIONS
    assert sorted(path.name for path in study.glob("study.db*")) == ["study.db"]
    with Study.open(study) as opened:
        assert not opened.facts()["driver"]
        states = {trial.state for trial in opened.trials()}
        assert State.PENDING in states and State.RUNNING not in states


def check_same(study: Path, undisturbed: Path) -> None:
    check_record(study)
    assert_frame_equal(curves(study), curves(undisturbed), check_exact=True)
    assert_frame_equal(outcome(study), outcome(undisturbed), check_exact=True)
    assert verdicts(study) == verdicts(undisturbed)
    assert (study / "best" / "model.json").is_file()


@pytest.mark.timeout(600)
def test_exhaustive_on_one_worker_killed_then_interrupted(sweep: Sweep, small: Path, tmp_path: Path) -> None:
    """``SIGKILL`` after three segments, Ctrl-C after some more, then to the end on two workers."""
    study = tmp_path / "study"
    first = start(small, study, "none", "--cpus", 1)
    first.until(lambda: segments(study) >= 3)
    assert first.kill().code == -signal.SIGKILL
    committed = segments(study)
    assert 3 <= committed < CONFIGURATIONS
    before = load_curves(study)

    second = Command("resume", study, "--cpus", 1, folder=small)
    second.until(lambda: segments(study) > committed)
    second.interrupt(signal.SIGINT, group=True)
    check_interrupted(second, second.wait(), study)
    assert segments(study) < CONFIGURATIONS

    third = Command("resume", study, "--cpus", 2, "--quiet", folder=small)
    ended = third.wait()
    assert ended.code == 0, ended.err
    assert ended.err == "", "--quiet"
    assert third.left_behind() == []
    check_same(study, sweep(stack_size=16))
    after = load_curves(study).merge(before[["config_id", "epoch"]], on=["config_id", "epoch"])
    assert_frame_equal(after, before), "what was committed is not trained again"
    assert first.left_behind() == []


@pytest.mark.timeout(600)
def test_halving_on_two_workers_killed_then_terminated(sweep: Sweep, small: Path, tmp_path: Path) -> None:
    study = tmp_path / "study"
    first = start(small, study, "halving", "--cpus", 2)
    first.until(lambda: segments(study) >= 4)
    first.kill()
    committed = segments(study)

    second = Command("resume", study, "--cpus", 2, folder=small)
    second.until(lambda: segments(study) > committed)
    second.interrupt(signal.SIGTERM)
    check_interrupted(second, second.wait(), study)

    ended = Command("resume", study, "--cpus", 1, folder=small).wait()
    assert ended.code == 0, ended.err
    check_same(study, sweep(**HALVING, stack_size=16))
