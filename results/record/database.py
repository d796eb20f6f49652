"""Safe opening of a study's directory, which may be in use, damaged, on a read-only disk, or made by an attacker."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import Any

from data.errors import InputError, command
from results.record.schema import misfits

_RESTORE = "Restore it from a copy, or begin the study anew"
_NAMES_ANOTHER = bytes.fromhex("d9d505f920a163d7")
"""The bytes that end a rollback journal naming a further file, which SQLite would delete."""


def connect(directory: Path, *, read_only: bool) -> sqlite3.Connection:
    """Connect to the study's database, after checking that it is whole and holds nothing that runs by itself.

    Raises ``InputError`` where it is missing, damaged or not a study's, ``sqlite3.Error`` where it cannot be opened.
    """
    path = (directory / "study.db").resolve()
    if not path.is_file():
        raise InputError(f"{directory} is not a study: it holds no study.db")
    _refuse_journal(path.with_name(f"{path.name}-journal"))
    try:
        connection = _open(path, "ro" if read_only else "rw")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_READONLY_ROLLBACK:
            raise InputError(
                f"{directory / 'study.db'} was left in the middle of a change: `{command('resume', directory)}` takes "
                "that back, and goes on"
            ) from error
        if not read_only or error.sqlite_errorcode != sqlite3.SQLITE_CANTOPEN:
            raise
        connection = _in_memory(path)
    except sqlite3.DatabaseError as error:
        raise InputError(f"{directory / 'study.db'} is damaged or not a study's: {error}. {_RESTORE}") from error
    connection.row_factory = sqlite3.Row
    with _closed_on_error(connection):
        _refuse_damage(connection, directory)
    return connection


def _open(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.as_uri()}?mode={mode}", uri=True, timeout=30, check_same_thread=False)
    with _closed_on_error(connection):
        connection.execute("PRAGMA trusted_schema=OFF")
        # a view in a table's place could take for ever
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return connection


@contextmanager
def _closed_on_error(connection: sqlite3.Connection) -> Iterator[None]:
    """Run the body with the connection closed on any error.

    The error's traceback would keep it open, and with it the lock that a driver needs to close the study.
    """
    try:
        yield
    except BaseException:
        connection.close()
        raise


def _in_memory(path: Path) -> sqlite3.Connection:
    """Return a copy of the database in memory.

    A database that a killed driver left in write-ahead mode cannot be opened where nothing can be written beside it.
    """
    memory = sqlite3.connect(":memory:", check_same_thread=False)
    with tempfile.TemporaryDirectory(prefix="genresweep-read-") as folder:
        for part in (path, path.with_name(f"{path.name}-wal")):
            if part.is_file():
                shutil.copyfile(part, Path(folder) / part.name)
        copy = _open(Path(folder) / path.name, "rw")
        copy.backup(memory)
        copy.close()
    return memory


def _refuse_journal(journal: Path) -> None:
    """Raise ``InputError`` for a journal whose rollback would delete another file; a killed driver's is plain."""
    try:
        descriptor = os.open(journal, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(f"{journal} is no file: do not trust this study") from error
    with open(descriptor, "rb") as file:
        if not S_ISREG(os.fstat(descriptor).st_mode):
            raise InputError(f"{journal} is no file: do not trust this study")
        file.seek(max(0, file.seek(0, os.SEEK_END) - len(_NAMES_ANOTHER)))
        if file.read() == _NAMES_ANOTHER:
            raise InputError(f"{journal} names another file, which no study's does: do not trust it")


def _refuse_damage(connection: sqlite3.Connection, directory: Path) -> None:
    path = directory / "study.db"
    try:
        held = connection.execute("SELECT type, name, rootpage FROM sqlite_master").fetchall()
        # a virtual table has no page of its own
        foreign = [name for kind, name, page in held if kind not in ("table", "index") or not page]
        if foreign:
            raise InputError(f"{path} holds triggers or views ({foreign[0]!r}), which no study has: do not trust it")
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        for table, misfit in misfits().items():
            if connection.execute(f"SELECT 1 FROM {table} WHERE {misfit} LIMIT 1").fetchone():
                found = f"the table {table!r} holds values of another type"
    except sqlite3.DatabaseError as error:
        found = str(error)
    if found != "ok":
        raise InputError(f"{path} is damaged: {' '.join(str(found).split())}. {_RESTORE}")


def lock(directory: Path) -> Any:
    """Take an exclusive lock that ends with this process, however it ends; ``None`` where another process holds it."""
    file = (directory / "manifest.json").open("rb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


def refuse_links(directory: Path) -> None:
    """Raise ``InputError`` where writing or deleting in the study would reach outside its directory."""
    link = next((path for path in directory.rglob("*") if path.is_symlink()), None)
    if link is not None:
        raise InputError(
            f"{link} is a link to {link.readlink()}: a study that is written to holds its own files. "
            "Put the file or folder itself there"
        )
