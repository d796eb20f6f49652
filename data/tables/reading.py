"""Reading of files and DataFrames to a raw frame: Parquet, comma- or tab-separated, recognised by content."""

from __future__ import annotations

import codecs
import csv
import io
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from data.errors import InputError, did_you_mean
from data.files import read_regular
from data.tables.unfit import decoded, readable

if TYPE_CHECKING:
    import pyarrow

READABLE = "expected a comma- or tab-separated file in UTF-8, or a Parquet file"
_SIGNATURES = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\x1f\x8b": "gzip-compressed",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"SQLite format 3": "an SQLite database",
    b"%PDF": "a PDF",
    b"\x28\xb5\x2f\xfd": "zstd-compressed",
    b"BZh": "bzip2-compressed",
}
# the mark of UTF-32 begins like that of UTF-16
_MARKS = {(b"\xff\xfe\0\0", b"\0\0\xfe\xff"): "UTF-32", (b"\xff\xfe", b"\xfe\xff"): "UTF-16"}
_OTHER_SEPARATORS = {";": "semicolons", "|": "'|'"}


def read_table(path: Path) -> pd.DataFrame:
    """Read a table unchanged: text cells for CSV and TSV (nothing counts as missing yet), Parquet's types.

    Column names may repeat in the result; the check of the mapped columns reports that.

    Raises:
        InputError: no such file, a directory, empty, binary, not UTF-8, or no table.
    """
    content = _read_bytes(path)
    if content.startswith(b"PAR1"):
        return _read_parquet(path)
    _refuse_binary(path, content)
    return _read_text(path, content)


def _read_bytes(path: Path) -> bytes:
    if path.is_dir():
        raise InputError(f"{path} is a directory; {READABLE}")
    try:
        content = read_regular(path)
    except FileNotFoundError as error:
        siblings = [p.name for p in path.parent.iterdir() if p.is_file()] if path.parent.is_dir() else []
        hint = did_you_mean(path.name, [*siblings, "spotify", "synthetic"])
        raise InputError(f"no such file: {path}{hint}; a table is a path, 'spotify' or 'synthetic[:ROWS]'") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    if not content.removeprefix(codecs.BOM_UTF8).strip():
        raise InputError(f"{path} is empty; {READABLE}")
    return content


def plain_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a DataFrame as it would be in a Parquet file; the user's frame is not changed.

    The index is 0..n-1 and its named levels become columns, as pandas writes them; column names are ``str``; bytes
    that are UTF-8 become text.
    """
    levels = [n for n, name in enumerate(frame.index.names) if name is not None and name not in frame.columns]
    named = [frame.index.names[level] for level in levels]
    columns = [frame.index.get_level_values(level).to_series() for level in levels]
    columns += [frame.iloc[:, place] for place in range(frame.shape[1])]
    names = [str(name) for name in (*named, *frame.columns)]
    return _frame([readable(partial(_plain_cells, cells), len(frame)) for cells in columns], names)


def _plain_cells(cells: pd.Series) -> pd.Series:
    cells = decoded(cells.reset_index(drop=True))
    if isinstance(cells.dtype, pd.ArrowDtype) and cells.dtype.kind == "M":
        cells.tolist()  # pandas notices a date out of range only when it is read
    return cells


def _frame(columns: list[pd.Series], names: list[str]) -> pd.DataFrame:
    """Join columns side by side in a frame; names may repeat."""
    frame = pd.concat(columns, axis=1) if columns else pd.DataFrame()
    frame.columns = pd.Index(names, dtype=object)
    return frame


def _read_parquet(path: Path) -> pd.DataFrame:
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.ParquetFile(path).read()
    except Exception as error:  # a damaged file may make the readers raise anything
        raise InputError(f"{path} begins like Parquet but cannot be read as such: {error}") from error
    columns = [readable(partial(_parquet_cells, column), table.num_rows) for column in table.columns]
    return _frame(columns, table.column_names)


def _parquet_cells(column: pyarrow.ChunkedArray) -> pd.Series:
    """Return a column's cells with integers as integers and text as text.

    pyarrow 26.0.1 converts integers to floats if one is null (2021 to 2021.0, and above 2**53 to another number)
    unless ``integer_object_nulls`` is set (``ChunkedArray.to_pandas``).
    """
    column.validate(full=True)  # text that is not UTF-8 would raise only when it is read
    return decoded(column.to_pandas(integer_object_nulls=True))


def _refuse_binary(path: Path, content: bytes) -> None:
    for signature, what in _SIGNATURES.items():
        if content.startswith(signature):
            raise InputError(f"{path} is {what}; {READABLE}: unpack or export it first")
    for marks, encoding in _MARKS.items():
        if content.startswith(marks):
            raise InputError(f"{path} is {encoding} text; {READABLE}: save it as UTF-8")
    if b"\x00" in content:
        raise InputError(f"{path} is a binary file; {READABLE}")
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path} is not UTF-8: byte 0x{content[error.start]:02x} in line {line}; {READABLE}: "
            "save it as UTF-8 (it may be Latin-1 or Windows-1252 now)"
        ) from error


def _refuse_json(path: Path, content: bytes) -> None:
    """Raise ``InputError`` for JSON: a list of rows, rows of lists, columns by name, or one row per line."""
    if re.match(rb"(?:\xef\xbb\xbf)?\s*(?:\{\s*\"|\[\s*[{\[])", content):
        raise InputError(
            f"{path} is JSON; {READABLE}: export it as one of these, in pandas by read_json(FILE).to_parquet(...), "
            "with lines=True where every line is a row"
        )


def _read_text(path: Path, content: bytes) -> pd.DataFrame:
    _refuse_json(path, content)
    separator, names = _header(path, content)
    try:
        frame = pd.read_csv(
            io.BytesIO(content),
            sep=separator,
            dtype=str,
            na_filter=False,
            encoding="utf-8-sig",
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        raise InputError(f"{path} is no well-formed table: {str(error).strip()}") from error
    if not isinstance(frame.index, pd.RangeIndex) or len(frame.columns) != len(names):
        raise InputError(f"{path}: rows have more fields than the {len(names)} of the header")
    frame.columns = pd.Index(names, dtype=object)
    return frame


def _header(path: Path, content: bytes) -> tuple[str, list[str]]:
    """Return the separator and the true column names (pandas would rename repeated ones)."""
    text = content.decode("utf-8-sig").lstrip("\r\n")
    first_line = text.splitlines()[0]
    separator = "\t" if first_line.count("\t") >= first_line.count(",") and "\t" in first_line else ","
    try:
        names = next(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    except csv.Error as error:
        raise InputError(f"{path}: the header cannot be read: {error}") from error
    other = next((what for mark, what in _OTHER_SEPARATORS.items() if mark in first_line), None)
    if len(names) == 1 and other:
        raise InputError(f"{path} seems to be separated by {other}; {READABLE}: save it with commas or tabs instead")
    return separator, names
