"""A table that no file holds: a DataFrame, of which a study keeps what it reads, so that it can be resumed."""

from __future__ import annotations

import io

import pandas as pd

from data.tables.columns import GENRE, RELEASE_DATE, ColumnMapping
from data.tables.tracks import Tracks

OWN_FOLDER = "tables"
OWN_FILE = f"{OWN_FOLDER}/tracks.parquet"
"""Where the table lies in the study's directory."""
OWN_TABLE = f"study:{OWN_FILE}"
"""Stands for ``--data`` in the settings of a study that keeps its table itself."""


def own_table(tracks: Tracks, mapping: ColumnMapping) -> bytes:
    """Return a checked table as Parquet, its columns under the names that ``mapping`` reads them by.

    Read with the same mapping it gives the same rows: the same fingerprint.
    """
    names = {**mapping.text, RELEASE_DATE: mapping.date, **mapping.numbers, GENRE: mapping.label}
    found = {column: tracks.frame[name] for name, column in names.items() if name in tracks.frame.columns}
    buffer = io.BytesIO()
    pd.DataFrame(found).to_parquet(buffer, index=False)
    return buffer.getvalue()
