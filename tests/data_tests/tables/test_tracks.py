from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from data.errors import InputError
from data.tables.columns import PAPER_NUMBERS
from data.tables.tracks import hold_out_genre, join_tracks, load_tracks
from tests.support.tables import GENRES, edited, table, tracks_of, write_csv


def test_canonical_columns(tmp_path):
    tracks = tracks_of(table(), tmp_path)
    assert tracks.number_columns == (*PAPER_NUMBERS, "release_year")
    assert tracks.binary_columns == ("mode",)
    assert tracks.text_columns == ("track_name", "track_album_name")
    assert (tracks.frame[[*tracks.number_columns, "mode"]].dtypes == np.float64).all()
    assert tracks.genre_names == GENRES
    assert not {"playlist_name", "playlist_id", "playlist_subgenre"} & set(tracks.frame.columns)
    assert not tracks.synthetic


def test_dates_of_three_forms(tmp_path):
    dates = {0: "1957", 1: "2020-01", 2: "1999-12-31"}
    tracks = tracks_of(edited(table(), track_album_release_date=dates), tmp_path)
    assert tracks.frame["release_year"][:3].tolist() == [1957.0, 2020.0, 1999.0]
    assert tracks.frame["track_album_release_date"][:3].tolist() == list(dates.values())


@pytest.mark.parametrize("bad", ["", "NA", "soon", "1999-13", "1999-00-01", "99", "1999-12-32", "31.12.1999"])
def test_wrong_dates(tmp_path, bad):
    with pytest.raises(InputError, match=r"track_album_release_date.*1 of 60 cells are no date.*row 5: "):
        tracks_of(edited(table(), track_album_release_date={4: bad}), tmp_path)


def test_missing_names_are_kept_as_empty_text(tmp_path):
    names = {2: "NA", 3: ""}
    tracks = tracks_of(edited(table(), track_name=names, track_album_name=names), tmp_path)
    assert tracks.frame["track_name"][1:4].tolist() == ["Song 1", "", ""]
    assert len(tracks) == 60
    assert "2 of 60 rows have no track_name" in tracks.warnings[0]


def test_quotes_commas_and_scripts(tmp_path):
    names = {
        0: 'Disease - "Tokyo Bound" Remix',
        1: "a, b",
        2: "Шлюза за дым",
        3: "ÁÈ ñ",
        4: "夜に駆ける",
        5: '"',
    }
    frame = edited(table(), track_name=names)
    for sep in (",", "\t"):
        tracks = load_tracks(write_csv(frame, tmp_path / "t", sep))
        assert tracks.frame["track_name"][:6].tolist() == list(names.values())


def test_extreme_but_real_numbers_pass(tmp_path):
    frame = edited(table(), loudness={0: "1.3", 1: "-46.4"}, key={0: "-1"}, tempo={0: "0"}, duration_ms={0: "4000"})
    frame = edited(frame, instrumentalness={0: "9.38e-5"})
    row = tracks_of(frame, tmp_path).frame.iloc[0]
    assert row[["loudness", "key", "tempo", "duration_ms", "instrumentalness"]].tolist() == [
        1.3,
        -1,
        0,
        4000,
        9.38e-5,
    ]


def test_no_release_date_drops_the_feature_with_a_warning(tmp_path):
    tracks = tracks_of(table().drop(columns="track_album_release_date"), tmp_path)
    assert tracks.number_columns == PAPER_NUMBERS
    assert any("release_year is left out" in warning for warning in tracks.warnings)
    assert len(set(tracks.album_keys)) == 30


def test_all_mistakes_in_one_message(tmp_path):
    frame = edited(
        table(),
        energy={1: "loud", 4: "", 5: "NaN", 9: "NA"},
        tempo={0: "inf"},
        mode={7: "2"},
        playlist_genre={3: ""},
        track_album_release_date={8: "x"},
    ).rename(columns={"valence": "valance"})
    with pytest.raises(InputError) as caught:
        tracks_of(frame, tmp_path)
    for part in (
        "column 'valence' is missing (did you mean 'valance'?)",
        "'energy': 4 of 60 cells are no finite number (row 2: 'loud', row 5: empty, row 6: 'NaN', ...)",
        "'tempo': 1 of 60 cells are no finite number (row 1: 'inf')",
        "'mode': 1 of 60 cells are neither 0 nor 1 (row 8: '2')",
        "'playlist_genre': 1 of 60 cells are no genre (row 4: empty)",
        "'track_album_release_date': 1 of 60 cells are no date",
    ):
        assert part in str(caught.value)


