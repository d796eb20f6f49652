"""Columns that are not text, numbers or dates: bytes, nested values, and cells that could not be read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

_BYTES = (bytes, bytearray, memoryview)
_NESTED = {dict: "structs", **dict.fromkeys((list, tuple, set, frozenset, np.ndarray), "lists")}


@dataclass(frozen=True)
class Unreadable:
    """A cell of a column that could not be read, with the reason; it matters only if the column is needed."""

    why: str


def readable(convert: Callable[[], pd.Series], rows: int) -> pd.Series:
    """Return the cells from ``convert``, or, if it fails, ``rows`` cells with the reason."""
    try:
        return convert()
    except Exception as error:  # dates out of range, unknown time zones, invalid text: readers may raise anything
        cells = np.empty(rows, dtype=object)
        cells[:] = [Unreadable(str(error).strip() or type(error).__name__)] * rows
        return pd.Series(cells)


def decoded(cells: pd.Series) -> pd.Series:
    """Return cells with their bytes as text if all of them are UTF-8, else unchanged.

    A column of bytes is a string in Parquet only if the writer annotated it (``LogicalType`` String, or
    ``ConvertedType`` UTF8; apache/parquet-format, ``LogicalTypes.md``). Older Spark, Hive and Impala did not: pyarrow
    26.0.1 then reads ``binary`` and pandas 3.1.1 has cells of ``bytes``, whose ``str`` is ``b'edm'``. Texts of a fixed
    size end in NUL bytes.
    """
    if not _may_hold(cells.dtype, "binary"):
        return cells
    plain = cells.astype(object)
    if not plain.map(lambda cell: isinstance(cell, _BYTES)).any():
        return cells
    try:
        return plain.map(lambda cell: bytes(cell).decode().rstrip("\0") if isinstance(cell, _BYTES) else cell)
    except UnicodeDecodeError:
        return plain


def _may_hold(dtype: Any, *kinds: str) -> bool:
    """Return whether a dtype can hold these Arrow types; cells of numbers, dates and texts need no check."""
    if isinstance(dtype, pd.CategoricalDtype):
        return _may_hold(dtype.categories.dtype, *kinds)
    if isinstance(dtype, pd.ArrowDtype):
        return any(kind in str(dtype.pyarrow_dtype) for kind in kinds)
    return (dtype.kind == "O" and not isinstance(dtype, pd.StringDtype)) or dtype.kind == "S"


def unfit(cells: pd.Series, what: str = "value") -> str | None:
    """Return why a column cannot be used, and the remedy; ``None`` if its cells are plain values.

    ``what`` is the value wanted from each row: a genre, a title.
    """
    if not _may_hold(cells.dtype, "binary", "list", "struct", "map"):
        return None
    found = cells.tolist()
    for row, cell in enumerate(found):
        if isinstance(cell, Unreadable):
            return f"cannot be read ({cell.why}): save it as text"
        if (nested := _NESTED.get(type(cell))) is not None:
            return f"holds {nested} (row {row + 1}: {shown(cell)}): choose one {what} a row"
        if isinstance(cell, _BYTES):
            return (
                f"is of the type binary and holds other bytes than UTF-8 text (row {row + 1}: {shown(cell)}): "
                "save it as text"
            )
    return None


def shown(value: object) -> str:
    """Return a cell as text for a message: ``empty``, or in quotes and shortened."""
    if not isinstance(value, (*_NESTED,)) and (value is None or pd.isna(value) or value == ""):  # type: ignore[call-overload]
        return "empty"
    text = str(value.tolist() if isinstance(value, np.ndarray) else value)
    return repr(text if len(text) <= 30 else text[:27] + "...")


def empty_rows(table: pd.DataFrame) -> np.ndarray:
    """Return a mask of the rows of a table that are empty in every column; shape ``(n,)``, bool."""
    empty = np.full(len(table), table.shape[1] > 0)
    for place in range(table.shape[1]):
        empty[empty] = [_is_nothing(cell) for cell in table.iloc[:, place][empty].tolist()]
    return empty


def _is_nothing(cell: object) -> bool:
    return shown(cell) == "empty" or (isinstance(cell, str) and cell.strip() in ("", "NA"))
