"""Proposals for the columns of an unfamiliar table: hints, and a TOML mapping that makes it fit.

Both come from one `Proposal`, so they never contradict each other. A column is proposed only if at least half of its
cells fit, for only one wanted name, and never if it is an identifier or gives the genre away.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import pandas as pd

from data.tables.aliases import (
    ALIASES,
    NOT_A_TRACKS_OWN,
    by_alias,
    compact,
    may_be,
    named_genre,
    plain,
    same,
    spelt_alike,
    without_prefix,
    words,
)
from data.tables.cells import DATE, date_cells, number_cells, text_cells
from data.tables.columns import (
    ALBUM_NAME,
    GENRE,
    GIVEAWAYS,
    LABEL,
    MODE,
    RELEASE_DATE,
    RELEASE_YEAR,
    TEXT_COLUMNS,
    TRACK_NAME,
    ColumnMapping,
    mapping_from,
)
from data.tables.unfit import empty_rows, shown, unfit

_FEW = 3
"""The number of wanted numbers below which a table's other numeric columns are proposed as features, too."""
_UNKNOWN = "no column is known to be it"
_FIRST = 1000
"""The number of cells that are checked before all cells are."""


@dataclass(frozen=True, eq=False)
class Proposal:
    """A proposal of columns of a table for the columns that a mapping wants.

    ``raw`` is the table; ``labelled`` says whether a genre is wanted.
    """

    raw: pd.DataFrame
    mapping: ColumnMapping
    labelled: bool
    min_genres: int = 2

    @cached_property
    def columns(self) -> Mapping[str, str]:
        """A map from each wanted column, by its name in the mapping, to the table's column that is it or could be.

        Columns that the table has by name are mapped to themselves. The rest is matched in five rounds, the surest
        first: names that differ in case, dots, blanks and dashes; other exports' names; those with a prefix; a name
        that says genre; spellings. Later rounds do not offer columns that an earlier round took.
        """
        found = {column: column for column in self._wanted if self._has(column)}
        for round_ in (same, by_alias, without_prefix, named_genre, spelt_alike):
            for column, (name, fits) in self._wanted.items():
                if column not in found:
                    spare = [c for c in self._spare if c not in found.values() and c not in self._wanted]
                    candidates = (c for c in round_(column, name, spare) if may_be(c, name) and _mostly(fits(c)))
                    if (candidate := next(candidates, None)) is not None:
                        found[column] = candidate
        return found

    def hint(self, column: str) -> str:
        """Return the likely name of a missing column, in parentheses; empty if no column is likely."""
        candidate = self.columns.get(column)
        if candidate is None or candidate == column:
            return ""
        misspelt = compact(candidate) != compact(column) and spelt_alike(column, column, [candidate])
        asked = f"did you mean {candidate!r}?" if misspelt else f"is it {candidate!r} here?"
        return f" ({asked}{self._but(candidate, self._wanted[column][1](candidate))})"

    def _but(self, column: str, fits: np.ndarray) -> str:
        """Return a sentence on the first cell of a column that does not fit; empty if all fit."""
        rows = np.flatnonzero(~fits)
        if not len(rows):
            return ""
        cell = shown(self._cells_of(column).iloc[rows[0]])
        return f" But its row {rows[0] + 1} is {cell}{f', and {len(rows) - 1} more do not fit' * (len(rows) > 1)}"

    @cached_property
    def proposed(self) -> ColumnMapping | None:
        """The mapping that results from reading ``toml`` here, or ``None``."""
        if self.toml is None:
            return None
        mapping = mapping_from(self.toml)
        if not self.mapping.whole:
            return mapping
        numbers = [*self.mapping.numbers, *([RELEASE_YEAR] if self.mapping.dated else [])]
        return mapping.only(numbers, text=not self.mapping.optional.issuperset(TEXT_COLUMNS))

    @cached_property
    def toml(self) -> str | None:
        """The lines of a mapping that fits the table except for a few cells, with comments on the names left out.

        ``None`` if the genre or all numbers are not found, or, for a ``whole`` mapping, any number.
        """
        label = self.columns.get(self.mapping.label)
        numbers, left_out = self._numbers()
        date, no_date = self._date()
        if (self.labelled and label is None) or not (numbers or date):
            return None
        if self.mapping.whole and (left_out or no_date):
            return None
        binary = [name for name in self.mapping.binary if name in numbers]
        texts = {name: self.columns[column] for name, column in self.mapping.text.items() if column in self.columns}
        lines = [f"label = {_quoted(label)}"] if label else []
        lines += [f"date = {_quoted(date)}"] if date else []
        lines += [f"binary = [{', '.join(map(_quoted, binary))}]"] if binary != [MODE] * (MODE in numbers) else []
        no_text = dict.fromkeys(
            self.mapping.text.keys() - texts.keys() - self.mapping.optional, f"{_UNKNOWN}; audio features do without it"
        )
        lines += [*_table("text", texts), *_table("numbers", numbers)]
        return "\n".join([*lines, *_comments({**left_out, **no_date, **no_text})])

    def _date(self) -> tuple[str | None, dict[str, str]]:
        """Return the date column if it is a feature and most of its cells are dates, or the reason to leave it out."""
        if not self.mapping.dated:
            return None, {}
        date = self.columns.get(self.mapping.date)
        if date is None:
            return None, {RELEASE_YEAR: _UNKNOWN}
        return (
            (date, {})
            if _mostly(self._dates(date))
            else (None, {RELEASE_YEAR: f"{date!r} holds other cells than dates"})
        )

    def _numbers(self) -> tuple[dict[str, str], dict[str, str]]:
        """Return the numbers by name and the reasons to leave others out.

        The table's own numbers are included if it has few of the wanted ones.
        """
        numbers: dict[str, str] = {}
        left_out: dict[str, str] = {}
        for name, column in self.mapping.numbers.items():
            here = self.columns.get(column)
            if here is not None and _mostly(self._numeric(here, name in self.mapping.binary)):
                numbers[name] = here
            elif here is not None:
                what = "0 and 1" if name in self.mapping.binary else "finite numbers"
                left_out[name] = f"{here!r} holds other cells than {what}"
            else:
                left_out[name] = _UNKNOWN
        if len(numbers) < min(_FEW, len(self.mapping.numbers)) and not self.mapping.whole:
            numbers |= {column: column for column in self._others()}
        return numbers, left_out

    def _others(self) -> list[str]:
        """Return unknown numeric columns, without those that number the rows, name a genre, or are identifiers."""
        label = self.columns.get(self.mapping.label)
        genres = text_cells(self._cells_of(label)) if label else None
        taken = {*self.columns.values(), label, GENRE, RELEASE_YEAR, *ALIASES[LABEL], *ALIASES[RELEASE_DATE]}
        return [
            column
            for column in self._spare
            if not ({column, plain(column)} & taken)
            and column not in (RELEASE_DATE, TRACK_NAME, ALBUM_NAME)
            and not set(words(column)) & NOT_A_TRACKS_OWN
            and _mostly(self._numeric(column, False))
            and not _counts_rows(number_cells(self._cells_of(column)))
            and not (genres is not None and _gives_away(number_cells(self._cells_of(column)), genres))
        ]

    @cached_property
    def _wanted(self) -> dict[str, tuple[str, Callable[[str], np.ndarray]]]:
        """The columns that the mapping names, each with its name here and a function that marks fitting cells."""
        wanted: dict[str, tuple[str, Callable[[str], np.ndarray]]] = {}
        if self.labelled or not self.mapping.whole or self._has(self.mapping.label):
            wanted[self.mapping.label] = (LABEL, self._is_label)
        if self.mapping.dated:
            wanted[self.mapping.date] = (RELEASE_DATE, self._dates)
        for name, column in self.mapping.text.items():
            wanted[column] = (name, self._is_text)
        for name, column in self.mapping.numbers.items():
            wanted[column] = (name, partial(self._numeric, binary=name in self.mapping.binary))
        return wanted

    @cached_property
    def _spare(self) -> list[str]:
        """The columns that a mapping can name and that are not giveaways."""
        names = list(map(str, self.raw.columns))
        return [n for n in names if n and names.count(n) == 1 and n not in GIVEAWAYS and _is_unicode(n)]

    def _has(self, column: str) -> bool:
        return column in self._spare

    def _cells_of(self, column: str) -> pd.Series:
        return self.raw.iloc[:, list(map(str, self.raw.columns)).index(column)]

    def _numeric(self, column: str, binary: bool) -> np.ndarray:
        def fit(cells: pd.Series) -> np.ndarray:
            numbers = number_cells(cells)
            return (numbers.isin([0.0, 1.0]) if binary else np.isfinite(numbers)).to_numpy()

        return self._throughout(column, fit)

    def _dates(self, column: str) -> np.ndarray:
        return self._throughout(column, lambda cells: date_cells(cells).str.fullmatch(DATE).to_numpy(dtype=bool))

    def _is_text(self, column: str) -> np.ndarray:
        return np.full(len(self.raw), unfit(self._cells_of(column)) is None)

    def _throughout(self, column: str, fit: Callable[[pd.Series], np.ndarray]) -> np.ndarray:
        """Mark the cells that fit, and the rows without any content, which do not matter."""
        cells = self._cells_of(column)
        if len(cells) and not fit(cells.head(_FIRST)).any():
            return np.zeros(len(cells), dtype=bool)
        fits = fit(cells)
        return fits if fits.all() else fits | self.empty_rows

    @cached_property
    def empty_rows(self) -> np.ndarray:
        """A mask of the rows that are entirely empty; shape ``(n,)``, bool."""
        return empty_rows(self.raw)

    def _is_label(self, column: str) -> np.ndarray:
        """Mark the cells that fit a genre; the column must have at least ``min_genres`` values, fewer than rows."""
        if unfit(self._cells_of(column)) is not None:
            return np.zeros(len(self.raw), dtype=bool)
        cells = text_cells(self._cells_of(column)).str.strip().to_numpy()
        tells = self.min_genres <= len({*cells} - {""}) < len(self.raw)
        return tells & ((cells != "") | self.empty_rows)


