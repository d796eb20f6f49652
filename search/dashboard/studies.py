"""The studies of a folder, as rows of a list; a study is read again only once its record has changed."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from data.errors import FailureError, InputError
from results.record.manifest import Manifest
from search.scheduling.study_view import Condition, view_study

UNREADABLE = "unreadable"
"""The state of a study whose record is damaged, or newer than this version."""
_FILES = ("manifest.json", "study.db", "study.db-wal")
_AGAIN = 5.0
"""Seconds after which a study that runs, or that could not be read, is looked at anew: its driver may be gone."""
_SHARE = 30
"""A look is followed by a pause of so many times the processor seconds that it took."""

Fingerprint = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True, kw_only=True)
class Row:
    """A study in the list."""

    name: str
    state: str
    """A `Condition`, or `UNREADABLE`."""
    ended: int = 0
    """Configurations that have ended, each seed counted."""
    total: int = 0
    """Configurations of the plan."""
    best: float | None = None
    """The best validation accuracy so far."""
    started: str = ""
    """The time when the study was made, as its manifest has it."""
    message: str = ""
    """The reason why a study cannot be read."""


@dataclass(frozen=True)
class _Look:
    fingerprint: Fingerprint
    at: float
    seconds: float
    row: Row


class Studies:
    """The studies that lie directly in a folder; ``worked`` returns the processor seconds that this thread has used."""

    def __init__(
        self,
        folder: Path,
        clock: Callable[[], float] = time.monotonic,
        worked: Callable[[], float] = time.thread_time,
    ) -> None:
        self.folder = folder.resolve()
        self._clock, self._worked = clock, worked
        self._looks: dict[Path, _Look] = {}
        self._lock = threading.Lock()

    def paths(self) -> list[Path]:
        """Return the directories of the studies, by name; those that lead out of the folder are left out."""
        try:
            found = sorted(self.folder.iterdir())
        except OSError:
            return []
        return [path for path in found if not path.name.startswith(".") and self._is_study(path)]

    def find(self, name: str) -> Path | None:
        """Return the directory of the study that the list has under this name; ``None`` where it has none.

        The name is compared with those that there are, and never becomes part of a path.
        """
        return next((path for path in self.paths() if shown_name(path) == name), None)

    def rows(self) -> list[Row]:
        """Return the list, by name."""
        paths = self.paths()
        with self._lock:
            self._looks = {path: look for path, look in self._looks.items() if path in paths}
            return [self._row(path) for path in paths]

    def row(self, directory: Path) -> Row:
        """Return the row of one study."""
        with self._lock:
            return self._row(directory)

    def _row(self, path: Path) -> Row:
        now, found, last = self._clock(), fingerprint(path), self._looks.get(path)
        if last is not None and not _is_due(last, found, now):
            return last.row
        began = self._worked()
        row = read_row(path)
        self._looks[path] = _Look(found, now, self._worked() - began, row)
        return row

    def _is_study(self, path: Path) -> bool:
        try:
            inside = path.resolve().parent == self.folder and path.is_dir()
            files = [path / name for name in _FILES if os.path.lexists(path / name)] if inside else []
            return bool(files) and all(file.resolve().parent == path.resolve() for file in files)
        except (OSError, RuntimeError):
            return False


def _is_due(last: _Look, found: Fingerprint, now: float) -> bool:
    age = now - last.at
    if found != last.fingerprint:
        return age >= _SHARE * last.seconds
    return last.row.state in (Condition.RUNNING, UNREADABLE) and age >= _AGAIN


def fingerprint(directory: Path) -> Fingerprint:
    """Return what changes whenever a study's record does: inode, size and time of its files."""
    return tuple(_stamp(directory / name) for name in _FILES)


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def shown_name(directory: Path) -> str:
    """Return a study's name as text that UTF-8 can hold, whatever bytes it has."""
    return os.fsencode(directory.name).decode(errors="replace")


def read_row(directory: Path) -> Row:
    """Return the row of a study as it is now; where it cannot be read, the row says why."""
    name = shown_name(directory)
    try:
        started, view = Manifest.read(directory).created, view_study(directory)
    except (InputError, FailureError, OSError) as error:
        return Row(name=name, state=UNREADABLE, message=str(error).encode(errors="replace").decode())
    best, progress = view.progress.best, view.progress
    return Row(
        name=name,
        state=str(view.condition),
        ended=progress.ended_count,
        total=progress.configurations,
        best=best.val_accuracy if best is not None else None,
        started=started,
    )