def test_one_genre(tmp_path):
    frame = table(genres=("edm",))
    with pytest.raises(InputError, match="holds 1 genre"):
        tracks_of(frame, tmp_path)
    assert tracks_of(frame, tmp_path, min_genres=1).genre_names == ("edm",)


def test_header_without_rows(tmp_path):
    with pytest.raises(InputError, match="a header and no rows"):
        tracks_of(table(0), tmp_path)


def test_unlabelled_rows_can_be_loaded_and_say_so(tmp_path):
    frame = table().drop(columns="playlist_genre")
    with pytest.raises(InputError, match=r"'playlist_genre' is missing\nfound: "):
        tracks_of(frame, tmp_path)
    tracks = tracks_of(frame, tmp_path, require_genre=False)
    assert not tracks.has_genre
    with pytest.raises(InputError, match="no genre column"):
        _ = tracks.genres


def test_other_exports_get_a_mapping_that_fits(tmp_path):
    names = {
        "track_popularity": "popularity",
        "track_album_name": "album_name",
        "playlist_genre": "track_genre",
    }
    frame = table().rename(columns=names).drop(columns="track_album_release_date")
    with pytest.raises(InputError) as caught:
        tracks_of(frame, tmp_path)
    message = str(caught.value)
    assert "3 columns are missing: " in message
    assert "'track_popularity' (is it 'popularity' here?)" in message and "--mapping mapping.toml" in message
    mapping = tmp_path / "mapping.toml"
    mapping.write_text("\n".join(caught.value.__notes__))
    tracks = tracks_of(frame, tmp_path, mapping=mapping)
    assert tracks.number_columns == PAPER_NUMBERS
    assert tracks.binary_columns == ("mode",)
    assert tracks.genre_names == GENRES


