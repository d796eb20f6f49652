"""The public "Spotify Songs" table (TidyTuesday 2020-01-21, CC0): fetched once, its content checked."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import pandas as pd

from data.errors import InputError
from data.machine.cache_folder import CACHE_VARIABLE, cache_dirs
from data.tables.columns import LABEL, PAPER_NUMBERS
from data.tables.reading import read_table

URL = "https://raw.githubusercontent.com/rfordatascience/tidytuesday/main/data/2020/2020-01-21/spotify_songs.csv"
FILE_NAME = "spotify_songs.csv"
GENRE_COUNTS = MappingProxyType({"edm": 6043, "rap": 5746, "pop": 5507, "r&b": 5431, "latin": 5155, "rock": 4951})
_WITHOUT = "Without a network use --data FILE (a copy of it, or any table of tracks) or --data synthetic"
COLUMNS = (
    "track_id",
    "track_name",
    "track_artist",
    "track_album_id",
    "track_album_name",
    "track_album_release_date",
    "playlist_name",
    "playlist_id",
    "playlist_genre",
    "playlist_subgenre",
    "mode",
    *PAPER_NUMBERS,
)


def read_public_table() -> pd.DataFrame:
    """Read the public table as a raw frame: 32,833 rows, six genres; downloaded on the first call only.

    Raises:
        InputError: it cannot be downloaded, or the downloaded file is not that table.
    """
    kept = [folder / FILE_NAME for folder in cache_dirs()]
    path = next((path for path in kept if path.exists()), kept[0])
    if not path.exists():
        _download(path)
    try:
        raw = read_table(path)
        problems = content_problems(raw)
    except InputError as error:
        problems = [str(error)]
    if problems:
        raise InputError(
            f"what was downloaded is not the public table: {'; '.join(problems)}.\n{_removed(path)}. {_WITHOUT}"
        )
    return raw


def _removed(path: Path) -> str:
    """Remove a damaged table and return the next step; the file may be read-only and belong to somebody else."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        return (
            f"{path} could not be removed ({error.strerror or error}): have it removed, or set {CACHE_VARIABLE} to "
            "another folder, into which it is downloaded again"
        )
    return "It was removed: try again"


def _download(path: Path) -> None:
    import pooch

    pooch.get_logger().setLevel("WARNING")
    try:
        # no hash is published for the file: content_problems() checks it instead
        pooch.retrieve(URL, known_hash=None, fname=path.name, path=path.parent, progressbar=False)
    except OSError as error:
        raise InputError(f"the public table could not be downloaded ({type(error).__name__}).\n{_WITHOUT}") from error


def content_problems(raw: pd.DataFrame) -> list[str]:
    """Return the differences of ``raw`` from the public table in columns, rows and rows per genre; empty if none."""
    missing = [name for name in COLUMNS if name not in raw.columns]
    if missing:
        return [f"columns are missing: {', '.join(missing)}"]
    problems = []
    rows = sum(GENRE_COUNTS.values())
    if len(raw) != rows:
        problems.append(f"it has {len(raw)} rows instead of {rows}")
    counts = raw[LABEL].value_counts().to_dict()
    if counts != dict(GENRE_COUNTS):
        problems.append(f"its rows per genre are {counts} instead of {dict(GENRE_COUNTS)}")
    return problems
