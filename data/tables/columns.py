"""The roles of a table's columns: the paper's names, and a TOML mapping for tables with other names."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from data.errors import InputError, did_you_mean
from data.files import read_regular, user_path

TRACK_NAME = "track_name"
ALBUM_NAME = "track_album_name"
TEXT_COLUMNS = (TRACK_NAME, ALBUM_NAME)
RELEASE_DATE = "track_album_release_date"
RELEASE_YEAR = "release_year"
LABEL = "playlist_genre"
GENRE = "genre"
MODE = "mode"
PAPER_NUMBERS = (
    "track_popularity",
    "danceability",
    "energy",
    "key",
    "loudness",
    "speechiness",
    "acousticness",
    "instrumentalness",
    "liveness",
    "valence",
    "tempo",
    "duration_ms",
)
GIVEAWAYS = ("playlist_name", "playlist_id", "playlist_subgenre")


@dataclass(frozen=True, kw_only=True)
class ColumnMapping:
    """The columns of a table that hold the label, the date, the texts and the numbers.

    ``text`` and ``numbers`` map the name used here to the column in the file. ``dated`` says
    whether the release year is a feature; ``binary`` names the numbers that hold only 0 and 1 and are
    not standardised; ``optional`` are the texts, and the release date, that a table may lack; ``whole`` says that
    no number may be missing, for example because a model reads them all. The default is the public file's own naming
    with the paper's 14 audio features.
    """

    label: str = LABEL
    date: str = RELEASE_DATE
    dated: bool = True
    text: Mapping[str, str] = field(default_factory=lambda: {name: name for name in TEXT_COLUMNS})
    numbers: Mapping[str, str] = field(default_factory=lambda: {n: n for n in (*PAPER_NUMBERS, MODE)})
    binary: tuple[str, ...] = (MODE,)
    optional: frozenset[str] = frozenset({RELEASE_DATE})
    whole: bool = False

    def __post_init__(self) -> None:
        problems = [*self._wrong_names(), *self._giveaways()]
        if problems:
            raise InputError("\n".join(["the column mapping is wrong:", *(f"  - {p}" for p in problems)]))

    def _wrong_names(self) -> list[str]:
        reserved = {GENRE, RELEASE_DATE, *TEXT_COLUMNS} | ({RELEASE_YEAR} if self.dated else set())
        problems = [
            f"[text] has {name!r}{did_you_mean(name, {*TEXT_COLUMNS} - {*self.text})}; "
            f"its names are {', '.join(TEXT_COLUMNS)}"
            for name in self.text
            if name not in TEXT_COLUMNS
        ]
        problems += [f"[numbers] must not be called {n!r}: taken" for n in self.numbers if n in reserved]
        problems += [
            f"binary has {name!r}, which [numbers] lacks{did_you_mean(name, {*self.numbers} - {*self.binary})}"
            for name in self.binary
            if name not in self.numbers
        ]
        return problems

    def _giveaways(self) -> list[str]:
        forbidden = {*GIVEAWAYS, self.label}
        return [
            f"{name!r} must not read column {column!r}: it gives the genre away"
            for name, column in (*self.text.items(), *self.numbers.items())
            if column in forbidden
        ]

    def only(self, numbers: Collection[str], *, text: bool) -> ColumnMapping:
        """Return a mapping that reads only some of the numbers, and requires the titles if ``text`` is set.

        Titles that are not required are read if a table has them, so that people can tell the rows apart.
        """
        dated = self.dated and RELEASE_YEAR in numbers
        return replace(
            self,
            dated=dated,
            numbers={name: column for name, column in self.numbers.items() if name in numbers},
            binary=tuple(name for name in self.binary if name in numbers),
            optional=frozenset([*([] if text else TEXT_COLUMNS), *([] if dated else [RELEASE_DATE])]),
            whole=True,
        )


def read_mapping(path: str | Path) -> ColumnMapping:
    """Read a mapping from a TOML file; ``~`` is the home directory.

    Keys: ``label``, ``date`` (columns), ``[text]`` (``track_name``, ``track_album_name`` to columns),
    ``[numbers]`` (feature name to column; exactly these are then the numbers, and the release year is
    one more only if ``date`` is given), ``binary`` (feature names). All are optional. Columns that are named
    must exist; titles and dates that are not named are read if a table has the public file's columns.

    Raises:
        InputError: the file is missing, is not TOML, or has unknown keys or wrong values.
    """
    path = user_path(path)
    try:
        table = tomllib.loads(read_regular(path).decode("utf-8-sig"))
    except OSError as error:
        raise InputError(f"cannot read the mapping {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"the mapping {path} is not TOML in UTF-8: {error}") from error
    problems = _shape_problems(table)
    if problems:
        raise InputError("\n".join([f"the mapping {path} is wrong:", *(f"  - {p}" for p in problems)]))
    try:
        return _mapping_from(table)
    except InputError as error:
        raise InputError(str(error).replace("the column mapping", f"the mapping {path}", 1)) from error


def mapping_from(text: str) -> ColumnMapping:
    """Read a mapping from valid lines of TOML, as `read_mapping` does from a file."""
    return _mapping_from(tomllib.loads(text))


def _mapping_from(table: Mapping[str, Any]) -> ColumnMapping:
    values = {key: table[key] for key in ("label", "date", "text", "numbers") if key in table}
    if "numbers" in table:
        values["dated"] = "date" in table
        values["binary"] = (MODE,) if MODE in table["numbers"] else ()
    values["optional"] = frozenset(
        [*([] if "date" in table else [RELEASE_DATE]), *([] if "text" in table else TEXT_COLUMNS)]
    )
    if "binary" in table:
        values["binary"] = tuple(dict.fromkeys(table["binary"]))
    return ColumnMapping(**values)


def _shape_problems(table: Mapping[str, Any]) -> list[str]:
    checks = {
        "label": _is_text,
        "date": _is_text,
        "text": _is_text_table,
        "numbers": _is_text_table,
        "binary": lambda value: isinstance(value, list) and all(map(_is_text, value)),
    }
    wanted = {
        "label": "the name of a column",
        "date": "the name of a column",
        "text": "a table of names, such as track_name = 'title'",
        "numbers": "a table of names, such as tempo = 'bpm'",
        "binary": "a list of feature names",
    }
    problems = []
    for key, value in table.items():
        if key not in checks:
            hint = did_you_mean(key, checks.keys() - table.keys())
            problems.append(f"unknown key {key!r}{hint}; valid: {', '.join(checks)}")
        elif not checks[key](value):
            problems.append(f"{key} must be {wanted[key]}, but is {value!r}")
    if table.get("numbers") == {} and "date" not in table:
        problems.append("[numbers] is empty: at least one feature is needed")
    return problems


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_text_table(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))
