"""From a raw frame to the canonical one: every cell typed, every mistake of the table in one message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from data.columns import (
    GENRE,
    RELEASE_DATE,
    RELEASE_YEAR,
    TEXT_COLUMNS,
    ColumnMapping,
    known_alias,
    suggested_mapping,
    unused,
)
from data.errors import InputError, did_you_mean

SHOWN = 3
LISTED = 40
_DATE = r"(\d{4})(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?)?"
# R writes a missing name as NA. No other word counts: songs are called "None", "null" and "nan".
_MISSING_WORD = "NA"


@dataclass(frozen=True, kw_only=True)
class CheckedTable:
    """A canonical frame and what its columns are."""

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
        InputError: with all that is wrong, and the first offending rows (1 is the first row of data).
    """
    check = _Check(raw.reset_index(drop=True), mapping, require_genre)
    if not len(raw):
        check.problems.append("the table has a header and no rows")
    columns = check.columns(min_genres)
    if check.problems:
        lines = "\n".join(f"  - {problem}" for problem in check.problems)
        raise InputError(f"{source} cannot be used:\n{lines}{check.advice()}")
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
    """One table under examination; gathers problems and warnings instead of stopping at the first."""

    def __init__(self, raw: pd.DataFrame, mapping: ColumnMapping, require_genre: bool) -> None:
        self.raw, self.mapping, self.require_genre = raw, mapping, require_genre
        self.found = [str(name) for name in raw.columns]
        self.problems: list[str] = []
        self.warnings: list[str] = []
        self.missing: list[str] = []

    def columns(self, min_genres: int) -> dict[str, pd.Series]:
        self._check_names()
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
            result[GENRE] = self._genres(min_genres)
        return result

    def _present(self, names: Mapping[str, str]) -> list[tuple[str, str]]:
        return [(name, column) for name, column in names.items() if self.found.count(column) == 1]

    def _check_names(self) -> None:
        repeated = [name for name, count in Counter(self.found).items() if count > 1 and name]
        if repeated:
            self.problems.append(f"columns stand twice in the header: {', '.join(map(repr, repeated))}")
        texts = [column for name, column in self.mapping.text.items() if name not in self.mapping.optional]
        wanted = [*texts, *self.mapping.numbers.values(), *([self.mapping.label] if self.require_genre else [])]
        self.missing = [name for name in dict.fromkeys(wanted) if name not in self.found]
        for name in self.missing:
            self.problems.append(f"column {name!r} is missing{self._hint(name)}")

    def _hint(self, name: str) -> str:
        spare = unused(self.mapping, self.found)
        alias = known_alias(name, spare)
        return f" (is it {alias!r} here?)" if alias else did_you_mean(name, spare)

    def advice(self) -> str:
        """What to do about missing columns: a mapping to paste where one would fit."""
        if not self.missing:
            return ""
        more = f" and {len(self.found) - LISTED} more" if len(self.found) > LISTED else ""
        text = f"\nfound: {', '.join(self.found[:LISTED])}{more}"
        suggestion = suggested_mapping(self.mapping, self.found, labelled=self.require_genre)
        if suggestion:
            return f"{text}\na mapping file with these lines would fit it:\n{suggestion}"
        return f"{text}\na mapping file (TOML: label, date, [text], [numbers]) can name other columns"

    def _warn_of_blanks(self, texts: dict[str, pd.Series]) -> None:
        for name, cells in texts.items():
            blank = int((cells == "").sum())
            if blank:
                self.warnings.append(f"{blank} of {len(cells)} rows have no {name}; it counts as empty text")

    def _dates(self) -> pd.Series | None:
        column = self.mapping.date
        if self.found.count(column) == 1:
            return date_cells(self.raw[column])
        if column not in self.found and self.mapping.dated:
            if RELEASE_DATE not in self.mapping.optional:
                self.problems.append(f"column {column!r} (date) is missing{self._hint(column)}")
                self.missing.append(column)
            else:
                self.warnings.append(f"no column {column!r}: the feature {RELEASE_YEAR} is left out")
        return None

    def _years(self, dates: pd.Series) -> pd.Series:
        years = dates.str.extract(f"^{_DATE}$", expand=False)
        self._report(self.mapping.date, years.isna(), dates, "no date (YYYY, YYYY-MM or YYYY-MM-DD)")
        return years.astype("float64")

    def _number(self, name: str, column: str) -> pd.Series:
        cells = number_cells(self.raw[column])
        self._report(column, ~np.isfinite(cells), self.raw[column], "no finite number")
        return cells

    def _check_binary(self, name: str, cells: pd.Series) -> None:
        wrong = np.isfinite(cells) & ~cells.isin([0.0, 1.0])
        self._report(self.mapping.numbers[name], wrong, self.raw[self.mapping.numbers[name]], "neither 0 nor 1")

    def _genres(self, min_genres: int) -> pd.Series:
        cells = text_cells(self.raw[self.mapping.label]).str.strip()
        if not self.require_genre:
            return cells
        self._report(self.mapping.label, cells == "", cells, "no genre")
        names = sorted(set(cells) - {""})
        if names and len(names) < min_genres:
            self.problems.append(
                f"column {self.mapping.label!r} holds {len(names)} genre ({', '.join(map(repr, names))}), "
                f"at least {min_genres} are needed"
            )
        return cells

    def _report(self, column: str, wrong: pd.Series, cells: pd.Series, what: str) -> None:
        rows = np.flatnonzero(wrong.to_numpy())
        if not len(rows):
            return
        shown = ", ".join(f"row {row + 1}: {_shown(cells.iloc[row])}" for row in rows[:SHOWN])
        more = ", ..." if len(rows) > SHOWN else ""
        self.problems.append(f"column {column!r}: {len(rows)} of {len(cells)} cells are {what} ({shown}{more})")


