"""What is proposed for a stranger's table loads it, whatever its columns are called."""

from __future__ import annotations

import tempfile
import tomllib
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import InputError
from data.tables.aliases import ALIASES
from data.tables.columns import GIVEAWAYS, PAPER_NUMBERS, ColumnMapping, read_mapping
from data.tables.proposals import Proposal
from data.tables.tracks import load_tracks
from tests.support.examples import examples
from tests.support.tables import edited, table, write_csv

SPELLINGS = {
    "dots": lambda name: name.replace("_", "."),
    "blanks": lambda name: f" {name.replace('_', ' ')}",
    "dashes": lambda name: name.replace("_", "-"),
    "capitals": lambda name: name.upper(),
    "titles": lambda name: name.title(),
    "camel": lambda name: "".join(part.title() if n else part for n, part in enumerate(name.split("_"))),
    "same": lambda name: name,
}
MAPPED = [name for name in table() if name in ColumnMapping().numbers or (name.startswith("track_") and "name" in name)]
MAPPED += ["playlist_genre", "track_album_release_date"]


def refusal(frame: pd.DataFrame, **options: object) -> InputError:
    with pytest.raises(InputError) as caught:
        load_tracks(frame, **options)  # type: ignore[arg-type]
    return caught.value


def proposed(frame: pd.DataFrame) -> str:
    (toml,) = refusal(frame).__notes__
    return toml


