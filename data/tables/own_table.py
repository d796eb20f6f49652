"""Tables given as a DataFrame: a study stores the part that it reads, so that it can be resumed."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from data.tables.columns import GENRE, RELEASE_DATE, ColumnMapping

if TYPE_CHECKING:
    from data.tables.tracks import Tracks

OWN_FOLDER = "tables"
OWN_FILE = f"{OWN_FOLDER}/tracks.parquet"
"""The path of the table in the study's directory."""
OWN_TABLE = f"study:{OWN_FILE}"
"""The value of ``--data`` in the settings of a study that stores its own table."""


def own_table(tracks: Tracks, mapping: ColumnMapping) -> bytes:
    """Return a checked table as Parquet, with the column names that ``mapping`` expects.

    Reading it with the same mapping gives the same rows, and so the same fingerprint.
    """
    import pandas as pd

    names = {**mapping.text, RELEASE_DATE: mapping.date, **mapping.numbers, GENRE: mapping.label}
    found = {column: tracks.frame[name] for name, column in names.items() if name in tracks.frame.columns}
    buffer = io.BytesIO()
    pd.DataFrame(found).to_parquet(buffer, index=False)
    return buffer.getvalue()
