"""Conversion of cells of any type to text, dates and numbers, the same for any file or frame of one table.

The text of a cell is its text in a CSV file of the table; a number is the value of its decimal digits.
"""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pandas as pd

from data.errors import InputError

# R writes a missing name as NA. No other word counts: songs are called "None", "null" and "nan".
_MISSING_WORD = "NA"
DATE = r"(\d{4})(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?)?"
"""A release date: ``YYYY``, ``YYYY-MM`` or ``YYYY-MM-DD``; its group is the year."""
_TIME = r"[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?(?:Z|UTC|[+-]\d{2}(?::?\d{2})?))?"
_WRITTEN_DATE = rf"^(?:(\d{{4}})\.0+|(\d{{4}}-\d{{2}}-\d{{2}}){_TIME})$"
_TRUTHS = {"true": 1.0, "false": 0.0}


def text_cells(cells: pd.Series) -> pd.Series:
    """Return cells as ``str``: a null, an empty cell and the word ``NA`` become ``""``, and nothing else does.

    Raises ``InputError`` for text that UTF-8 cannot hold.
    """
    plain = cells.astype(object)
    try:
        texts = plain.where(cells.notna(), "").map(_text).astype("str")
    except UnicodeEncodeError as error:  # half of a surrogate pair, which UTF-8 cannot hold
        raise InputError(
            f"column {cells.name!r}: expected text that UTF-8 can hold, but found {error.object[:30]!r}: replace such "
            "cells, for example by text.encode(errors='replace').decode()"
        ) from error
    return texts.mask(texts == _MISSING_WORD, "").reset_index(drop=True)


def _text(cell: object) -> str:
    """Return the text of a cell in a CSV file: a date, or a time at midnight, is written without a time."""
    if isinstance(cell, datetime.datetime) and cell.time() == datetime.time.min:
        return cell.date().isoformat()
    return str(cell)


def date_cells(cells: pd.Series) -> pd.Series:
    """Return dates of any type as text, ``YYYY[-MM[-DD]]``; other cells stay unchanged.

    A year may be a whole number of any type (``2021.0``, as in pandas if a year is missing); times are cut off.
    """
    return written_dates(cells).str.replace(_WRITTEN_DATE, r"\1\2", regex=True)


def written_dates(cells: pd.Series) -> pd.Series:
    """Return dates as text; dates that are text already stay as written.

    Used where no year is read from them: they distinguish albums, and fingerprints of older studies contain them.
    """
    if pd.api.types.is_datetime64_any_dtype(cells.dtype):
        return cells.dt.strftime("%Y-%m-%d").fillna("").astype("str").reset_index(drop=True)
    if pd.api.types.is_float_dtype(cells.dtype):
        cells = cells.astype(object).map(lambda year: int(year) if year == year // 1 else year, na_action="ignore")
    return text_cells(cells).str.strip()


def number_cells(cells: pd.Series) -> pd.Series:
    """Return cells as float64: true is 1, false is 0, and anything but a number becomes NaN."""
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
        if isinstance(cell, str) and (truth := _TRUTHS.get(cell.strip().lower())) is not None:
            return truth
        return np.nan if np.ndim(cell) else float(cell)
    except (TypeError, ValueError, OverflowError):
        return np.nan
