"""What a study is prepared from: no row is dropped, and what a later stage would stumble over is said at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data.errors import InputError
from results.record import StageSettings, StudySettings
from search.draft import Draft
from search.preparation import prepare, read_tables
from tests.data_tests.tables import GENRES, table, write_csv


def settings(folder: Path, frame: pd.DataFrame, transfer: pd.DataFrame | None = None) -> StudySettings:
    data = write_csv(frame, folder / "tracks.csv")
    other = str(write_csv(transfer, folder / "other.csv")) if transfer is not None else None
    return StudySettings(data=str(data), stages=StageSettings(transfer_data=other))


def test_transfer_rows_of_the_table_and_those_given_are_joined(tmp_path: Path) -> None:
    six, more = table(120, genres=(*GENRES, "edm")), table(30, seed=5, genres=("edm",))
    tables = read_tables(settings(tmp_path, six, more))
    assert tables.transfer_tracks is not None
    held = six.loc[six["playlist_genre"] == "edm", "track_name"].tolist()
    assert tables.transfer_tracks.frame["track_name"].tolist() == held + more["track_name"].tolist()
    assert len(tables.tracks) + len(tables.transfer_tracks) == 150


def test_a_genre_too_rare_for_the_folds_is_said_before_anything_is_trained(tmp_path: Path) -> None:
    frame = table(150)
    rows = frame.index[frame["playlist_genre"] == "rap"]
    with pytest.raises(InputError, match="5 training rows of every genre, but .*tracks.csv gives 4 of 'rap'"):
        prepare(settings(tmp_path, frame.drop(rows[5:])))
    prepare(settings(tmp_path, frame.drop(rows[8:])))


def test_fewer_rows_than_the_simple_networks_batch(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="batches of 32, but .*tracks.csv gives 28 training rows"):
        prepare(settings(tmp_path, table(35)))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"stack_size": 0}, "stack_size"),
        ({"epochs": 20.0}, "epochs"),
        ({"scheduler": "ashA"}, "scheduler must"),
    ],
)
def test_settings_that_could_not_be_read_back_make_no_study(wrong: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        Draft.check("synthetic:200", tmp_path / "study", "paper", wrong)


def test_nobody_minds_the_rungs_of_a_sweep_without_any(tmp_path: Path) -> None:
    found = Draft.check("synthetic:200", tmp_path / "study", "paper", {"scheduler": "none", "grace_period": 0})
    assert StudySettings.from_mapping(json.loads(found.settings.to_json())) == found.settings
