"""Whatever is given to the command line up to the point where training would begin: it works, or says why not."""

from __future__ import annotations

import contextlib
import io
import os
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from search.cli.main import run
from tests.support.golden_study import GOLDEN
from tests.support.small import write_space, write_tracks
from tests.support.tables import table, write_csv
from tests.support.wrong_inputs import BASES, CELLS, command_lines, mappings, options, spaces, tables

MANY = 10_600
SOME = 960
FEW = 120
SMALL_SPACE = "[parameters]\nhidden_layers = [[8]]\nbatch_size = 8\n"
MEMORY = 3 * 2**30
"""Bytes that may be taken beyond what the tests themselves have; more raises, and is found as code 1."""
SECONDS = 30.0
"""Of the processor, whatever else it does meanwhile, that one command may take."""

counts = pytest.mark.parametrize(
    "count",
    [
        FEW,
        pytest.param(SOME, marks=[pytest.mark.slow, pytest.mark.timeout(900)]),
        pytest.param(MANY, marks=[pytest.mark.faults, pytest.mark.timeout(10_000)]),
    ],
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place to work in; what is tried there gets no more memory than so much."""
    monkeypatch.chdir(tmp_path)
    write_tracks(tmp_path / "tracks.csv", rows=60)
    write_space(tmp_path / "space.toml", SMALL_SPACE)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, hard))
    yield tmp_path
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


class TookTooLongError(BaseException):
    """One that no handler of errors takes for an error of the input."""


@contextlib.contextmanager
def bounded_time() -> Iterator[None]:
    """``TookTooLongError`` after so many seconds of the processor."""

    def stop(*_: object) -> None:
        raise TookTooLongError

    previous = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, previous)


def works_or_says_why(*arguments: str) -> int:
    """The exit code, 0 or 2; with 2, a message of a few lines."""
    out, err = io.StringIO(), io.StringIO()
    with bounded_time(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(list(arguments))
    said = err.getvalue()
    assert code in (0, 2), f"code {code}: {said[-2000:]}"
    assert "Traceback" not in said
    if code == 2:
        short = len(said.splitlines()) <= 25 and len(said) < 6000
        assert said.strip() and short, f"{len(said)} letters: {said[:3000]}"
    return code


Try = Callable[[int, st.SearchStrategy[Any], Callable[[Any], object]], None]


@pytest.fixture
def tried(record_property: Callable[[str, object], None]) -> Try:
    """Runs a check on so many values of a strategy, and notes how many there were."""

    def run(count: int, strategy: st.SearchStrategy[Any], check: Callable[[Any], object]) -> None:
        done = 0

        def counted(value: Any) -> None:
            nonlocal done
            done += 1
            check(value)

        quick = settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        try:
            quick(given(strategy)(counted))()
        finally:
            record_property("inputs", done)
        assert done >= count

    return run


@counts
def test_tables(count: int, folder: Path, tried: Try) -> None:
    def check(case: tuple[bytes, bool]) -> None:
        content, describe = case
        (folder / "table").write_bytes(content)
        if describe:
            works_or_says_why("describe", "--data", "table")
        else:
            works_or_says_why("sweep", "--data", "table", "--space", "space.toml", "--dry-run")

    tried(count // 2, st.tuples(tables(), st.sampled_from([True, False, False])), check)


@counts
def test_spaces(count: int, folder: Path, tried: Try) -> None:
    def check(text: str) -> None:
        (folder / "wrong.toml").write_text(text, errors="replace")
        works_or_says_why("sweep", "--data", "tracks.csv", "--space", "wrong.toml", "--dry-run")

    tried(count // 8, spaces(), check)


@counts
def test_mappings(count: int, folder: Path, tried: Try) -> None:
    def check(text: str) -> None:
        (folder / "wrong.toml").write_text(text, errors="replace")
        wrong = ("--mapping", "wrong.toml", "--space", "space.toml")
        works_or_says_why("sweep", "--data", "tracks.csv", *wrong, "--dry-run")

    tried(count // 8, mappings(), check)


@counts
def test_options(count: int, folder: Path, tried: Try) -> None:
    def check(words: list[str]) -> None:
        works_or_says_why("sweep", "--dry-run", "--data", "tracks.csv", "--space", "space.toml", *words)
        assert {path.name for path in folder.iterdir()} <= {"tracks.csv", "space.toml"}

    tried(count // 8, options(), check)


@counts
def test_commands_that_read(count: int, folder: Path, tried: Try) -> None:
    """Every option that they have, with a study and a table beside them."""
    sound = (folder / "tracks.csv").read_bytes()

    def check(words: list[str]) -> None:
        for path in folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        (folder / "tracks.csv").write_bytes(sound)
        shutil.copytree(GOLDEN / "study", folder / "study")
        works_or_says_why(*words)
        assert all(path.resolve().is_relative_to(folder) for path in folder.rglob("*"))

    tried(count // 8, command_lines(), check)


def test_a_field_of_ten_megabytes(folder: Path) -> None:
    frame = BASES[40, 5].copy()
    for column, row, code in (("track_name", 3, 0), ("energy", 0, 2), ("playlist_genre", 1, 2)):
        write_csv(
            frame.assign(**{column: [CELLS[-1] if r == row else c for r, c in enumerate(frame[column])]}), folder / "t"
        )
        assert works_or_says_why("sweep", "--data", "t", "--space", "space.toml", "--dry-run") == code
    write_csv(table(40).rename(columns={"energy": CELLS[-1]}), folder / "t")
    assert works_or_says_why("sweep", "--data", "t", "--space", "space.toml", "--dry-run") == 2


def test_a_thousand_million_points_and_none(folder: Path) -> None:
    values = ", ".join(f"0.{n:04d}" for n in range(1, 1001))
    write_space(
        folder / "huge.toml",
        f"{SMALL_SPACE}dropout = [{values}]\nlearning_rate = [{values}]\nweight_decay = [{values}]\n",
    )
    huge = ("sweep", "--data", "tracks.csv", "--space", "huge.toml", "--dry-run")
    assert works_or_says_why(*huge) == 2
    assert works_or_says_why(*huge, "--search", "random", "--trials", "20") == 0
    write_space(folder / "none.toml", f"{SMALL_SPACE}dropout = []\n")
    assert works_or_says_why("sweep", "--data", "tracks.csv", "--space", "none.toml", "--dry-run") == 2


def test_conditions_that_can_be_met_in_a_million_ways(folder: Path) -> None:
    values = ", ".join(f"0.{n:04d}" for n in range(1, 1001))
    text = f"{SMALL_SPACE}dropout = [{values}]\nlearning_rate = [{values}]\n"
    when = f"when = {{dropout = [{values}], learning_rate = [{values}]}}"
    write_space(folder / "many.toml", f"{text}label_smoothing = {{values = [0.0, 0.1], {when}}}\n")
    many = ("sweep", "--data", "tracks.csv", "--space", "many.toml", "--dry-run", "--search", "random", "--trials", "9")
    assert works_or_says_why(*many) == 0
    write_space(folder / "many.toml", f"{text}momentum = {{values = [0.5], {when}}}\n")
    assert works_or_says_why(*many) == 2


@pytest.mark.parametrize("text", ["[numbers]\na = " + "[" * 50_000 + "]" * 50_000, "a = " + "9" * 5000, "\0"])
def test_toml_that_goes_too_far(text: str, folder: Path) -> None:
    (folder / "wrong.toml").write_text(text)
    for option in ("--space", "--mapping"):
        assert works_or_says_why("sweep", "--dry-run", "--data", "tracks.csv", option, "wrong.toml") == 2


@pytest.mark.parametrize("path", ["/dev/zero", "zero.toml", "/dev/null", "pipe", ".", "loop"])
@pytest.mark.parametrize("option", ["--data", "--space", "--mapping"])
def test_what_is_no_regular_file(path: str, option: str, folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "zero.toml").symlink_to("/dev/zero")
    (folder / "loop").symlink_to(folder / "loop")
    assert works_or_says_why("sweep", "--data", "tracks.csv", option, path, "--dry-run") == 2
