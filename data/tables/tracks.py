"""Tables of tracks: a path, the public file or the synthetic twin, checked and in canonical columns."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from data.errors import InputError, warn
from data.files import user_path
from data.tables.checking import check_table
from data.tables.columns import ALBUM_NAME, GENRE, RELEASE_DATE, TRACK_NAME, ColumnMapping, read_mapping
from data.tables.reading import plain_frame, read_table

Source = str | Path | pd.DataFrame
"""A table of tracks: a path, ``"spotify"``, ``"synthetic[:ROWS]"``, or a frame with the columns of such a table."""
FRAME_LABEL = "a DataFrame"
DURATION = "duration_ms"
_KEY_SEPARATOR = "\x1f"


@dataclass(frozen=True, kw_only=True, eq=False)
class Tracks:
    """A checked table of tracks, rows in the order of their source.

    ``frame`` has the index 0..n-1 and the columns ``text_columns`` (``str``, ``""`` for missing),
    ``track_album_release_date`` (``str``, if the source has it), ``number_columns`` then
    ``binary_columns`` (float64, finite) and ``genre`` (``str``, unless absent). ``source`` is a label
    for messages; ``warnings`` are sentences for the user.
    """

    frame: pd.DataFrame
    text_columns: tuple[str, ...]
    number_columns: tuple[str, ...]
    binary_columns: tuple[str, ...]
    source: str
    synthetic: bool = False
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        columns = (*self.text_columns, *self.number_columns, *self.binary_columns)
        missing = [name for name in columns if name not in self.frame.columns]
        if missing:
            raise ValueError(f"frame must hold all named columns, but lacks {missing}")
        if not self.frame.index.equals(pd.RangeIndex(len(self.frame))):
            raise ValueError("frame must have the index 0..n-1")

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def has_genre(self) -> bool:
        """True if the rows are labelled."""
        return GENRE in self.frame.columns

    @cached_property
    def genres(self) -> np.ndarray:
        """The label of each row, shape ``(n,)``, object array of ``str``; InputError if there is no genre column."""
        if not self.has_genre:
            raise InputError(f"{self.source} has no genre column: it can be predicted, not trained on")
        return self.frame[GENRE].to_numpy(dtype=object)

    @cached_property
    def genre_names(self) -> tuple[str, ...]:
        """The distinct genres, sorted."""
        return tuple(sorted(set(self.genres)))

    @cached_property
    def track_keys(self) -> np.ndarray:
        """The key of each row's track, shape ``(n,)``: name, album and duration, normalised."""
        self._require_text("track")
        parts = [_normalised(self.frame[name]) for name in self.text_columns]
        if DURATION in self.frame.columns:
            parts.append([f"{duration:.0f}" for duration in self.frame[DURATION]])
        return _joined(parts)

    @cached_property
    def album_keys(self) -> np.ndarray:
        """The key of each row's album, shape ``(n,)``: album name and release date, normalised.

        A row without an album name has its track key as album key.
        """
        if ALBUM_NAME not in self.text_columns:
            raise InputError(f"{self.source} has no {ALBUM_NAME!r}: rows cannot be told apart by album")
        names = _normalised(self.frame[ALBUM_NAME])
        dates = self.frame[RELEASE_DATE].tolist() if RELEASE_DATE in self.frame.columns else [""] * len(self)
        keys = _joined([names, dates])
        nameless = np.array([not name for name in names], dtype=bool)
        keys[nameless] = self.track_keys[nameless]
        return keys

    def _require_text(self, what: str) -> None:
        if TRACK_NAME not in self.text_columns:
            raise InputError(f"{self.source} has no {TRACK_NAME!r}: rows cannot be told apart by {what}")

    @cached_property
    def fingerprint(self) -> str:
        """The SHA-256 (hex) of the rows, their order and their columns' names, the same for any file format.

        Numbers are compared to 12 significant digits, so that a parser's last bit does not matter.
        """
        digest = hashlib.sha256()
        numbers = {*self.number_columns, *self.binary_columns}
        for name in self.frame.columns:
            cells = self.frame[name].tolist()
            texts = [f"{cell + 0.0:.12g}" for cell in cells] if name in numbers else cells
            digest.update(f"{name}\x1e{len(texts)}\x1e".encode())
            digest.update("".join(f"{len(text)}:{text}" for text in texts).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    def subset(self, rows: Iterable[int] | np.ndarray) -> Tracks:
        """Return the rows at these positions (integers, any order) or under this boolean mask."""
        chosen = np.asarray(rows if isinstance(rows, np.ndarray) else list(rows))
        frame = self.frame.iloc[chosen if chosen.size else []].reset_index(drop=True)
        return replace(self, frame=frame)

    def only_genres(self, genres: Iterable[str]) -> Tracks:
        """Return the rows of these genres, in their order in the table."""
        return self.subset(np.isin(self.genres.astype(str), sorted(genres)))


def load_tracks(
    source: Source,
    *,
    mapping: str | Path | ColumnMapping | None = None,
    require_genre: bool = True,
    min_genres: int = 2,
) -> Tracks:
    """Load and check a table of tracks; each warning about it is also issued as an `InputWarning`.

    Args:
        source: a path (comma- or tab-separated UTF-8, or Parquet), ``"spotify"`` (the public file),
            ``"synthetic[:ROWS]"``, or a DataFrame with any index and any types of columns. A file of such a name is
            given as ``./synthetic``. The result is the same for each format of one table.
        mapping: the names of the columns, or a TOML file with them (see `data.tables.columns.read_mapping`).
        require_genre: whether every row must have a genre.
        min_genres: the least number of genres; 1 for a table that only adds a genre.

    Raises:
        InputError: with all mistakes of the table, and a mapping that would fit as a note.
    """
    word = _word(source)
    if word and isinstance(mapping, str | Path):
        raise InputError(f"a mapping goes with a file, not with {source!r}: leave it out")
    columns = read_mapping(mapping) if isinstance(mapping, str | Path) else mapping or ColumnMapping()
    raw, label = read_source(source)
    checked = check_table(raw, columns, source=label, require_genre=require_genre, min_genres=min_genres)
    for warning in checked.warnings:
        warn(f"{label}: {warning}")
    return Tracks(
        frame=checked.frame,
        text_columns=checked.text_columns,
        number_columns=checked.number_columns,
        binary_columns=checked.binary_columns,
        source=label,
        synthetic=word == "synthetic",
        warnings=checked.warnings,
    )


def read_source(source: Source) -> tuple[pd.DataFrame, str]:
    """Return the unchanged, unchecked table of a source and a label for it; ``InputError`` if there is none."""
    if isinstance(source, pd.DataFrame):
        return plain_frame(source), FRAME_LABEL
    word = _word(source)
    if word == "synthetic":
        return _synthetic(str(source))
    if word == "spotify":
        from data.tables.public import read_public_table

        return read_public_table(), word
    return read_table(user_path(source)), str(source)


def _word(source: Source) -> str:
    """Return the first word of a source that is not a file, ``synthetic`` or ``spotify``, else an empty string."""
    if not isinstance(source, str):
        return ""
    return source.partition(":")[0] if source == "spotify" or source.partition(":")[0] == "synthetic" else ""


def _synthetic(label: str) -> tuple[pd.DataFrame, str]:
    from data.tables.synthetic import DEFAULT_ROWS, MAXIMUM_ROWS, synthetic_frame

    _, colon, text = label.partition(":")
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(MAXIMUM_ROWS))
    rows = int(text) if is_number else (0 if colon else DEFAULT_ROWS)
    if not 1 <= rows <= MAXIMUM_ROWS:
        raise InputError(f"{label}: ROWS must be a whole number from 1 to {MAXIMUM_ROWS:,}, such as synthetic:20000")
    return synthetic_frame(rows), f"synthetic:{rows}"


