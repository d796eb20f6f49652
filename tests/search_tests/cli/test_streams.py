"""Standard streams as shells leave them: closed, without a reader, full, or of an encoding that lacks letters."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from results.dataframes.frames import load_trials
from search.cli.main import run
from tests.support.golden_study import GOLDEN
from tests.support.processes import ROOT
from tests.support.small import CONFIGURATIONS

STUDY = str(GOLDEN / "study")


def closing(*numbers: int) -> Callable[[], None]:
    def close() -> None:
        for number in numbers:
            os.close(number)

    return close


def command(*arguments: object, folder: Path, **options: Any) -> subprocess.CompletedProcess[str]:
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("variables", {})}
    words = [sys.executable, "-m", "search.cli", *map(str, arguments)]
    return subprocess.run(words, text=True, cwd=folder, env=variables, check=False, **options)


@pytest.mark.parametrize("numbers", [(1,), pytest.param((2,), marks=pytest.mark.slow), (0, 1, 2)])
def test_closed_streams_are_no_reason_to_fail(tmp_path: Path, numbers: Sequence[int]) -> None:
    """Nor may a file that is opened get a closed stream's number: what is printed would land in it."""
    table = tmp_path / "trials.csv"
    ended = command("trials", STUDY, "--to", table, folder=tmp_path, preexec_fn=closing(*numbers))
    assert ended.returncode == 0
    assert table.read_text().startswith('"config_id"')


def unread() -> int:
    """The writing end of a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


@pytest.mark.parametrize("arguments", [("trials", STUDY, "--curves"), ("status", STUDY, "--json"), ("sweep", "--help")])
def test_a_reader_that_has_ended_ends_the_command_as_it_does_others(tmp_path: Path, arguments: Sequence[str]) -> None:
    ended = command(*arguments, folder=tmp_path, stdout=unread())
    assert (ended.returncode, ended.stderr) == (141, "")


@pytest.mark.slow
def test_a_sweep_goes_on_when_nobody_reads_what_is_said_of_it(small: Path, tmp_path: Path) -> None:
    arguments = ("sweep", "--data", "tracks.csv", "--space", "space.toml", "--epochs", 2, "--out", tmp_path / "study")
    ended = command(*arguments, "--cpus", 1, folder=small, stderr=unread())
    assert ended.returncode == 0 and "the incumbent" in ended.stdout
    assert len(load_trials(tmp_path / "study").query("epochs > 0")) == CONFIGURATIONS


def test_a_connection_that_breaks_is_no_reader_that_has_ended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Typer takes every broken pipe for that of standard output, and exits with 1 without a word."""

    def lost(*_: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("search.cli.texts.status.study_summary", lost)
    assert run(["status", STUDY]) == 1
    assert capsys.readouterr().err == "genresweep: a connection broke: Broken pipe\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("more", ["--json", "--debug"])
def test_a_full_place_is_said(tmp_path: Path, more: str) -> None:
    with open("/dev/full", "w") as full:
        ended = command("status", STUDY, more, folder=tmp_path, stdout=full)
    assert ended.returncode == 2
    assert "standard output cannot be written: No space left on device" in ended.stderr


def test_files_are_written_whoever_reads(tmp_path: Path) -> None:
    ended = command("describe", "--data", "synthetic:300", "--to", "here", folder=tmp_path, stdout=unread())
    assert ended.returncode == 141 and len(list((tmp_path / "here").iterdir())) == 6


@pytest.mark.parametrize("encoding", ["ascii", pytest.param("latin-1", marks=pytest.mark.slow), "utf-8"])
def test_letters_that_an_encoding_lacks_are_replaced_and_files_hold_them(tmp_path: Path, encoding: str) -> None:
    options = {"variables": {"PYTHONIOENCODING": encoding}, "encoding": encoding}
    ended = command("describe", "--data", "synthetic:300", "--to", "here", folder=tmp_path, **options)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ("█" in ended.stdout) == (encoding == "utf-8")
    assert len(list((tmp_path / "here").iterdir())) == 6


def test_json_is_whole_in_any_encoding(tmp_path: Path) -> None:
    study = tmp_path / "études"
    study.symlink_to(STUDY)
    options = {"variables": {"PYTHONIOENCODING": "ascii"}, "encoding": "ascii"}
    ended = command("status", study, "--json", folder=tmp_path, **options)
    assert [found["study"] for found in json.loads(ended.stdout)] == [str(study)]