def _shown(value: object) -> str:
    if value is None or value is pd.NA or value == "" or (isinstance(value, float) and np.isnan(value)):
        return "empty"
    text = str(value)
    return repr(text if len(text) <= 30 else text[:27] + "...")


def text_cells(cells: pd.Series) -> pd.Series:
    """Cells as ``str``; a null, an empty cell and the word ``NA`` become ``""``, and nothing else does."""
    texts = cells.astype(object).where(cells.notna(), "").map(str).astype("str")
    return texts.mask(texts == _MISSING_WORD, "").reset_index(drop=True)


def date_cells(cells: pd.Series) -> pd.Series:
    """Dates as text, ``YYYY[-MM[-DD]]``, whatever type the file gave them."""
    if pd.api.types.is_datetime64_any_dtype(cells.dtype):
        return cells.dt.strftime("%Y-%m-%d").fillna("").astype("str").reset_index(drop=True)
    if pd.api.types.is_float_dtype(cells.dtype):
        cells = cells.astype(object).map(lambda year: int(year) if np.isfinite(year) and year == int(year) else year)
    return text_cells(cells).str.strip()


def number_cells(cells: pd.Series) -> pd.Series:
    """Cells as float64; what is no number becomes NaN."""
    if pd.api.types.is_numeric_dtype(cells.dtype):
        values = cells.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        values = _parsed(cells.tolist())
    return pd.Series(values, dtype="float64")


def _parsed(cells: list[object]) -> np.ndarray:
    # numpy reads decimals exactly, so that CSV and Parquet give the same doubles
    try:
        values = np.asarray(cells, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        values = np.empty(0)
    # Parquet's lists become arrays, which numpy would stack
    return values if values.shape == (len(cells),) else np.array([_number_or_nan(cell) for cell in cells], np.float64)


def _number_or_nan(cell: Any) -> float:
    try:
        return np.nan if np.ndim(cell) else float(cell)
    except (TypeError, ValueError, OverflowError):
        return np.nan
