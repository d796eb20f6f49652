"""What a study is prepared from: no row is dropped, and what a later stage would stumble over is said at once."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data.errors import InputError, InputWarning
from data.tables.tracks import load_tracks
from results.record.settings import StageSettings, StudySettings
from search.planning.prepared_data import as_spelt, data_facts, differences, prepare, read_tables
from search.planning.settings import study_settings
from search.studies.draft import Draft
from tests.support.tables import GENRES, table, write_csv


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


def older(settings: StudySettings) -> StudySettings:
    """The settings as a study has them that was made when every study held edm back."""
    values = json.loads(settings.to_json())
    del values["held_genre"]
    return StudySettings.from_mapping(values)


def test_a_plain_sweep_holds_no_genre_back_and_an_older_one_goes_on_as_it_did(tmp_path: Path) -> None:
    data = write_csv(table(120, genres=(*GENRES, "edm")), tmp_path / "tracks.csv")
    sweep = StudySettings(data=str(data))
    assert sweep.held_genre is None and StudySettings.from_mapping(json.loads(sweep.to_json())) == sweep
    tables = read_tables(sweep)
    assert "edm" in tables.tracks.genre_names and tables.transfer_tracks is None and tables.tracks.warnings == ()
    with pytest.warns(InputWarning, match=r"tracks.csv: 20 rows of genre 'edm' are held for the transfer stage"):
        before = read_tables(older(sweep))
    assert before.transfer_tracks is not None and len(before.transfer_tracks) == 20
    assert "edm" not in before.tracks.genre_names


def test_a_run_holds_edm_back_and_says_so(tmp_path: Path) -> None:
    run = settings(tmp_path, table(240, genres=(*GENRES, "edm")))
    assert run.held_genre == "edm" and older(run) == run
    with pytest.warns(InputWarning, match="are held for the transfer stage"):
        prepared = prepare(run)
    facts = data_facts(prepared)
    assert facts.transfer_genres == ("edm",) and "edm" not in facts.genres


def test_the_held_genre_is_found_whatever_its_case_and_recorded_as_it_is_spelt(tmp_path: Path) -> None:
    run = settings(tmp_path, table(240, genres=(*GENRES, "EDM")))
    before = StudySettings.from_mapping(json.loads(run.to_json()))
    run = as_spelt(run, load_tracks(run.data))
    with pytest.warns(InputWarning, match="40 rows of genre 'EDM' are held for the transfer stage"):
        made = data_facts(prepare(run, read_tables(run)))
    assert run.held_genre == "EDM" and made.transfer_genres == ("EDM",) and "EDM" not in made.genres
    resumed = StudySettings.from_mapping(json.loads(run.to_json()))
    assert not differences(made, data_facts(prepare(resumed)))
    # an older study went on without it
    assert "EDM" in data_facts(prepare(before)).genres


def test_without_a_genre_to_hold_back_it_is_said_how_to_get_a_transfer_stage(tmp_path: Path) -> None:
    said = "tracks.csv: there is no genre 'edm' to hold back, so there is no transfer stage: .* --transfer-data"
    with pytest.warns(InputWarning, match=said):
        read_tables(settings(tmp_path, table(240)))
    with pytest.warns(InputWarning, match="there are too few others beside genre 'edm' to hold back"):
        read_tables(settings(tmp_path, table(240, genres=("edm", "pop"))))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_tables(settings(tmp_path, table(240), table(30, seed=5, genres=("edm",))))
        read_tables(StudySettings(data=str(tmp_path / "tracks.csv")))


def test_what_a_person_should_know_of_a_table_is_a_warning(tmp_path: Path) -> None:
    frame = table().drop(columns="track_album_release_date")
    frame.loc[3, "track_name"] = ""
    data = write_csv(frame, tmp_path / "tracks.csv")
    with pytest.warns(InputWarning) as caught:
        tables = read_tables(StudySettings(data=str(data)))
    said = [str(warning.message) for warning in caught]
    assert said == [f"{data}: {warning}" for warning in tables.tracks.warnings] and len(said) == 2


def test_many_genres_too_rare_for_the_folds_are_counted(tmp_path: Path) -> None:
    rare = table(50, genres=tuple(f"micro {n}" for n in range(10)))
    said = r"and 5 more \(10 of 15 genres have too few\): give more rows, at least 7 in all of each"
    with pytest.raises(InputError, match=said):
        read_tables(settings(tmp_path, pd.concat([table(300), rare], ignore_index=True)))


def test_rare_genres_are_found_before_anything_slow_is_imported(tmp_path: Path) -> None:
    data = write_csv(table(60, genres=tuple(f"micro {n}" for n in range(60))), tmp_path / "tracks.csv")
    program = f"""
import sys
from data.errors import InputError, InputWarning
from results.record.settings import StudySettings
from search.planning.prepared_data import read_tables
try:
    read_tables(StudySettings(data={str(data)!r}))
except InputError as error:
    sys.exit("60 of 60 genres have fewer" not in str(error) or not {{"torch", "ray"}}.isdisjoint(sys.modules))
sys.exit(2)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


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
def test_settings_that_could_not_be_read_back_make_no_study(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        study_settings("synthetic:200", **wrong)


def test_nobody_minds_the_rungs_of_a_sweep_without_any(tmp_path: Path) -> None:
    found = Draft.check(study_settings("synthetic:200", scheduler="none", grace_period=0), tmp_path / "study")
    assert StudySettings.from_mapping(json.loads(found.settings.to_json())) == found.settings
