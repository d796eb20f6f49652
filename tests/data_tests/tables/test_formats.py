"""One table reads alike, whatever file or frame it comes in."""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import InputError
from data.tables.tracks import Tracks, load_tracks, read_source
from tests.support.examples import examples
from tests.support.tables import edited, table, write_csv

TITLES = ("track_name", "track_album_name", "playlist_genre")
WHOLE, REAL, BOTH, YEAR = "duration_ms", "tempo", "mode", "track_album_release_date"

TEXTS: dict[str, Callable[[list[str]], pa.Array]] = {
    "string": pa.array,
    "large_string": lambda cells: pa.array(cells, pa.large_string()),
    "binary": lambda cells: pa.array([cell.encode() for cell in cells], pa.binary()),
    "large_binary": lambda cells: pa.array([cell.encode() for cell in cells], pa.large_binary()),
    "binary_view": lambda cells: pa.array([cell.encode() for cell in cells], pa.binary_view()),
    "fixed_size_binary": lambda cells: pa.array([cell.encode().ljust(90, b"\0") for cell in cells], pa.binary(90)),
    "dictionary": lambda cells: pa.array(cells).dictionary_encode(),
    "dictionary of binary": lambda cells: pa.array([cell.encode() for cell in cells]).dictionary_encode(),
}
WHOLES: dict[str, Callable[[list[int]], pa.Array]] = {
    "int64": pa.array,
    "int32": lambda cells: pa.array(cells, pa.int32()),
    "uint64": lambda cells: pa.array(cells, pa.uint64()),
    "float64": lambda cells: pa.array(cells, pa.float64()),
    "decimal": lambda cells: pa.array([Decimal(cell) for cell in cells], pa.decimal128(12, 2)),
    "string": lambda cells: pa.array(list(map(str, cells))),
    "binary": lambda cells: pa.array([str(cell).encode() for cell in cells]),
    "dictionary": lambda cells: pa.array(cells).dictionary_encode(),
}


def _midnights(days: list[datetime.date]) -> list[datetime.datetime]:
    return [datetime.datetime.combine(day, datetime.time.min) for day in days]


DAYS: dict[str, Callable[[list[datetime.date]], pa.Array]] = {
    "date32": pa.array,
    "date64": lambda days: pa.array(days, pa.date64()),
    "timestamp[ns]": lambda days: pa.array(_midnights(days), pa.timestamp("ns")),
    "timestamp[s, tz]": lambda days: pa.array(_midnights(days), pa.timestamp("s", tz="UTC")),
    "string": lambda days: pa.array(list(map(str, days))),
    "binary": lambda days: pa.array([str(day).encode() for day in days]),
    "dictionary": lambda days: pa.array(list(map(str, days))).dictionary_encode(),
}
TRUTHS: dict[str, Callable[[list[bool]], pa.Array]] = {
    "bool": pa.array,
    "int8": lambda cells: pa.array([int(cell) for cell in cells], pa.int8()),
    "string": lambda cells: pa.array([str(cell) for cell in cells]),
}
ROWS = 12
DAY = st.dates(datetime.date(1900, 1, 1), datetime.date(2030, 12, 31))
TITLE = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=20)


@st.composite
def arrow_tables(draw: st.DrawFn) -> tuple[pa.Table, pd.DataFrame]:
    """A table with columns of any types, and the same as a CSV file has it: text throughout."""
    plain = table(ROWS, genres=("pop", "edm"))
    made: dict[str, pa.Array] = {}

    def put(column: str, kinds: dict[str, Callable[[list[Any]], pa.Array]], cells: list[Any]) -> None:
        made[column] = kinds[draw(st.sampled_from(sorted(kinds)))](cells)
        plain[column] = [str(cell) for cell in cells]

    def cells_of(values: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(values, min_size=ROWS, max_size=ROWS))

    put("track_name", TEXTS, cells_of(TITLE))
    put("playlist_genre", TEXTS, list(plain["playlist_genre"]))
    put(WHOLE, WHOLES, cells_of(st.integers(0, 2**31 - 1)))
    put(BOTH, TRUTHS, cells_of(st.booleans()))
    if draw(st.booleans()):
        put(YEAR, DAYS, cells_of(DAY))
    else:
        put(YEAR, WHOLES, cells_of(st.integers(1900, 2030)))
    reals = cells_of(st.floats(-1e9, 1e9))
    made[REAL], plain[REAL] = pa.array(reals), [repr(real) for real in reals]
    return pa.table({name: made.get(name, pa.array(plain[name])) for name in plain}), plain


@given(arrow_tables(), st.sampled_from(["plain", "arrow", "nullable"]))
@examples(10)
def test_csv_tsv_parquet_and_frames_give_one_table(tables, frames) -> None:
    typed, plain = tables
    types = {"plain": None, "arrow": _arrow, "nullable": _nullable.get}[frames]
    with tempfile.TemporaryDirectory() as folder:
        pq.write_table(typed, Path(folder) / "t.parquet")
        sources = [
            write_csv(plain, Path(folder) / "t.csv"),
            write_csv(plain, Path(folder) / "t.tsv", "\t"),
            Path(folder) / "t.parquet",
            str(Path(folder) / "t.parquet"),
            typed.to_pandas(types_mapper=types),
            plain.set_index(pd.Index(range(ROWS, 0, -1))),
            plain.set_index("track_name"),
            typed.to_pandas().to_csv(Path(folder) / "again.csv", index=False) or plain,
        ]
        first, *others = [load_tracks(source) for source in sources]
    for other in others:
        _same(other, first)


def _arrow(kind: pa.DataType) -> pd.ArrowDtype | None:
    """pandas 3.1.1 itself cannot handle a column of binary_view."""
    return None if kind == pa.binary_view() else pd.ArrowDtype(kind)


