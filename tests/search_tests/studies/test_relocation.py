"""A study whose inputs lie elsewhere than when it began, or in no file at all."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.errors import InputError
from data.object_stores import join
from results.record.settings import StageSettings, StudySettings
from results.record.study import Study
from search.cli.main import run
from search.planning.prepared_data import read_tables
from search.planning.settings import study_settings
from search.snapshots.copies import fetch
from search.studies.draft import Draft
from search.studies.relocation import Sources
from search.studies.sweep import resume_sweep, run_sweep
from tests.support.small import SPACE, curves, write_space, write_tracks
from tests.support.tables import table, write_csv

TINY = SPACE.replace("[[24, 16], [16, 16, 16]]", "[[8]]").replace("[1e-2, 1e-3, 1e38]", "[1e-2]")
SETTINGS = {"epochs": 1, "scheduler": "none", "space": "space.toml"}


@pytest.fixture(scope="module")
def once(ray_session: int, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study of one epoch on a table, and by a mapping, that have another name since."""
    folder = tmp_path_factory.mktemp("once")
    space = write_space(folder / "space.toml", TINY)
    (folder / "old.toml").write_text('label = "playlist_genre"\n')
    table = write_tracks(folder / "old.csv")
    run_sweep(table, out=folder / "study", mapping=folder / "old.toml", **{**SETTINGS, "space": space})
    for name in ("csv", "toml"):
        (folder / f"old.{name}").rename(folder / f"new.{name}")
    return folder


@pytest.fixture
def begun(once: Path, folder: Path) -> Path:
    """A copy of the study, and of what it was trained on, in the folder of the test."""
    shutil.copytree(once, folder, dirs_exist_ok=True)
    return folder / "study"


@pytest.mark.slow
def test_the_way_to_moved_inputs_is_named_and_leads_there(begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["resume", "study", "--epochs", "2"]) == 2
    said = capsys.readouterr().err
    assert "genresweep resume study --data FILE" in said and "--mapping" in said
    assert run(["resume", "study", "--epochs", "2", "--data", "new.csv", "--mapping", "new.toml"]) == 0
    assert run(["resume", "study", "--epochs", "3"]) == 0, "where it was found is remembered"
    assert curves(begun)["epoch"].max() == 3


@pytest.mark.slow
def test_other_rows_are_refused_and_not_remembered(begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_tracks(begun.parent / "other.csv", rows=390)
    for _ in range(2):
        assert run(["resume", "study", "--data", "other.csv", "--mapping", "new.toml"]) == 2
        assert "fingerprint" in capsys.readouterr().err
    assert run(["resume", "study"]) == 2
    assert "old.toml" in capsys.readouterr().err


@pytest.mark.slow
def test_the_same_rows_in_another_format_are_the_same(begun: Path) -> None:
    pd.read_csv(begun.parent / "new.csv").to_parquet(begun.parent / "new.parquet")
    resumed = resume_sweep(begun, epochs=2, sources=Sources(data="new.parquet", mapping="new.toml"))
    assert resumed.complete


@pytest.mark.slow
def test_a_sweep_has_no_transfer_data(begun: Path) -> None:
    with pytest.raises(InputError, match="--transfer-data: study is a sweep"):
        resume_sweep("study", sources=Sources(transfer_data="new.csv"))


@pytest.mark.slow
def test_a_frame_is_a_table_that_the_study_keeps(begun: Path, folder: Path) -> None:
    """The study may be moved, or fetched from a storage that holds copies of its record: the table is there, too."""
    frame = pd.read_csv(folder / "new.csv").set_index("tempo", drop=False)
    run_sweep(frame, out="framed", storage=folder / "shared", **SETTINGS)
    pd.testing.assert_frame_equal(curves(folder / "framed"), curves(begun))
    shutil.rmtree("framed")
    fetch(join(str(folder / "shared"), "framed"), folder / "fetched")
    assert resume_sweep("fetched", epochs=2).complete


@pytest.mark.parametrize("wrong", [3, None, ["t.csv"]])
def test_what_is_no_table_is_said(folder: Path, wrong: object) -> None:
    with pytest.raises(InputError, match="must be a path, a named source or a pandas DataFrame"):
        run_sweep(wrong, out="study", **SETTINGS)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="columns are missing"):
        run_sweep(pd.DataFrame({"a": [1]}), out="study", **SETTINGS)
    assert not (folder / "study").exists()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"epoch": 1}, "no setting 'epoch' .did you mean 'epochs'"),
        ({"epochs": "1"}, "epochs must be"),
        ({"scheduler": None}, "scheduler must be"),
        ({"scheduler": "ashaa"}, "scheduler must be one of asha"),
        ({"search": "optunaa", "trials": 3}, "search must be one of grid"),
        ({"mapping": 3}, "mapping must be"),
        ({"out": None}, "out must be the path of a directory"),
    ],
)
def test_wrong_settings_are_told_by_their_names(folder: Path, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        run_sweep("tracks.csv", **{"out": "study", "space": "space.toml", **settings})
    assert not (folder / "study").exists()


def test_numbers_of_numpy_are_numbers(folder: Path) -> None:
    asked = study_settings("tracks.csv", "space.toml", seed=np.int64(3), holdout=np.float32(0.25))
    draft = Draft.check(asked, "study")
    assert (draft.settings.seed, draft.settings.holdout) == (3, 0.25)


def test_text_that_no_file_can_hold_is_said_with_its_column(folder: Path) -> None:
    frame = pd.read_csv(folder / "tracks.csv").astype({"track_name": object})
    frame.loc[3, "track_name"] = "half \ud800"
    with pytest.raises(InputError, match="column 'track_name': expected text that UTF-8 can hold"):
        run_sweep(frame, out="study", **SETTINGS)


def test_transfer_data_is_a_file(folder: Path) -> None:
    with pytest.raises(InputError, match="transfer_data: a DataFrame stands for the main table alone"):
        StageSettings(transfer_data=pd.DataFrame())  # type: ignore[arg-type]


def test_a_transfer_genre_with_too_few_rows_is_told_before_anything_slow(folder: Path) -> None:
    write_csv(table(2, genres=("edm",)), folder / "edm.csv")
    settings = StudySettings(data="tracks.csv", stages=StageSettings(transfer_data="edm.csv"))
    with pytest.raises(InputError, match="edm"):
        read_tables(settings)


@pytest.mark.slow
def test_where_nothing_can_be_trained_nobody_is_sent_to_resume(
    ray_session: int, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_space(folder / "space.toml", TINY.replace("[1e-2]", "[1e37, 1e38]"))
    begin = "sweep --data tracks.csv --space space.toml --out study --epochs 2 --scheduler none --quiet"
    for command in (begin, "resume study --quiet"):
        assert run(command.split()) == 1
        said = capsys.readouterr().err
        assert "no configuration could be trained to a score: 4 diverged (the loss is not a finite number" in said
        assert "Going on would end the same way" in said and "genresweep resume" not in said
    assert run(["status", "study"]) == 0
    said = capsys.readouterr().out
    assert "4 diverged (the loss" in said and "resume" not in said
    with Study.open("study") as study:
        assert study.driver == ""
