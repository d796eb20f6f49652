"""``--json-events``: one JSON object a line, for a program that may end before the sweep."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from data.errors import command
from results.dataframes.frames import load_trials
from results.record.study import Study
from search.cli.progress.telling import EventLines, telling
from search.scheduling.events import Stopping
from tests.search_tests.cli.test_streams import command as run_command
from tests.search_tests.cli.test_streams import unread
from tests.support.small import CONFIGURATIONS, EPOCHS


def sweep(study: Path) -> tuple[object, ...]:
    arguments = ("sweep", "--data", "tracks.csv", "--space", "space.toml", "--epochs", EPOCHS, "--cpus", 1)
    return (*arguments, "--scheduler", "halving", "--reduction-factor", 2, "--out", study, "--json-events")


@pytest.mark.timeout(900)
def test_every_line_is_an_event_and_all_are_the_record(small: Path, tmp_path: Path) -> None:
    ended = run_command(*sweep(tmp_path / "study"), folder=small)
    events = [json.loads(line) for line in ended.stdout.splitlines()]
    assert ended.returncode == 0 and "training, 1 at once" in ended.stderr
    names = [event["event"] for event in events]
    assert names[0] == "study_started" and names[-1] == "study_finished"
    assert events[-1]["result"]["complete"]
    with Study.open(tmp_path / "study") as study:
        epochs = sum(event["epochs"] for event in events if event["event"] == "segment_finished")
        assert epochs == sum(map(len, study.accuracies().values())) == events[-1]["result"]["epochs"]
        assert names.count("rung_decided") == len(study.decisions())
    assert names.count("configuration_ended") == CONFIGURATIONS
    times = [event["time"] for event in events]
    assert times == sorted(times)


@pytest.mark.timeout(900)
@pytest.mark.slow
def test_a_reader_that_ends_does_not_end_the_sweep(small: Path, tmp_path: Path) -> None:
    ended = run_command(*sweep(tmp_path / "study"), folder=small, stdout=unread())
    assert ended.returncode == 0, ended.stderr
    assert len(load_trials(tmp_path / "study").query("epochs > 0")) == CONFIGURATIONS


def test_a_writer_without_a_reader_is_silent() -> None:
    with os.fdopen(unread(), "w") as stream:
        tell = EventLines(stream)
        for _ in range(3):
            tell(Stopping(in_flight=1))


def test_an_end_before_its_time_is_an_event(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for error in (KeyboardInterrupt(), ValueError("no")):
        with pytest.raises(type(error)), telling(tmp_path / "s", quiet=True, json_events=True):
            raise error
    interrupted, failed = map(json.loads, capsys.readouterr().out.splitlines())
    assert (interrupted["event"], interrupted["resume"]) == ("interrupted", command("resume", tmp_path / "s"))
    assert (failed["event"], failed["error"]) == ("study_failed", "no")
