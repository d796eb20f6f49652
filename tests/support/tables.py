"""Made-up tables in the public file's format, and ways to write them to disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from data.tables.columns import PAPER_NUMBERS
from data.tables.tracks import Tracks, load_tracks

GENRES = ("latin", "pop", "r&b", "rap", "rock")


def table(rows: int = 60, seed: int = 0, genres: tuple[str, ...] = GENRES) -> pd.DataFrame:
    """Text cells only, as a CSV holds them; every number has few digits."""
    rng = np.random.default_rng(seed)
    columns: dict[str, list[str]] = {
        "track_id": [f"id{row}" for row in range(rows)],
        "track_name": [f"Song {row}" for row in range(rows)],
        "track_artist": [f"Artist {row % 7}" for row in range(rows)],
        "track_album_id": [f"al{row}" for row in range(rows)],
        "track_album_name": [f"Album {row // 2}" for row in range(rows)],
        "track_album_release_date": [f"{1957 + row % 64}-03-0{1 + row % 9}" for row in range(rows)],
        "playlist_name": ["a list"] * rows,
        "playlist_id": ["list1"] * rows,
        "playlist_genre": [genres[row % len(genres)] for row in range(rows)],
        "playlist_subgenre": ["sub"] * rows,
        "mode": [str(row % 2) for row in range(rows)],
    }
    for name in PAPER_NUMBERS:
        columns[name] = [f"{value:.4g}" for value in rng.uniform(0.001, 1, rows)]
    columns["duration_ms"] = [str(value) for value in rng.integers(4000, 500_000, rows)]
    return pd.DataFrame(columns, dtype=object)


def write_csv(frame: pd.DataFrame, path: Path, sep: str = ",", encoding: str = "utf-8") -> Path:
    frame.to_csv(path, index=False, sep=sep, encoding=encoding)
    return path


def tracks_of(frame: pd.DataFrame, folder: Path, **options: object) -> Tracks:
    return load_tracks(write_csv(frame, folder / "table.csv"), **options)  # type: ignore[arg-type]


def edited(frame: pd.DataFrame, **cells: dict[int, object]) -> pd.DataFrame:
    """A copy with ``column={row: value}`` replaced."""
    copy = frame.copy()
    for column, values in cells.items():
        for row, value in values.items():
            copy.loc[row, column] = value
    return copy