def loaded(frame: pd.DataFrame, toml: str) -> ColumnMapping:
    """The mapping of these lines, with which the table loads."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mapping.toml"
        path.write_text(toml, encoding="utf-8")
        load_tracks(frame, mapping=path)
        return read_mapping(path)


@st.composite
def strangers(draw: st.DrawFn) -> tuple[pd.DataFrame, bool]:
    """A sound table with other names, some columns gone; and whether something it needs is not called as it should."""
    names: dict[str, str] = {}
    for column in MAPPED:
        alias = draw(st.sampled_from([column, *ALIASES.get(column, ())]))
        names[column] = SPELLINGS[draw(st.sampled_from(sorted(SPELLINGS)))](alias)
    frame = table(30).rename(columns=names)
    gone = draw(st.sets(st.sampled_from([c for c in MAPPED if c not in ("playlist_genre", "energy")]), max_size=12))
    return frame.drop(columns=[names[column] for column in gone]), names != {c: c for c in MAPPED} or bool(gone)


@given(strangers())
@examples(20)
def test_the_proposed_lines_load_the_table(stranger) -> None:
    frame, _ = stranger
    try:
        load_tracks(frame)
        return
    except InputError as error:
        (toml,) = error.__notes__
    mapping = loaded(frame, toml)
    used = [
        mapping.label,
        *mapping.text.values(),
        *mapping.numbers.values(),
        *([mapping.date] if mapping.dated else []),
    ]
    there = [column for column in used if column in frame]
    assert len(there) == len(set(there))
    assert not {*there} & {*GIVEAWAYS, "track_id", "track_artist", "track_album_id"}


@given(st.dictionaries(st.sampled_from(MAPPED), st.text(min_size=1, max_size=8), min_size=1, max_size=5))
@examples(15)
def test_any_names_at_all_give_lines_that_are_toml(names) -> None:
    frame = table(12).rename(columns=names)
    toml = Proposal(frame, ColumnMapping(), True).toml
    if toml is not None and frame.columns.is_unique:
        tomllib.loads(toml)
        loaded(frame, toml)


@pytest.mark.parametrize("spelling", sorted(set(SPELLINGS) - {"same"}))
def test_names_spelt_otherwise_are_all_found(spelling):
    frame = table().rename(columns={name: SPELLINGS[spelling](name) for name in MAPPED})
    mapping = loaded(frame, proposed(frame))
    assert list(mapping.numbers) == [*PAPER_NUMBERS, "mode"] and mapping.dated and len(mapping.text) == 2


def test_a_long_message_keeps_the_proposal_apart_and_the_missing_columns_in_one_line():
    error = refusal(table().rename(columns=str.title))
    lines = str(error).splitlines()
    assert len(lines) == 4 and "16 columns are missing: 'track_name', " in lines[1]
    assert "--mapping" in lines[-1] and error.__notes__[0].startswith("label = ")


def test_without_titles_or_albums_there_is_a_proposal_that_says_so():
    frame = table().drop(columns=["track_album_name"]).rename(columns={"playlist_genre": "genre"})
    toml = proposed(frame)
    assert loaded(frame, toml).text == {"track_name": "track_name"}
    assert "# left out: track_album_name: no column is known to be it" in toml
    bare = frame.drop(columns="track_name")
    assert "text = " not in proposed(bare) and loaded(bare, proposed(bare)).dated


def test_one_column_is_not_offered_twice():
    frame = table().drop(columns=["track_album_name"]).rename(columns={"track_name": "track.name"})
    error = refusal(frame)
    assert str(error).count("'track.name'") == 1 and error.__notes__[0].count('"track.name"') == 1


@pytest.mark.parametrize(
    ("wanted", "other"),
    [
        ("track_name", "artist_name"),
        ("track_name", "track_id"),
        ("track_popularity", "artist_popularity"),
        ("playlist_genre", "Playlist_Subgenre"),
        ("playlist_genre", "genre_id"),
        ("key", "artist_key"),
        ("track_album_name", "playlist_name"),
        ("playlist_genre", "artist_genre"),
    ],
)
def test_identifiers_giveaways_and_others_properties_are_never_proposed(wanted, other):
    frame = table().drop(columns=["track_id", "track_artist", "playlist_subgenre", "playlist_name"])
    frame = frame.rename(columns={wanted: other})
    error = refusal(frame)
    assert f"'{wanted}' is missing\n" in str(error)
    assert f'"{other}"' not in "".join(getattr(error, "__notes__", []))


def test_cells_that_do_not_fit_are_left_out_with_a_reason():
    half = dict.fromkeys(range(31), "?")
    frame = edited(table(), tempo=half).assign(mode="Major", key="C#").rename(columns={"energy": "nrgy"})
    toml = proposed(frame)
    mapping = loaded(frame, toml)
    assert not {"tempo", "mode", "key"} & {*mapping.numbers} and mapping.numbers["energy"] == "nrgy"
    assert "# left out: mode: 'mode' holds other cells than 0 and 1" in toml
    assert "# left out: key, tempo: each holds other cells than finite numbers" in toml


@pytest.mark.parametrize(
    ("wanted", "here", "cells", "hint", "still"),
    [
        ("tempo", "bpm", {3: ""}, " But its row 4 is empty", "1 of 60 cells are no finite number (row 4: empty)"),
        ("tempo", "bpm", {5: "?", 9: ""}, " But its row 6 is '?', and 1 more do not fit", "2 of 60 cells are no"),
        ("playlist_genre", "genre", {8: ""}, " But its row 9 is empty", "1 of 60 cells are no genre (row 9: empty)"),
        ("track_album_release_date", "year", {0: None}, "", "1 of 60 cells are no date"),
        ("mode", "audio_mode", dict.fromkeys(range(30), "?"), " But its row 1 is '?', and 29 more", "30 of 60 cells"),
    ],
)
def test_a_column_of_which_a_few_cells_do_not_fit_is_proposed_and_they_are_told(wanted, here, cells, hint, still):
    frame = edited(table(), **{wanted: cells}).rename(columns={wanted: here, "energy": "nrgy"})
    error = refusal(frame)
    (toml,) = error.__notes__
    assert f'"{here}"' in toml and "would fit it" not in str(error)
    assert hint in str(error) and f"\nwith this mapping, still:\n  - column '{here}': {still}" in str(error)
    good = frame.drop(index=list(cells))
    assert here in {*(mapping := loaded(good, toml)).numbers.values(), mapping.label, mapping.date}


@pytest.mark.parametrize("nothing", ["", "NA", None])
def test_rows_that_are_empty_throughout_are_to_be_left_out(nothing):
    frame = table()
    frame.loc[[20, 21]] = nothing
    error = refusal(frame)
    assert str(error) == "a DataFrame cannot be used:\n  - rows 21, 22 are empty: leave them out"
    error = refusal(edited(frame, tempo={3: ""}).rename(columns={"tempo": "bpm"}))
    assert "'bpm' here? But its row 4 is empty)" in str(error)
    still = (
        "- rows 21, 22 are empty: leave them out\n  - column 'bpm': 1 of 60 cells are no finite number (row 4: empty)"
    )
    assert f"\nwith this mapping, still:\n  {still}\n" in str(error) and str(error).count("rows 21, 22") == 1
    frame.loc[20] = table().loc[20]
    assert "- row 22 is empty: leave it out" in str(refusal(frame))


def test_numbers_of_the_rows_are_no_feature_where_a_row_is_empty():
    values = {"rmse": ["0.5", *["1.5"] * 59], "place": [str(row) for row in range(60)]}
    frame = pd.DataFrame({**values, "label": table()["playlist_genre"]}, dtype=object)
    frame.loc[20] = ""
    (toml,) = refusal(frame).__notes__
    assert '"rmse"' in toml and "place" not in toml


def test_a_mapping_is_said_to_fit_only_where_it_does():
    frame = table().rename(columns={"tempo": "bpm"})
    assert "would fit it" in str(refusal(frame)) and "still" not in str(refusal(frame))
    assert "would fit it" not in str(refusal(frame.assign(playlist_genre="")))


def test_a_column_of_names_that_all_differ_is_no_genre():
    frame = table().drop(columns="playlist_genre").assign(label=[f"Label {row}" for row in range(60)])
    assert not hasattr(refusal(frame), "__notes__")


def test_other_features_are_proposed_under_their_own_names():
    values = {"mfcc.1 mean": [f"{row * 7 % 60 / 9:.3f}" for row in range(60)], "rmse": ["0.5", *["1.5"] * 59]}
    giveaway = {"code": [str(row % 5) for row in range(60)], "Unnamed: 0": range(60), "row": range(7, 67)}
    frame = pd.DataFrame({**values, **giveaway, "label": table()["playlist_genre"]})
    assert dict(loaded(frame, proposed(frame)).numbers) == {name: name for name in values}


def test_a_number_that_a_mapping_names_wrongly(tmp_path):
    (tmp_path / "m.toml").write_text('binary = ["major"]\n[numbers]\n"my speed" = "tempoo"\nmajor = "mode"\n')
    error = refusal(table(), mapping=tmp_path / "m.toml")
    assert "column 'tempoo' is missing (did you mean 'tempo'?)" in str(error)
    mapping = loaded(table(), error.__notes__[0])
    assert mapping.numbers == {"my speed": "tempo", "major": "mode"} and mapping.binary == ("major",)


@pytest.mark.parametrize("genre", ["Genre (main)", "genre of the track", "track_genre"])
def test_beside_a_genre_a_label_is_a_record_label(genre):
    records = [("EMI", "Sony", "Warp")[row % 3] for row in range(60)]
    frame = table().rename(columns={"playlist_genre": genre}).assign(label=records)
    assert loaded(frame, proposed(frame)).label == genre
    others = table().rename(columns={"playlist_genre": "artist_genres"}).assign(label=records)
    assert "is it 'label'" not in str(refusal(others))


def test_where_nothing_else_is_called_a_genre_a_label_is_one():
    frame = table().rename(columns={"playlist_genre": "label"})
    assert loaded(frame, proposed(frame)).label == "label"


def test_columns_that_do_not_fit_for_one_reason_share_a_line(tmp_path: Path) -> None:
    """Nine lines of them hid what the message began with."""
    empty = dict.fromkeys(("loudness", "valence", "tempo", "liveness"), "")
    frame = table(40).drop(columns="track_name").assign(**empty)
    with pytest.raises(InputError) as caught:
        load_tracks(write_csv(frame, tmp_path / "t.csv"))
    (note,) = (note for note in caught.value.__notes__ if "left out" in note)
    assert "# left out: liveness, loudness, tempo, valence: each holds other cells than finite numbers" in note