_nullable = {
    pa.int64(): pd.Int64Dtype(),
    pa.int8(): pd.Int8Dtype(),
    pa.float64(): pd.Float64Dtype(),
    pa.bool_(): pd.BooleanDtype(),
    pa.string(): pd.StringDtype(),
}


def _same(found: Tracks, expected: Tracks) -> None:
    columns = list(expected.frame.columns)
    pd.testing.assert_frame_equal(found.frame[columns], expected.frame)
    assert found.fingerprint == expected.fingerprint


@pytest.mark.parametrize("kind", sorted(WHOLES))
def test_a_year_without_a_value_is_one_empty_cell(tmp_path, kind):
    made = WHOLES[kind]([2001 + row for row in range(60)])
    years = made.to_pylist()
    years[5] = None
    kept = made.type.value_type if pa.types.is_dictionary(made.type) else made.type
    column = pa.array(years, type=kept)
    column = column.dictionary_encode() if pa.types.is_dictionary(made.type) else column
    typed = pa.Table.from_pandas(table().drop(columns=YEAR)).append_column(YEAR, column)
    pq.write_table(typed, tmp_path / "t")
    for source in (tmp_path / "t", typed.to_pandas(), typed.to_pandas(types_mapper=pd.ArrowDtype)):
        with pytest.raises(InputError, match=r"1 of 60 cells are no date .*\(row 6: empty\)"):
            load_tracks(source)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2021.0", "2021"),
        ("2021.00", "2021"),
        ("2021-03-04 00:00:00", "2021-03-04"),
        ("2021-03-04T12:30:00Z", "2021-03-04"),
        ("2021-03-04T12:30:00.123+02:00", "2021-03-04"),
        ("2021-03", "2021-03"),
    ],
)
def test_dates_as_other_programs_write_them(written, read):
    tracks = load_tracks(edited(table(), **{YEAR: {3: written}}))
    assert tracks.frame[YEAR][3] == read
    assert tracks.frame["release_year"][3] == 2021


@pytest.mark.parametrize("written", ["2021.5", "2021-13-01 00:00:00", "2021 12:00", "20210304", "1.0"])
def test_what_only_looks_like_a_date(written):
    with pytest.raises(InputError, match="1 of 60 cells are no date"):
        load_tracks(edited(table(), **{YEAR: {3: written}}))


def test_whole_numbers_beside_a_null_stay_whole(tmp_path):
    frame = table().assign(track_album_name=pd.array([None, *range(1, 60)], dtype="Int64"))
    frame.to_parquet(tmp_path / "t")
    found = load_tracks(tmp_path / "t").frame["track_album_name"]
    assert found[:3].tolist() == ["", "1", "2"]
    pd.testing.assert_series_equal(load_tracks(write_csv(frame, tmp_path / "c")).frame["track_album_name"], found)


@pytest.mark.parametrize("column", ["track_name", "playlist_genre", "energy", YEAR])
def test_bytes_that_are_no_text_are_refused_by_name_and_type(tmp_path, column):
    cells = [b"\xff\xfe", *[b"1"] * 59]
    typed = pa.table({**{n: pa.array(c) for n, c in table().items()}, column: pa.array(cells)})
    pq.write_table(typed, tmp_path / "t")
    for source in (tmp_path / "t", table().assign(**{column: cells}), typed.to_pandas(types_mapper=pd.ArrowDtype)):
        with pytest.raises(InputError, match=f"column '{column}' is of the type binary .*row 1: ") as caught:
            load_tracks(source)
        assert str(caught.value).count("\n") == 1


def test_bytes_that_are_no_text_do_not_matter_where_nothing_reads_them(tmp_path):
    frame = table().assign(track_id=[b"\xff\xfe"] * 60)
    frame.to_parquet(tmp_path / "t")
    assert load_tracks(tmp_path / "t").fingerprint == load_tracks(frame).fingerprint == load_tracks(table()).fingerprint


def test_a_frame_is_left_as_it_was_and_its_index_does_not_matter():
    frame = table().assign(track_name=[b"Song"] * 60)
    frame.index = pd.MultiIndex.from_product([range(30), list("ab")])
    before = frame.copy()
    tracks = load_tracks(frame)
    pd.testing.assert_frame_equal(frame, before)
    assert tracks.source == "a DataFrame" and tracks.frame["track_name"][0] == "Song"


def test_columns_whose_names_are_no_text():
    frame = pd.concat([table(), pd.DataFrame({0: range(60), ("a", "b"): range(60)})], axis=1)
    assert list(read_source(frame)[0])[-2:] == ["0", "('a', 'b')"]
    assert load_tracks(frame).fingerprint == load_tracks(table()).fingerprint


@pytest.mark.parametrize("frame", [pd.DataFrame(), pd.DataFrame(index=range(3)), table(0), table().iloc[:, :3]])
def test_frames_that_are_no_table_of_tracks(frame):
    with pytest.raises(InputError, match="a DataFrame cannot be used"):
        load_tracks(frame)


def test_home_in_paths(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write_csv(table().rename(columns={"tempo": "bpm"}), tmp_path / "t.csv")
    (tmp_path / "m.toml").write_text("[numbers]\ntempo = 'bpm'\n")
    for source in ("~/t.csv", Path("~/t.csv")):
        for mapping in ("~/m.toml", Path("~/m.toml")):
            assert load_tracks(source, mapping=mapping).number_columns == ("tempo",)


def test_half_floats_and_numpy_text_of_fixed_size():
    frame = table().assign(mode=np.array([row % 2 for row in range(60)], dtype=np.float16))
    frame["playlist_genre"] = list(np.array(frame["playlist_genre"].tolist(), dtype="S"))
    assert load_tracks(frame).fingerprint == load_tracks(table()).fingerprint
