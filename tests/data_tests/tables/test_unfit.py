"""Columns of no plain cells matter only where something is read from them, and are then named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.errors import InputError
from data.tables.tracks import load_tracks
from tests.support.tables import table

NESTED: dict[str, tuple[pa.Array, str]] = {
    "list": (pa.array([["edm"], ["pop", "rap"]] * 30), "lists"),
    "struct": (pa.array([{"a": "edm"}, {"a": "pop"}] * 30), "structs"),
    "map": (pa.array([[("a", 1)], [("b", 2)]] * 30, pa.map_(pa.string(), pa.int32())), "lists"),
    "late": (pa.array([*[None] * 59, [1.0]]), "lists"),
}
UNREADABLE: dict[str, pa.Array] = {
    "time zone": pa.array(range(60), pa.timestamp("us", tz="Mars/Phobos")),
    "date": pa.array([6_600_000] * 60, pa.int32()).cast(pa.date32()),
    "text": pa.StringArray.from_buffers(60, *pa.array([b"\xff"] * 60).buffers()[1:]),
}
ROLES = {"playlist_genre": "genre", "track_name": "title", "track_album_name": "album", "energy": "number"}
ROLES["track_album_release_date"] = "date"


def sources(folder: Path, column: str, cells: pa.Array) -> Iterator[Any]:
    typed = pa.table({**{name: pa.array(cells) for name, cells in table().items()}, column: cells})
    pq.write_table(typed, folder / "t.parquet")
    yield folder / "t.parquet"
    yield typed.to_pandas(types_mapper=pd.ArrowDtype)


@pytest.mark.parametrize("kind", sorted(NESTED))
@pytest.mark.parametrize("column", sorted(ROLES))
def test_nested_columns_are_refused_by_type(tmp_path, column, kind):
    cells, what = NESTED[kind]
    said = rf"- column '{column}' holds {what} \(row \d+: .*\): choose one {ROLES[column]} a row"
    for source in sources(tmp_path, column, cells):
        with pytest.raises(InputError, match=said) as caught:
            load_tracks(source)
        assert str(caught.value).count("\n") == 1


@pytest.mark.parametrize("kind", ["list", "struct", "map"])
@pytest.mark.parametrize(("column", "alias"), [("playlist_genre", "genre"), ("track_name", "title")])
def test_nested_columns_are_never_proposed(tmp_path, column, alias, kind):
    for source in sources(tmp_path, alias, NESTED[kind][0]):
        frame = (pd.read_parquet(source) if isinstance(source, Path) else source).drop(columns=column)
        with pytest.raises(InputError) as caught:
            load_tracks(frame)
        assert f"is it '{alias}'" not in str(caught.value)
        assert f'"{alias}"' not in "".join(getattr(caught.value, "__notes__", []))


@pytest.mark.parametrize("kind", sorted(UNREADABLE))
def test_what_cannot_be_read_matters_only_where_it_is_mapped(tmp_path, kind):
    source = next(sources(tmp_path, "other", UNREADABLE[kind]))
    assert load_tracks(source).fingerprint == load_tracks(table()).fingerprint
    for column in ROLES:
        source = next(sources(tmp_path, column, UNREADABLE[kind]))
        with pytest.raises(InputError, match=rf"- column '{column}' cannot be read \(.+\): save it as text"):
            load_tracks(source)


def test_a_frame_with_dates_out_of_range():
    late = pd.Series(UNREADABLE["date"], dtype=pd.ArrowDtype(pa.date32()))
    assert load_tracks(table().assign(other=late)).fingerprint == load_tracks(table()).fingerprint
    with pytest.raises(InputError, match="column 'track_album_release_date' cannot be read"):
        load_tracks(table().assign(track_album_release_date=late))
