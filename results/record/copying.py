"""``RecordCopy``: whole copies of a study's database, taken while its driver writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from results.record.database import connect


class RecordCopy:
    """A connection of its own to a study's database, through which it is copied whenever it has changed."""

    def __init__(self, directory: Path) -> None:
        self._connection = connect(directory, read_only=True)
        self._version = -1

    @contextmanager
    def if_changed(self) -> Iterator[bytes | None]:
        """Run the body with the database's content; with ``None`` where nothing was committed since the last time.

        It counts as copied once the body has ended without an error. Raises ``OSError`` where it cannot be read.
        """
        try:
            version = self._connection.execute("PRAGMA data_version").fetchone()[0]
            content = self._content() if version != self._version else None
        except sqlite3.Error as error:
            raise OSError(str(error)) from error
        yield content
        self._version = version

    def _content(self) -> bytes:
        with closing(sqlite3.connect(":memory:")) as memory:
            self._connection.backup(memory)
            return memory.serialize()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