def hold_out_genre(tracks: Tracks, genre: str = "edm") -> tuple[Tracks, Tracks | None]:
    """Split off the genre that is kept for the transfer stage, and issue an `InputWarning` about it.

    Returns ``(tracks, None)`` unchanged if the table lacks it or would keep fewer than two genres.
    """
    others = [name for name in tracks.genre_names if name != genre]
    if genre not in tracks.genre_names or len(others) < 2:
        return tracks, None
    held = tracks.only_genres([genre])
    note = f"{len(held)} rows of genre {genre!r} are held for the transfer stage"
    warn(f"{tracks.source}: {note}")
    return replace(tracks.only_genres(others), warnings=(*tracks.warnings, note)), held


def genre_called(tracks: Tracks, genre: str) -> str:
    """Return a genre as the table spells it, ``edm`` or ``EDM``; unchanged if the table has it so, or neither."""
    alike = [name for name in tracks.genre_names if name.casefold() == genre.casefold()]
    return genre if genre in alike or not alike else alike[0]


def join_tracks(old: Tracks, new: Tracks) -> Tracks:
    """Return all rows of ``old``, then all rows of ``new``; InputError unless both have the same columns."""
    ours, theirs = list(old.frame.columns), list(new.frame.columns)
    if ours != theirs:
        differing = ", ".join(sorted(set(ours) ^ set(theirs))) or "their order"
        raise InputError(f"{old.source} and {new.source} must have the same columns, but differ in: {differing}")
    return replace(
        old,
        frame=pd.concat([old.frame, new.frame], ignore_index=True),
        source=f"{old.source} + {new.source}",
        synthetic=old.synthetic or new.synthetic,
        warnings=tuple(dict.fromkeys((*old.warnings, *new.warnings))),
    )


def _normalised(cells: pd.Series) -> list[str]:
    return [" ".join(unicodedata.normalize("NFKC", cell).casefold().split()) for cell in cells]


def _joined(parts: list[list[str]]) -> np.ndarray:
    return np.array([_KEY_SEPARATOR.join(key) for key in zip(*parts, strict=True)], dtype=object)
