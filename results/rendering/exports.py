"""Export of dataframes: CSV, Parquet or JSON files, and tables in Markdown and HTML."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.errors import InputError, did_you_mean
from data.files import user_path, write_atomically

_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
"""Text that a spreadsheet reads as a number: it may begin like a formula but is none."""
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Characters that begin a formula; the last four are full-width forms, which some spreadsheets treat alike."""


def write_table(frame: pd.DataFrame, path: Path) -> Path:
    """Write a dataframe, without its index, in the format of the suffix: ``.csv``, ``.parquet`` or ``.json``.

    The file appears whole or not at all; missing parent folders are made. In CSV, a text cell or a column
    name that a spreadsheet would run as a formula gets a leading apostrophe; numbers stay as they are.
    JSON is a list of records.

    Raises ``InputError`` for another suffix, or where the file cannot be written.
    """
    return write_file(path, _writer(path)(frame))


def check_suffix(path: Path) -> None:
    """Raise ``InputError`` where `write_table` does not know the suffix; call it before long work."""
    _writer(path)


def check_page(path: Path) -> None:
    """Raise ``InputError`` where a page of figures would be named like another kind of file."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"{path}: figures are written as a page, so the name must end in .html")


def write_file(path: Path, content: bytes) -> Path:
    """Write a file whole or not at all; ``InputError`` where the place cannot be written to."""
    path = user_path(path)
    if (file := next((folder for folder in path.parents if folder.is_file()), None)) is not None:
        raise InputError(f"cannot write {path}: {file} is a file, not a folder; give another name")
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a directory; give the name of a file")
    try:
        write_atomically(path, content)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    return path


def markdown_table(frame: pd.DataFrame, decimals: int = 2) -> str:
    """Return a dataframe, without its index, as a Markdown table; user text cannot break out of its cell."""
    numeric = [pd.api.types.is_numeric_dtype(dtype) for dtype in frame.dtypes]
    rules = ["---:" if number else "---" for number in numeric]
    rows = [[_markdown_cell(cell, decimals) for cell in row] for row in frame.itertuples(index=False, name=None)]
    header = [_markdown_cell(str(name), decimals) for name in frame.columns]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (header, rules, *rows))


def html_table(frame: pd.DataFrame, decimals: int = 2) -> str:
    """Return a dataframe, without its index, as an HTML table; user text is escaped."""

    def number(value: float) -> str:
        return plain_number(value, decimals)

    return str(frame.to_html(index=False, border=0, justify="left", float_format=number, na_rep="–"))


def plain_number(value: float, decimals: int = 2) -> str:
    """Return a number as text for people: whole numbers without decimals, ``–`` for a missing one."""
    if pd.isna(value):
        return "–"
    # a median of 0.695 is stored a little below it, and would be printed as 0.69
    return f"{value:,}" if isinstance(value, int) else f"{np.round(value, decimals):,.{decimals}f}"


def _markdown_cell(cell: object, decimals: int) -> str:
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        text = html.escape(" ".join(str(cell).split()), quote=False)
        return "".join(f"\\{letter}" if letter in "\\|`*_[]" else letter for letter in text)
    return plain_number(cell, decimals)


def _writer(path: Path) -> Callable[[pd.DataFrame], bytes]:
    suffix = path.suffix.lower()
    if suffix not in _WRITERS:
        raise InputError(
            f"{path}: a table is written as {', '.join(_WRITERS)}, "
            f"but the name ends in {path.suffix or 'none of them'}{did_you_mean(suffix, _WRITERS)}"
        )
    return _WRITERS[suffix]


def _csv(frame: pd.DataFrame) -> bytes:
    safe = pd.DataFrame({position: _safe_cells(frame.iloc[:, position]) for position in range(frame.shape[1])})
    safe.columns = pd.Index([_safe_cell(str(name)) for name in frame.columns], dtype=object)
    # a lone carriage return within a title splits its row unless every text is quoted
    text = safe.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    return text.encode("utf-8", "surrogatepass")


def _safe_cells(cells: pd.Series) -> pd.Series:
    if pd.api.types.is_numeric_dtype(cells.dtype) or pd.api.types.is_datetime64_any_dtype(cells.dtype):
        return cells
    return cells.astype(object).map(_safe_cell)


def _safe_cell(cell: object) -> object:
    runs = isinstance(cell, str) and cell.startswith(_FORMULA_STARTS) and not _NUMBER.fullmatch(cell)
    return f"'{cell}" if runs else cell


def _parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def records_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a dataframe as plain values of JSON; ``None`` where there is no value."""
    rows: list[dict[str, Any]] = json.loads(_json(frame))
    return rows


def _json(frame: pd.DataFrame) -> bytes:
    try:
        return _records(frame)
    except (ValueError, TypeError, OverflowError):  # bytes that are no UTF-8, and whatever else JSON cannot hold
        cells = [_json_cells(frame.iloc[:, position]) for position in range(frame.shape[1])]
        return _records(pd.concat(cells, axis=1))


def _records(frame: pd.DataFrame) -> bytes:
    text = frame.to_json(orient="records", force_ascii=False, double_precision=15, indent=2)
    return f"{text}\n".encode()


def _json_cells(cells: pd.Series) -> pd.Series:
    """Return the cells unchanged where JSON can hold them, else as in CSV."""
    try:
        _records(cells.to_frame())
    except (ValueError, TypeError, OverflowError):
        return cells.astype(object).map(_json_text)
    return cells


def _json_text(cell: object) -> str | None:
    return None if cell is None or cell is pd.NA else str(cell).encode(errors="backslashreplace").decode()


_WRITERS: dict[str, Callable[[pd.DataFrame], bytes]] = {".csv": _csv, ".parquet": _parquet, ".json": _json}
