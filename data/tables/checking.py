"""Conversion of a raw frame to the canonical one, with all mistakes of the table in one message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from data.errors import InputError
from data.tables.cells import DATE, date_cells, number_cells, text_cells, written_dates
from data.tables.columns import ALBUM_NAME, GENRE, RELEASE_DATE, RELEASE_YEAR, TEXT_COLUMNS, ColumnMapping
from data.tables.genres import a_few
from data.tables.proposals import Proposal
from data.tables.unfit import shown, unfit

SHOWN = 3
LISTED = 40
WIDTH = 600
"""The length, in letters, of a line that the command line still shows whole."""


@dataclass(frozen=True, kw_only=True)
class CheckedTable:
    """A canonical frame and the roles of its columns."""

    frame: pd.DataFrame
    text_columns: tuple[str, ...]
    number_columns: tuple[str, ...]
    binary_columns: tuple[str, ...]
    warnings: tuple[str, ...]


def check_table(
    raw: pd.DataFrame, mapping: ColumnMapping, *, source: str, require_genre: bool, min_genres: int
) -> CheckedTable:
    """Type and check the mapped columns of ``raw``; rows keep their order.

    Raises:
        InputError: with all mistakes, and the first wrong rows (1 is the first row of data). If columns are missing
            and a mapping can name them, its lines are a note of the error, which lists the mistakes that remain.
    """
    check = _Check(raw.reset_index(drop=True), mapping, require_genre, min_genres)
    if not len(raw):
        check.problems.append("the table has a header and no rows")
    columns = check.columns()
    if check.problems:
        raise check.error(source)
    binary = tuple(name for name in mapping.binary if name in columns)
    skipped = {*mapping.text, RELEASE_DATE, GENRE, *binary}
    return CheckedTable(
        frame=pd.DataFrame(columns),
        text_columns=tuple(name for name in TEXT_COLUMNS if name in columns),
        number_columns=tuple(name for name in columns if name not in skipped),
        binary_columns=binary,
        warnings=tuple(check.warnings),
    )


class _Check:
    """A check of one table that collects problems and warnings instead of stopping at the first."""

    def __init__(self, raw: pd.DataFrame, mapping: ColumnMapping, require_genre: bool, min_genres: int) -> None:
        self.raw, self.mapping, self.require_genre, self.min_genres = raw, mapping, require_genre, min_genres
        self.found = [str(name) for name in raw.columns]
        self.problems: list[str] = []
        self.warnings: list[str] = []
        self.missing: list[str] = []
        self.unfit: set[str] = set()
        self.empty = np.zeros(len(raw), dtype=bool)

    def columns(self) -> dict[str, pd.Series]:
        self._check_names()
        self._check_types()
        result = {name: text_cells(self.raw[c]) for name, c in self._present(self.mapping.text)}
        self._warn_of_blanks(result)
        dates = self._dates()
        if dates is not None:
            result[RELEASE_DATE] = dates
        numbers = {name: self._number(name, c) for name, c in self._present(self.mapping.numbers)}
        result |= {name: cells for name, cells in numbers.items() if name not in self.mapping.binary}
        if dates is not None and self.mapping.dated:
            result[RELEASE_YEAR] = self._years(dates)
        for name in (name for name in self.mapping.binary if name in numbers):
            self._check_binary(name, numbers[name])
            result[name] = numbers[name]
        if self.found.count(self.mapping.label) == 1:
            result[GENRE] = self._genres()
        if self.empty.any():
            rows = a_few(str(row + 1) for row in np.flatnonzero(self.empty))
            rows_are, them = (f"row {rows} is", "it") if self.empty.sum() == 1 else (f"rows {rows} are", "them")
            self.problems.insert(bool(self.missing), f"{rows_are} empty: leave {them} out")
        return result

    def _present(self, names: Mapping[str, str]) -> list[tuple[str, str]]:
        return [(name, column) for name, column in names.items() if self.found.count(column) == 1]

    def _check_names(self) -> None:
        repeated = [name for name, count in Counter(self.found).items() if count > 1 and name]
        if repeated:
            self.problems.append(f"columns stand twice in the header: {', '.join(map(repr, repeated))}")
        texts = [column for name, column in self.mapping.text.items() if name not in self.mapping.optional]
        wanted = [*texts, *self.mapping.numbers.values(), *([self.mapping.label] if self.require_genre else [])]
        dates = [self.mapping.date] if self.mapping.dated and RELEASE_DATE not in self.mapping.optional else []
        self.missing = [name for name in dict.fromkeys([*wanted, *dates]) if name not in self.found]
        if self.missing:
            # first, so that this line is not cut off, however many other problems there are
            self.problems.insert(0, self._missing_columns())

    def _missing_columns(self) -> str:
        named = [f"{name!r}{' (date)' * (name == self.mapping.date)}" for name in self.missing]
        hints = [self._proposal.hint(name) for name in self.missing]
        if len(named) == 1:
            return f"column {named[0]} is missing{hints[0]}"
        listed = ", ".join(name + hint for name, hint in zip(named, hints, strict=True))
        return f"{len(named)} columns are missing: {listed if len(listed) <= WIDTH else ', '.join(named)}"

    @cached_property
    def _proposal(self) -> Proposal:
        return Proposal(self.raw, self.mapping, self.require_genre, self.min_genres if self.require_genre else 1)

    def _check_types(self) -> None:
        """Report bytes that are not text, and nested cells, in the columns that are read; others are ignored."""
        wanted = dict.fromkeys(self.mapping.numbers.values(), "number")
        wanted |= {column: "album" if name == ALBUM_NAME else "title" for name, column in self.mapping.text.items()}
        wanted |= {self.mapping.date: "date", self.mapping.label: "genre"}
        for column, what in wanted.items():
            if self.found.count(column) == 1 and (why := unfit(self.raw[column], what)) is not None:
                self.unfit.add(column)
                self.problems.append(f"column {column!r} {why}")

    def error(self, source: str) -> InputError:
        """Return the error with all problems, and for missing columns a mapping to save, if one can be proposed."""
        proposed = self._proposal.proposed if self.missing else None
        remaining = self._remaining(proposed) if proposed else []
        text = f"{source} cannot be used:\n{_listed(p for p in self.problems if p not in remaining)}"
        if not self.missing:
            return InputError(text.rstrip())
        more = f" and {len(self.found) - LISTED} more" if len(self.found) > LISTED else ""
        text += f"found: {', '.join(self.found[:LISTED])}{more}\n"
        if proposed:
            return self._proposing(text, remaining)
        return InputError(
            f"{text}a mapping file (TOML: label, date, [text], [numbers]) can name other columns; "
            "give it with --mapping FILE.toml"
        )

    def _proposing(self, text: str, remaining: list[str]) -> InputError:
        """Return the error with the mapping's lines as a note; it says that they fit only if nothing else is wrong."""
        fits = "names its columns: mend those cells, " if remaining else "would fit it: "
        still = f"with this mapping, still:\n{_listed(remaining)}" if remaining else ""
        error = InputError(
            f"{text}{still}a mapping file with the lines below {fits}save them as a file, such as mapping.toml, and "
            "give it with --mapping mapping.toml"
        )
        error.add_note(str(self._proposal.toml))
        return error

    def _remaining(self, proposed: ColumnMapping) -> list[str]:
        """Return the problems that remain under the proposed mapping."""
        check = _Check(self.raw, proposed, self.require_genre, self.min_genres)
        check.columns()
        return check.problems

    def _warn_of_blanks(self, texts: dict[str, pd.Series]) -> None:
        for name, cells in texts.items():
            blank = int((cells == "").sum())
            if blank:
                self.warnings.append(f"{blank} of {len(cells)} rows have no {name}; it counts as empty text")

    def _dates(self) -> pd.Series | None:
        column = self.mapping.date
        if self.found.count(column) == 1:
            return date_cells(self.raw[column]) if self.mapping.dated else written_dates(self.raw[column])
        if column not in self.found and self.mapping.dated and RELEASE_DATE in self.mapping.optional:
            hint = self._proposal.hint(column)
            self.warnings.append(f"no column {column!r}{hint}: the feature {RELEASE_YEAR} is left out")
        return None

    def _years(self, dates: pd.Series) -> pd.Series:
        years = dates.str.extract(f"^{DATE}$", expand=False)
        self._report(self.mapping.date, years.isna(), dates, "no date (YYYY, YYYY-MM or YYYY-MM-DD)")
        return years.astype("float64")

    def _number(self, name: str, column: str) -> pd.Series:
        cells = number_cells(self.raw[column])
        self._report(column, ~np.isfinite(cells), self.raw[column], "no finite number")
        return cells

    def _check_binary(self, name: str, cells: pd.Series) -> None:
        wrong = np.isfinite(cells) & ~cells.isin([0.0, 1.0])
        self._report(self.mapping.numbers[name], wrong, self.raw[self.mapping.numbers[name]], "neither 0 nor 1")

    def _genres(self) -> pd.Series:
        cells = text_cells(self.raw[self.mapping.label]).str.strip()
        if not self.require_genre or self.mapping.label in self.unfit:
            return cells
        self._report(self.mapping.label, cells == "", cells, "no genre")
        names = sorted(set(cells) - {""})
        if names and len(names) < self.min_genres:
            self.problems.append(
                f"column {self.mapping.label!r} holds {len(names)} genre ({', '.join(map(repr, names))}), "
                f"at least {self.min_genres} are needed"
            )
        return cells

    def _report(self, column: str, wrong: pd.Series, cells: pd.Series, what: str) -> None:
        if column in self.unfit or not wrong.any():
            return
        self.empty = self._proposal.empty_rows
        rows = np.flatnonzero(wrong.to_numpy() & ~self.empty)
        if not len(rows):
            return
        listed = ", ".join(f"row {row + 1}: {shown(cells.iloc[row])}" for row in rows[:SHOWN])
        more = ", ..." if len(rows) > SHOWN else ""
        self.problems.append(f"column {column!r}: {len(rows)} of {len(cells)} cells are {what} ({listed}{more})")


def _listed(problems: Iterable[str]) -> str:
    return "".join(f"  - {problem}\n" for problem in problems)
