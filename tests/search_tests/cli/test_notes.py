"""What a table or a machine makes a person want to know: on standard error, by every command, once."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import pytest

from data.errors import InputWarning, warn
from search.cli.main import run, warnings_shown
from tests.search_tests.conftest import Sweep
from tests.support.tables import edited, table, write_csv

BLANK = "noted.csv: 2 of 120 rows have no track_name"
UNDATED = "the feature release_year is left out"


@pytest.fixture
def noted(folder: Path) -> Path:
    """A table with two things to know: titles are missing, and release dates."""
    frame = edited(table(120), track_name={3: "", 4: "NA"}).drop(columns="track_album_release_date")
    return write_csv(frame, folder / "noted.csv")


@pytest.mark.parametrize(
    "arguments",
    [
        "sweep --data noted.csv --space space.toml --dry-run",
        "sweep --data noted.csv --space space.toml --dry-run --quiet --json",
        "describe --data noted.csv --to described",
    ],
)
def test_commands_that_read_a_table_say_it_once(
    noted: Path, arguments: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments.split()) == 0
    said = capsys.readouterr()
    assert said.err.count(BLANK) == said.err.count(UNDATED) == 1
    assert said.err.count("note: ") == 2 and "note:" not in said.out


@pytest.mark.slow
def test_so_do_those_that_train_and_predict(ray_session: int, noted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (
        "sweep --data noted.csv --space space.toml --epochs 1 --out study --quiet",
        "resume study --epochs 2 --quiet",
        "predict study/best noted.csv -o p.csv",
    ):
        assert run(arguments.split()) == 0
        assert capsys.readouterr().err.count(BLANK) == 1, arguments


@pytest.mark.slow
def test_a_genre_that_a_sweep_has_rows_of_is_trained_like_any_other(
    ray_session: int, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a transfer stage nothing is held back for it; ``predict`` then knows all genres of the very table."""
    write_csv(table(120, genres=("edm", "house", "techno")), folder / "edm.csv")
    sweep = "sweep --data edm.csv --space space.toml --epochs 1 --out study --quiet"
    assert run(sweep.split()) == 0
    assert "held" not in capsys.readouterr().err
    assert run(["predict", "study/best", "edm.csv", "-o", "p.csv"]) == 0
    assert "probability_edm" in (folder / "p.csv").read_text()


def test_each_text_is_said_once_and_other_warnings_are_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings(record=True) as others, warnings_shown():
        for text in ("one", "two", "one"):
            warn(text)
        warnings.warn("another's", UserWarning, stacklevel=1)
    assert [str(other.message) for other in others] == ["another's"]
    assert capsys.readouterr().err == "note: one\nnote: two\n"
    with pytest.warns(InputWarning, match="three"):
        warn("three")


@pytest.mark.slow
def test_a_study_of_before_is_read_without_a_word(sweep: Sweep, tmp_path: Path) -> None:
    study = shutil.copytree(sweep(stack_size=16), tmp_path / "study")
    with warnings.catch_warnings():
        warnings.simplefilter("error", InputWarning)
        assert run(["status", str(study)]) == 0
