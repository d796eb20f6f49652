"""A study watched from elsewhere: what its reader sees is what the driver shows, and it ends with the study."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from data.errors import InputError
from results.dataframes.frames import load_trials
from results.record.facts import Fact
from results.record.places import driver_lives
from results.record.records import StageProgress
from results.record.settings import StageSettings
from results.record.stage_records import StageRecord, commit_stage
from results.record.study import Study
from search.cli.main import run
from search.cli.progress.watch import Log, title, watched
from search.cluster.placement import Resources
from search.scheduling.listener import Listener
from search.scheduling.progress import read_progress
from search.scheduling.study_view import STAGE_NAMES, Condition, StudyView, view_study
from search.studies.pipeline import STAGES
from search.studies.stages.context import Run
from tests.search_tests.conftest import Launch
from tests.support.processes import ROOT, SLOW, segments
from tests.support.simulated import World, create_study, die, paper_trials, train_in
from tests.support.small import CONFIGURATIONS, EPOCHS


def half_done(directory: Path) -> Study:
    study = create_study(directory, paper_trials(8), scheduler="asha", reduction_factor=2, epochs=8)
    train_in(study, World(), 3)
    return study


def test_a_study_with_its_driver_runs(tmp_path: Path) -> None:
    with half_done(tmp_path / "s") as study:
        view = view_study(tmp_path / "s")
        assert view.condition is Condition.RUNNING
        assert view.progress == read_progress(study) and 0 < view.progress.done < view.progress.total


def test_one_whose_driver_was_killed_is_interrupted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    die(half_done(tmp_path / "s"))
    assert run(["watch", str(tmp_path / "s")]) == 1
    assert f"interrupted; go on with: genresweep resume {tmp_path / 's'}" in capsys.readouterr().out
    assert run(["watch", str(tmp_path / "s"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["condition"], found["configurations"]) == ("interrupted", 8)
    assert found["trained_epochs"] + found["saved_epochs"] < found["total_epochs"] == 64


def test_one_that_ended_is_finished(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with half_done(tmp_path / "s") as study:
        train_in(study, World())
        study.set_fact(Fact.INCUMBENT, "0")
    assert run(["watch", str(tmp_path / "s")]) == 0
    assert capsys.readouterr().out.count("64 of 64 epochs, 8/8 ended") == 1


def test_a_driver_on_another_machine_is_believed_to_live_and_its_silence_is_said(tmp_path: Path) -> None:
    with half_done(tmp_path / "s") as study:
        study.set_fact(Fact.DRIVER, "process 1 on elsewhere")
        assert driver_lives(tmp_path / "s", study.driver) is None
        die(study)
    old = 1_000_000_000
    for file in (tmp_path / "s").glob("study.db*"):
        os.utime(file, (old, old))
    view = view_study(tmp_path / "s")
    assert view.condition is Condition.RUNNING
    assert re.search(r", nothing new for \d+ h \d+ min from process 1 on elsewhere$", title(view))


def test_how_far_a_stage_is_comes_from_the_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    log = Log(lambda: now[0])
    with create_study(tmp_path / "s", paper_trials(8), stages=StageSettings()) as study:
        commit_stage(study, StageRecord("description"))
        said = Run(study, cast(Any, None), Resources(), Listener(), cast(Any, None)).counted("titles")
        for done in (0, 7, 2_000):  # those within a second of the first are not noted
            said(done, 18_411)
        view = view_study(tmp_path / "s")
        assert (view.stage, view.stage_progress) == ("embeddings", StageProgress(0, 18_411, "titles"))
        assert view.to_json()["stage_progress"] == {"done": 0, "total": 18_411, "what": "titles"}
        study.set_stage_progress(StageProgress(3_200, 18_411, "titles"))
        for seconds in (0, 30, 61, 90):
            now[0] = seconds
            log(view_study(tmp_path / "s"))
        commit_stage(study, StageRecord("embeddings"))
        assert view_study(tmp_path / "s").stage_progress is None
    lines = capsys.readouterr().out.split(f"{tmp_path / 's'}, stage ")[1:]
    assert len(lines) == 2 and " ".join(lines[1].split()) == "embeddings: 3,200 of 18,411 titles"


class Seen:
    """Takes up the views, as a screen would."""

    live = contextlib.nullcontext()

    def __init__(self) -> None:
        self.views: list[StudyView] = []

    def __call__(self, view: StudyView) -> None:
        self.views.append(view)


@pytest.mark.parametrize("leave", [shutil.rmtree, lambda study: study.rename(study.with_name("t"))])
def test_a_study_that_is_moved_or_deleted_meanwhile(leave: Callable[[Path], object], tmp_path: Path) -> None:
    seen = Seen()
    with (
        contextlib.suppress(Exception),  # its driver, which has lost its record
        half_done(tmp_path / "s"),
        pytest.raises(InputError, match="s is gone: it was moved or deleted while it was watched"),
    ):
        watched(tmp_path / "s", seen, pause=lambda seconds: leave(tmp_path / "s"))  # type: ignore[arg-type]
    assert len(seen.views) == 1


def test_no_study_at_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["watch", str(tmp_path / "s")]) == 2
    assert str(tmp_path / "s") in capsys.readouterr().err


def test_a_reader_leaves_the_study_as_its_driver_wants_it(tmp_path: Path) -> None:
    """A database that someone still reads would stay in write-ahead mode."""
    with half_done(tmp_path / "s"):
        view_study(tmp_path / "s")
    assert not list((tmp_path / "s").glob("study.db-*"))


def test_the_stages_are_those_of_a_run() -> None:
    assert tuple(STAGES) == STAGE_NAMES


def in_terminal(*arguments: object, folder: Path) -> tuple[int, str]:
    """The exit code of a command and all that it drew in a terminal."""
    own, its = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "150", "LINES": "40"}
    process = subprocess.Popen(
        [sys.executable, "-m", "search.cli", *map(str, arguments)],
        cwd=folder, env=environment, stdout=its, stderr=its, stdin=its, start_new_session=True,
    )  # fmt: skip
    os.close(its)
    drawn = bytearray()

    def read() -> None:
        with contextlib.suppress(OSError):
            while piece := os.read(own, 65536):
                drawn.extend(piece)

    reader = threading.Thread(target=read)
    reader.start()
    code = process.wait()
    reader.join()
    os.close(own)
    return code, re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn.decode())


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_sweep_in_a_terminal_watched_from_another(small: Path, launch: Launch, tmp_path: Path) -> None:
    study = tmp_path / "study"
    arguments = ("sweep", "--data", "tracks.csv", "--space", "space.toml", "--epochs", EPOCHS, "--cpus", 1)
    results: list[tuple[int, str]] = []
    options = (*arguments, "--stack-size", 1, "--scheduler", "halving", "--reduction-factor", 2, "--out", study)
    sweep = threading.Thread(target=lambda: results.append(in_terminal(*options, folder=small)))
    sweep.start()
    while sweep.is_alive() and not (study / "study.db").exists():
        sweep.join(0.1)
    log = launch("watch", study)
    code, drawn = in_terminal("watch", study, folder=small)
    ended = log.wait()
    sweep.join()
    assert (code, ended.code, [result[0] for result in results]) == (0, 0, [0]), (drawn, ended, results)
    assert "48 of 48 epochs, 12/12 ended" in drawn and "finished; its incumbent is in" in drawn
    assert ended.err == "" and "finished; its incumbent is in" in ended.out
    shown = results[0][1]
    assert "reading the tracks, starting Ray" in shown and "training, 1 at once" in shown
    assert "of 48 epochs" in shown and re.search(r"rung 1: 4 of 8.*best 0\.\d{4} at epoch \d", shown, re.DOTALL)
    assert len(load_trials(study).query("epochs > 0")) == CONFIGURATIONS


@pytest.mark.timeout(1800)
@pytest.mark.slow
def test_a_sweep_that_is_killed_while_it_is_watched(small: Path, launch: Launch, tmp_path: Path) -> None:
    study = tmp_path / "study"
    arguments = ("sweep", "--data", "tracks.csv", "--space", "space.toml", "--epochs", EPOCHS, "--out", study)
    driver = launch(*arguments, "--cpus", 1, "--stack-size", 1, plan={"worker": SLOW})
    driver.until(lambda: (study / "study.db").exists() and segments(study) > 1)
    watching = launch("watch", study)
    driver.interrupt(signal.SIGKILL)
    driver.wait()
    ended = watching.wait()
    assert ended.code == 1 and f"interrupted; go on with: genresweep resume {study}" in ended.out