def _mostly(fits: np.ndarray) -> bool:
    """Return whether at least half of the cells fit."""
    return bool(2 * fits.sum() >= len(fits))


def _counts_rows(cells: pd.Series) -> bool:
    steps = cells.to_numpy() - np.arange(len(cells))
    return len(cells) > 1 and len(set(steps[np.isfinite(steps)])) == 1


def _gives_away(cells: pd.Series, genres: pd.Series) -> bool:
    """Return whether a number encodes the genre: few values, each in only one genre."""
    kinds = cells.nunique()
    return 1 < kinds <= max(2, len(cells) // 2) and bool((genres.groupby(cells.to_numpy()).nunique() == 1).all())


def _is_unicode(text: str) -> bool:
    try:
        return bool(text.encode())
    except UnicodeEncodeError:
        return False


def _table(name: str, entries: Mapping[str, str]) -> list[str]:
    """Return a TOML table on one line, so that the message above it stays in sight; no line for an empty table."""
    listed = ", ".join(f"{_key(key)} = {_quoted(column)}" for key, column in entries.items())
    return [f"{name} = {{ {listed} }}"] if entries else []


def _comments(left_out: Mapping[str, str]) -> list[str]:
    """Return one comment line for each reason to leave names out."""
    names: dict[str, list[str]] = {}
    for name, why in left_out.items():
        names.setdefault(_without_own_name(name, why), []).append(name)
    return [_one_line(_comment(sorted(some), why, left_out)) for why, some in names.items()]


def _comment(names: list[str], why: str, left_out: Mapping[str, str]) -> str:
    reason = left_out[names[0]] if len(names) == 1 else why
    return f"# left out: {', '.join(names)}: {reason}"


def _without_own_name(name: str, why: str) -> str:
    """Return a reason that columns of different names share, where each has the name that is wanted."""
    own = f"{name!r} "
    return f"each {why.removeprefix(own)}" if why.startswith(own) else why


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _quoted(name)


def _quoted(text: str) -> str:
    # JSON strings are TOML strings, except for escaped characters beyond the basic plane, and for DEL and the like
    return re.sub("[\x7f-\x9f]", lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))


def _one_line(text: str) -> str:
    """Replace characters that cannot be printed; TOML allows no control characters in comments."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)
