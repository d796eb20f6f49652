"""``Study``: the study directory, whose database is the only record of what happened.

The driver is the only writer; others may read while it writes. ``study.db`` is in write-ahead mode while a driver
runs, and in plain journal mode once it has finished, so that it then opens from a read-only place.
"""

from __future__ import annotations

import errno
import html
import shutil
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

from data.errors import InputError
from data.files import flush_names, user_path, write_atomically
from data.object_stores import join
from results.record.database import connect, lock, refuse_links
from results.record.facts import Fact
from results.record.manifest import Manifest, with_extensions
from results.record.places import connect_to_read, draft_of, driver_name, holder, refuse_existing
from results.record.reading import StudyError
from results.record.records import TrialRecord
from results.record.schema import create_database
from results.record.settings import StudySettings
from results.record.summary import Summary
from results.record.writing import RecordWriter

__all__ = ["Study", "StudyError"]

_NO_FILES: Mapping[str, bytes] = MappingProxyType({})


class Study(RecordWriter):
    """A study directory, opened for reading or, by its one driver, for writing."""

    def __init__(self, directory: Path, connection: sqlite3.Connection, lock: Any = None) -> None:
        super().__init__(directory, connection)
        self.manifest = Manifest.read(directory)
        with self.reading():
            self.settings: StudySettings = with_extensions(self.manifest.settings, self.fact(Fact.EXTENDED))
        """The study's settings, with what it was extended by."""
        self._lock = lock

    @classmethod
    def create(
        cls,
        directory: str | Path,
        manifest: Manifest,
        trials: Iterable[TrialRecord],
        files: Mapping[str, bytes] = _NO_FILES,
    ) -> Study:
        """Make the directory with all configurations pending, whole or not at all, and open it for writing.

        ``files`` are further files to put into it, by their paths in it.
        Raises ``InputError`` where something of that name exists or the place cannot be written to.
        """
        directory = user_path(directory)
        refuse_existing(directory)
        draft = draft_of(directory)
        try:
            draft.mkdir(parents=True)
            (draft / "checkpoints").mkdir()
            write_atomically(draft / "manifest.json", manifest.to_json().encode())
            for name, content in files.items():
                write_atomically(draft / name, content)
            create_database(draft / "study.db", trials, driver_name())
            flush_names(draft)
            held = lock(draft)  # before anyone can see the study
            draft.rename(directory)
            flush_names(directory.parent)
        except (OSError, sqlite3.Error) as error:
            if isinstance(error, OSError) and error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                refuse_existing(directory)
            raise InputError(
                f"the study {directory} cannot be created: {error}; choose another place for it with --out"
            ) from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return cls._begin_writing(directory, held)

    @classmethod
    def open_for_writing(cls, directory: str | Path) -> Study:
        """Open the study as its only driver; ``InputError`` names the holder where there is another driver."""
        directory = user_path(directory)
        Manifest.read(directory)
        refuse_links(directory)
        held = lock(directory)
        if held is None:
            raise InputError(f"{directory} is being written by {holder(directory)}: wait for it, or stop it")
        return cls._begin_writing(directory, held)

    @classmethod
    def _begin_writing(cls, directory: Path, held: Any) -> Study:
        with ExitStack() as undo:
            undo.callback(held.close)
            try:
                connection = connect(directory, read_only=False)
                undo.callback(connection.close)
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("PRAGMA synchronous=NORMAL")
                study = cls(directory, connection, held)
                study.set_fact(Fact.DRIVER, driver_name())
            except (sqlite3.Error, StudyError) as error:
                raise InputError(
                    f"{directory / 'study.db'} cannot be opened for writing: {error}; where the place is read-only, "
                    "copy the whole study to one that can be written"
                ) from error
            undo.pop_all()
        return study

    @classmethod
    def open(cls, directory: str | Path) -> Study:
        """Open a study for reading, even while a driver writes."""
        directory = user_path(directory)
        Manifest.read(directory)
        return cls(directory, connect_to_read(directory))

    def __enter__(self) -> Study:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database; a driver leaves it in plain journal mode and releases the study."""
        try:
            if self._lock is not None:
                # a full disk refuses both, and the second is refused while someone still reads
                with suppress(StudyError, sqlite3.OperationalError):
                    self.set_fact(Fact.DRIVER, "")
                    self._connection.execute("PRAGMA journal_mode=DELETE")
        finally:
            self._connection.close()
            if self._lock is not None:
                self._lock.close()
                self._lock = None

    @property
    def checkpoints(self) -> str:
        """Folder of the segment checkpoints: an absolute path, or a URI."""
        return join(self.settings.storage or str(self.directory.resolve()), "checkpoints")

    def _repr_html_(self) -> str:
        """Return the study as a notebook shows it."""
        try:
            with self.snapshot():
                trials, curves, driver = self.trials(), self.accuracies(), self.driver
        except sqlite3.ProgrammingError:
            return f"<p>{html.escape(str(self.directory))}, closed</p>"
        best = {
            trial.key: max((score for score in curves.get(trial.key, {}).values() if score is not None), default=-1.0)
            for trial in trials
        }
        first = max(trials, key=lambda trial: best[trial.key], default=None)
        return Summary(
            directory=self.directory,
            settings=self.settings,
            driver=driver,
            trials=trials,
            best=first if first is not None and best[first.key] >= 0 else None,
            accuracy=best[first.key] if first is not None else -1.0,
        ).to_html()
