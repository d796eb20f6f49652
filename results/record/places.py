"""The place of a study's directory: free, or taken and by whom, and the draft in which a study is assembled."""

from __future__ import annotations

import os
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

from data.errors import InputError, command
from data.files import clear_abandoned, own_mark
from results.record.database import connect, lock
from results.record.reading import RecordReader

FUSION_SWEEP = "fusion-sweep"
"""Folder of the study within a run's study, in which its fusion stage searches."""


def refuse_existing(directory: Path) -> None:
    """Raise ``InputError`` where something exists in a new study's place, naming the process that writes there.

    An empty directory is accepted.
    """
    if not directory.exists() or (directory.is_dir() and not any(directory.iterdir())):
        return
    if not (directory / "manifest.json").exists():
        raise InputError(f"{directory} exists already and holds no study: choose another --name or --out")
    if _is_held(directory):
        raise InputError(
            f"{directory} exists already and is being written by {holder(directory)}: wait for it, "
            "or choose another --name or --out"
        )
    raise InputError(
        f"{directory} exists already: go on with `{command('resume', directory)}`, or choose another --name or --out"
    )


def draft_of(directory: Path) -> Path:
    """Return the folder where a study is assembled before it is renamed to ``directory``.

    Drafts that killed commands left behind are deleted.
    """
    clear_abandoned(directory.parent, f".{directory.name}.", ".tmp")
    return directory.with_name(f".{directory.name}.{own_mark()}.tmp")


def driver_name() -> str:
    """Return the name of this process as a study's driver."""
    return f"process {os.getpid()} on {socket.gethostname()}"


def driver_lives(directory: Path, driver: str) -> bool | None:
    """Return True where the named driver of a study still runs, False where it is gone, ``None`` where none can tell.

    Only the driver's own machine can tell, by the study's lock.
    """
    if not driver:
        return False
    return _is_held(directory) if driver.endswith(f" on {socket.gethostname()}") else None


def _is_held(directory: Path) -> bool:
    try:
        free = lock(directory)
    except OSError:  # no study
        return False
    if free is not None:
        free.close()
    return free is None


def holder(directory: Path) -> str:
    """Return the name of the process that writes a study; ``InputError`` where its record cannot be read."""
    with closing(connect_to_read(directory)) as connection:
        return RecordReader(directory, connection).driver or "another process"


def connect_to_read(directory: Path) -> sqlite3.Connection:
    """Connect to a study's database for reading; ``InputError`` where it cannot be opened."""
    try:
        return connect(directory, read_only=True)
    except sqlite3.Error as error:
        raise InputError(f"{directory / 'study.db'} cannot be read: {error}") from error
