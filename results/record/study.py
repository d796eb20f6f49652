"""``Study``: the study directory, whose database is the only record of what happened.

The driver is the only writer; others may read while it writes. ``study.db`` is in write-ahead mode while a driver
runs, and in plain journal mode once it has finished, so that it then opens from a read-only place.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

from data.errors import FailureError, InputError, command
from data.files import clear_abandoned, flush_names, own_mark, user_path, write_atomically
from data.storage import join
from results.record.database import connect, lock, refuse_links
from results.record.manifest import Manifest
from results.record.records import CurveRow, Decision, SegmentRecord, State, StudySettings, TrialKey, TrialRecord
from results.record.schema import METRICS, condition, create_database, decision_of, insert_trials, trial_of

_NO_FILES: Mapping[str, bytes] = MappingProxyType({})
MOVED = "moved"
"""Name of the fact that holds the inputs' present places, as JSON, by the names of the settings."""
ANSWERED = "answered"
"""Name of the fact that holds the suggestions answered from the record."""


class StudyError(FailureError):
    """A failure to read or write the record, after which the study cannot go on."""


class Study:
    """A study directory, opened for reading or, by its one driver, for writing."""

    def __init__(self, directory: Path, connection: sqlite3.Connection, lock: Any = None) -> None:
        self.directory = directory
        self.manifest = Manifest.read(directory)
        self._connection = connection
        self._lock = lock
        self._withdrawn = ""

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
            create_database(draft / "study.db", trials, _driver())
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
            raise InputError(f"{directory} is being written by {_holder(directory)}: wait for it, or stop it")
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
                study.set_fact("driver", _driver())
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
        try:
            return cls(directory, connect(directory, read_only=True))
        except sqlite3.Error as error:
            raise InputError(f"{directory / 'study.db'} cannot be read: {error}") from error

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
                    self.set_fact("driver", "")
                    self._connection.execute("PRAGMA journal_mode=DELETE")
        finally:
            self._connection.close()
            if self._lock is not None:
                self._lock.close()
                self._lock = None

    @property
    def settings(self) -> StudySettings:
        """The study's settings."""
        return self.manifest.settings

    @property
    def checkpoints(self) -> str:
        """Folder of the segment checkpoints: an absolute path, or a URI."""
        return join(self.settings.storage or str(self.directory.resolve()), "checkpoints")

    def facts(self) -> dict[str, str]:
        """Return small named facts: the driver (empty when there is none), and the incumbent once it is promoted."""
        with self.reading():
            return {row["name"]: row["value"] for row in self._connection.execute("SELECT name, value FROM facts")}

    def answered(self) -> list[tuple[int, str]]:
        """Return suggestions answered from the record: the number of configurations by then, and the id suggested."""
        with self.reading():
            return [(int(place), str(config_id)) for place, config_id in json.loads(self.facts().get(ANSWERED, "[]"))]

    def set_fact(self, name: str, value: str) -> None:
        """Record a fact, replacing an older one of that name."""
        with self.transaction():
            self._connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Run the body with ``InputError`` in place of errors from a record that is unreadable or makes no sense."""
        try:
            yield
        except InputError:
            raise
        except (ValueError, TypeError, OverflowError, RecursionError, sqlite3.Error) as error:
            if getattr(error, "sqlite_errorcode", None) is not None:  # the disk's fault, not that of a value
                raise
            raise InputError(f"{self.directory / 'study.db'} is damaged: {error}") from error

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Run the body with all its reads from one moment, while a driver writes."""
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.rollback()

    def withdraw(self, cause: str) -> None:
        """Refuse all later writes with a ``StudyError`` that has this cause."""
        self._withdrawn = cause

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the body with its writes done all or nothing.

        Raises ``StudyError`` with the cause from the database or from a withdrawal.
        """
        if self._withdrawn:
            raise StudyError(self._withdrawn)
        try:
            with self._connection:
                yield
        except sqlite3.Error as error:
            raise StudyError(f"{self.directory / 'study.db'} cannot be written: {error}") from error

    def trials(self) -> list[TrialRecord]:
        """Return every configuration, in the order of the search space."""
        with self.reading():
            return [trial_of(row) for row in self._connection.execute("SELECT * FROM trials ORDER BY position, seed")]

    def decisions(self) -> list[Decision]:
        """Return every decision of the rungs, in the order in which they were taken."""
        with self.reading():
            return [decision_of(row) for row in self._connection.execute("SELECT * FROM decisions ORDER BY sequence")]

    def scores(self, epoch: int) -> dict[TrialKey, float | None]:
        """Return the validation accuracy of every configuration at an epoch."""
        _, rows = self.query(f"SELECT config_id, seed, val_accuracy FROM curves WHERE epoch = {int(epoch)}")
        return {TrialKey(config_id, seed): score for config_id, seed, score in rows}

    def write_rows(self, table: str, rows: Iterable[Sequence[Any]]) -> None:
        """Append whole rows to a table, inside a transaction; existing rows are replaced."""
        for row in rows:
            marks = ", ".join("?" * len(row))
            self._connection.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", tuple(row))

    def best_accuracy(self) -> float:
        """Return the best validation accuracy of any epoch so far; NaN before the first."""
        with self.reading():
            (found,) = self._connection.execute("SELECT max(val_accuracy) FROM curves").fetchone()
            return float("nan") if found is None else float(found)

    def query(self, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Return the column names and rows of a read-only query over the record."""
        with self.reading():
            cursor = self._connection.execute(sql)
            return [column[0] for column in cursor.description], [tuple(row) for row in cursor]

    def last_segment_number(self) -> int:
        """Return the highest segment number so far; 0 before the first. Lower ones may be missing after a kill."""
        with self.reading():
            rows = self._connection.execute("SELECT max(CAST(segment_id AS INTEGER)) FROM segments")
            return int(rows.fetchone()[0] or 0)

    def mark_running(self, keys: Iterable[TrialKey]) -> None:
        """Mark these configurations as being trained."""
        with self.transaction():
            self._connection.executemany(
                "UPDATE trials SET state = ? WHERE config_id = ? AND seed = ?",
                [(State.RUNNING, key.config_id, key.seed) for key in keys],
            )

    def release_running(self) -> None:
        """Set the configurations that an earlier driver left in training back to pending."""
        with self.transaction():
            self._connection.execute("UPDATE trials SET state = ? WHERE state = ?", (State.PENDING, State.RUNNING))

    def add_trials(self, trials: Iterable[TrialRecord]) -> None:
        """Append configurations, inside a transaction; one that exists already is an error."""
        insert_trials(self._connection, trials)

    def update_trials(self, trials: Iterable[TrialRecord]) -> None:
        """Write the present condition of these configurations, inside a transaction."""
        self._connection.executemany(
            "UPDATE trials SET budget = ?, state = ?, reason = ?, epoch = ?, checkpoint = ?, checkpoint_sha256 = ?,"
            " checkpoint_row = ?, checkpoint_epoch = ? WHERE config_id = ? AND seed = ?",
            [(*condition(trial), trial.key.config_id, trial.key.seed) for trial in trials],
        )

    def add_curves(self, rows: Iterable[CurveRow]) -> None:
        """Append epochs, inside a transaction; an epoch that exists already is an error."""
        self._connection.executemany(
            f"INSERT INTO curves VALUES ({', '.join('?' * (3 + len(METRICS)))})",
            [(row.key.config_id, row.key.seed, row.epoch, *(getattr(row, name) for name in METRICS)) for row in rows],
        )

    def forget_epochs(self, kept: Mapping[TrialKey, int]) -> None:
        """Remove the epochs after those kept, inside a transaction; decisions stay, since scores come out the same."""
        self._connection.executemany(
            "DELETE FROM curves WHERE config_id = ? AND seed = ? AND epoch > ?",
            [(key.config_id, key.seed, epoch) for key, epoch in kept.items()],
        )

    def reopen_stage(self, stage: str) -> None:
        """Remove a stage that continues, inside a transaction; the time it has taken so far is kept as a fact."""
        (row,) = self._connection.execute("SELECT sum(seconds) FROM stages WHERE stage = ?", (stage,))
        if row[0] is not None:
            self.write_rows("facts", [(f"seconds of {stage}", str(row[0]))])
        self.forget_stages([stage])

    def forget_stages(self, stages: Iterable[str]) -> None:
        """Remove stages, inside a transaction, so that they are run again."""
        for table in ("stages", "stage_curves", "stage_scores"):
            self._connection.executemany(f"DELETE FROM {table} WHERE stage = ?", [(stage,) for stage in stages])

    def add_decisions(self, decisions: Iterable[Decision]) -> None:
        """Append decisions in their order, inside a transaction."""
        self._connection.executemany(
            "INSERT INTO decisions (config_id, seed, epoch, score, cutoff, promoted) VALUES (?, ?, ?, ?, ?, ?)",
            [(d.key.config_id, d.key.seed, d.epoch, d.score, d.cutoff, d.promoted) for d in decisions],
        )

    def add_segment(self, segment: SegmentRecord) -> None:
        """Append a segment, inside a transaction."""
        members = json.dumps([[key.config_id, key.seed] for key in segment.keys])
        self._connection.execute(
            "INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                segment.segment_id,
                segment.first_epoch,
                segment.last_epoch,
                members,
                segment.seconds,
                segment.host,
                segment.started,
                segment.checkpoint,
                segment.sha256,
                segment.error,
            ),
        )


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
            f"{directory} exists already and is being written by {_holder(directory)}: wait for it, "
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


def _driver() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"


def _is_held(directory: Path) -> bool:
    try:
        free = lock(directory)
    except OSError:  # no study
        return False
    if free is not None:
        free.close()
    return free is None


def _holder(directory: Path) -> str:
    with Study.open(directory) as study:
        return study.facts().get("driver") or "another process"