def test_parquet_of_any_types_equals_csv(tmp_path):
    frame = edited(table(), track_name={0: "NA", 1: "None", 2: ""}, track_album_release_date={5: "1999"})
    text = load_tracks(write_csv(frame, tmp_path / "t.csv", "\t"))
    typed = frame.copy()
    typed["mode"] = typed["mode"] == "1"
    typed["key"] = typed["key"].map(Decimal)
    typed["tempo"] = typed["tempo"].astype("float64").astype("Float64")
    typed["duration_ms"] = typed["duration_ms"].astype("int32")
    typed["playlist_genre"] = typed["playlist_genre"].astype("category")
    typed["track_name"] = typed["track_name"].replace({"NA": None})
    typed.to_parquet(tmp_path / "t.parquet")
    parquet = load_tracks(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(parquet.frame, text.frame)
    assert parquet.fingerprint == text.fingerprint


def test_parquet_dates_and_nulls(tmp_path):
    frame = table()
    frame["track_album_release_date"] = pd.to_datetime(frame["track_album_release_date"])
    frame.to_parquet(tmp_path / "t")
    assert load_tracks(tmp_path / "t").frame["track_album_release_date"][0] == "1957-03-01"
    frame["track_album_release_date"] = np.arange(60) + 1950.0
    frame.to_parquet(tmp_path / "t")
    assert load_tracks(tmp_path / "t").frame["release_year"][1] == 1951
    frame["energy"] = [None, *np.linspace(0, 1, 59)]
    frame.to_parquet(tmp_path / "t")
    with pytest.raises(InputError, match=r"'energy': 1 of 60 .*row 1: empty"):
        load_tracks(tmp_path / "t")


@pytest.mark.parametrize(
    "cells",
    [
        {"track_name": {0: "other"}},
        {"energy": {0: "0.123457"}},
        {"playlist_genre": {0: "rap"}},
        {"track_album_release_date": {0: "1957"}},
        {"track_name": {0: "Song 1", 1: "Song 0"}},
    ],
)
def test_fingerprint_sees_every_cell(tmp_path, cells):
    before = tracks_of(table(), tmp_path).fingerprint
    assert tracks_of(edited(table(), **cells), tmp_path).fingerprint != before
    assert tracks_of(edited(table(), playlist_name={0: "other"}), tmp_path).fingerprint == before


def test_keys_are_normalised(tmp_path):
    frame = edited(
        table(),
        track_name={0: " Ｓong  ONE", 1: "song one"},
        track_album_name={0: "Best", 1: "BEST ", 2: "Greatest Hits", 3: "Greatest Hits", 4: "", 5: ""},
        duration_ms={0: "1000", 1: "1000.0"},
        track_album_release_date={0: "2001", 1: "2001", 2: "1999", 3: "2000", 4: "2000", 5: "2000"},
    )
    tracks = tracks_of(frame, tmp_path)
    assert tracks.track_keys[0] == tracks.track_keys[1]
    assert tracks.album_keys[0] == tracks.album_keys[1]
    assert len(set(tracks.album_keys[2:6])) == 4
    assert len(set(tracks.track_keys)) == 59


def test_subset_and_only_genres(tmp_path):
    tracks = tracks_of(table(), tmp_path)
    part = tracks.subset([7, 3])
    assert part.frame["track_name"].tolist() == ["Song 7", "Song 3"]
    assert part.frame.index.tolist() == [0, 1]
    assert tracks.subset(np.arange(60) < 5).frame["track_name"].tolist() == [f"Song {row}" for row in range(5)]
    assert len(tracks.subset([])) == 0
    assert tracks.only_genres(["pop", "rap"]).genre_names == ("pop", "rap")


def test_hold_out_genre(tmp_path):
    tracks = tracks_of(table(genres=("pop", "edm", "rap")), tmp_path)
    kept, held = hold_out_genre(tracks)
    assert kept.genre_names == ("pop", "rap")
    assert held is not None
    assert held.genre_names == ("edm",)
    assert "20 rows of genre 'edm' are held" in kept.warnings[-1]
    assert join_tracks(kept, held).fingerprint != tracks.fingerprint
    assert hold_out_genre(kept) == (kept, None)
    two = tracks.only_genres(["pop", "edm"])
    assert hold_out_genre(two) == (two, None)


def test_join_needs_equal_columns(tmp_path):
    tracks = tracks_of(table(), tmp_path)
    both = join_tracks(tracks, tracks.subset([1]))
    assert both.frame["track_name"].tolist()[-2:] == ["Song 59", "Song 1"]
    undated = tracks_of(table().drop(columns="track_album_release_date"), tmp_path)
    with pytest.raises(InputError, match="differ in: release_year, track_album_release_date"):
        join_tracks(tracks, undated)


def test_synthetic_words(monkeypatch):
    twin = SimpleNamespace(DEFAULT_ROWS=30, MAXIMUM_ROWS=100, synthetic_frame=lambda rows, seed=0: table(rows))
    monkeypatch.setitem(sys.modules, "data.tables.synthetic", twin)
    assert len(load_tracks("synthetic")) == 30
    tracks = load_tracks("synthetic:40")
    assert (len(tracks), tracks.source, tracks.synthetic) == (40, "synthetic:40", True)
    for wrong in ("synthetic:", "synthetic:0", "synthetic:-3", "synthetic:many", "synthetic:1e3"):
        with pytest.raises(InputError, match="ROWS must be a whole number"):
            load_tracks(wrong)
    with pytest.raises(InputError, match="a mapping goes with a file"):
        load_tracks("synthetic", mapping=Path("m.toml"))


def test_a_file_called_synthetic(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_csv(table(), tmp_path / "synthetic")
    assert not load_tracks("./synthetic").synthetic
    assert not load_tracks(Path("synthetic")).synthetic


def test_real_tables(real_data):
    train = load_tracks(real_data / "train.csv")
    counts = train.frame["genre"].value_counts().to_dict()
    assert counts == {"rap": 4594, "pop": 4406, "r&b": 4345, "latin": 4122, "rock": 3961}
    assert pd.Series(train.track_keys).duplicated().mean() == pytest.approx(0.12, abs=0.001)
    assert train.warnings == ()
    edm = load_tracks(real_data / "edm.csv", min_genres=1)
    assert np.isin(edm.track_keys.astype(str), train.track_keys.astype(str)).mean() == pytest.approx(0.12, abs=0.001)
    unlabelled = load_tracks(real_data / "test_unlabelled.csv", require_genre=False)
    assert len(unlabelled) == 5357
    public = load_tracks(real_data / "spotify_songs_dev.csv")
    assert [warning[:4] for warning in public.warnings] == ["5 of", "5 of"]
    kept, held = hold_out_genre(public)
    assert held is not None
    assert (len(kept), len(held)) == (21433, 4834)
