"""``RecordReader``: all that can be read from a study's database, as typed records."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import FailureError, InputError
from results.judging.ensemble import Ensemble
from results.judging.judgement import Judgement
from results.judging.trees import TunedTrees
from results.record.facts import Fact, seconds_of
from results.record.records import Decision, SegmentRecord, StageProgress, TrialKey, TrialRecord
from results.record.schema import METRICS, decision_of, segment_of, trial_of
from spaces import Configuration

_NO_SENSE = (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError)
"""Errors of values that are not those that a study writes."""


class StudyError(FailureError):
    """A failure to read or write the record, after which the study cannot go on."""


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of the record, to make a dataframe of."""

    columns: list[str]
    rows: list[tuple[Any, ...]]


class RecordReader:
    """A connection to a study's database, from which records are read.

    Every method raises ``InputError`` where what it reads makes no sense, ``StudyError`` where the disk fails.
    """

    def __init__(self, directory: Path, connection: sqlite3.Connection) -> None:
        self.directory = directory
        self._connection = connection

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Run the body with ``InputError`` in place of errors from a record that is unreadable or makes no sense.

        Raises ``StudyError`` where the fault is the disk's, not that of a value.
        """
        database = self.directory / "study.db"
        try:
            yield
        except InputError:
            raise
        except (*_NO_SENSE, sqlite3.Error) as error:
            if getattr(error, "sqlite_errorcode", None) is not None:
                raise StudyError(f"{database} cannot be read: {error}") from error
            raise InputError(f"{database} is damaged: {error}") from error

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Run the body with all its reads from one moment, while a driver writes."""
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.rollback()

    def fact(self, name: str) -> str | None:
        """Return the value of a fact, for the names see ``Fact``; ``None`` where it was never set."""
        rows = self._table("SELECT value FROM facts WHERE name = ?", name).rows
        return str(rows[0][0]) if rows else None

    @property
    def driver(self) -> str:
        """The process that writes the study; empty when there is none."""
        return self.fact(Fact.DRIVER) or ""

    @property
    def incumbent(self) -> str | None:
        """The id of the promoted configuration; ``None`` before one is."""
        return self.fact(Fact.INCUMBENT) or None

    @property
    def bounded(self) -> str | None:
        """The bound that ended the last command before its work was done, as a sentence; ``None`` where none did."""
        return self.fact(Fact.BOUNDED) or None

    @property
    def moved(self) -> dict[str, str]:
        """The inputs' present places by the names of the settings, where they are not those of the settings."""
        with self.reading():
            return {str(name): str(place) for name, place in json.loads(self.fact(Fact.MOVED) or "{}").items()}

    @property
    def answered(self) -> list[tuple[int, str]]:
        """Suggestions answered from the record: the number of configurations by then, and the id suggested."""
        with self.reading():
            return [(int(place), str(config_id)) for place, config_id in json.loads(self.fact(Fact.ANSWERED) or "[]")]

    @property
    def ahead(self) -> list[Configuration]:
        """Configurations suggested beyond those asked for, in the order of their suggestion."""
        with self.reading():
            return [Configuration.from_json(text) for text in json.loads(self.fact(Fact.AHEAD) or "[]")]

    @property
    def ran_out(self) -> bool:
        """True where a search ended for want of points, with fewer configurations than asked for."""
        return bool(self.fact(Fact.RAN_OUT))

    @property
    def stage_progress(self) -> StageProgress | None:
        """The progress of the stage that runs, some seconds old; ``None`` where none has told any."""
        with self.reading():
            text = self.fact(Fact.STAGE_PROGRESS)
            if not text:
                return None
            values = json.loads(text)
            return StageProgress(int(values["done"]), int(values["total"]), str(values["what"]))

    @property
    def judgements(self) -> tuple[Judgement, ...]:
        """The judgements of promoted models; none in studies of before they were recorded."""
        with self.reading():
            return tuple(Judgement.from_json(values) for values in json.loads(self.fact(Fact.JUDGEMENTS) or "[]"))

    @property
    def ensemble(self) -> Ensemble | None:
        """The ensemble of the sweep's networks; ``None`` where none has been chosen."""
        with self.reading():
            text = self.fact(Fact.ENSEMBLE)
            return Ensemble.from_json(json.loads(text)) if text else None

    @property
    def trees(self) -> TunedTrees | None:
        """The trees tuned beside the sweep; ``None`` where none were."""
        with self.reading():
            text = self.fact(Fact.TREES)
            return TunedTrees.from_json(json.loads(text)) if text else None

    def seconds_spent(self, stage: str) -> float:
        """Return the seconds that interrupted commands spent on a stage."""
        with self.reading():
            return float(self.fact(seconds_of(stage)) or 0)

    def trials(self) -> list[TrialRecord]:
        """Return every configuration, in the order of the search space."""
        with self.reading():
            return [trial_of(row) for row in self._connection.execute("SELECT * FROM trials ORDER BY position, seed")]

    def decisions(self) -> list[Decision]:
        """Return every decision of the rungs, in the order in which they were taken."""
        with self.reading():
            return [decision_of(row) for row in self._connection.execute("SELECT * FROM decisions ORDER BY sequence")]

    def segments(self) -> list[SegmentRecord]:
        """Return every segment, failed ones too, in the order of their numbers."""
        with self.reading():
            return [segment_of(row) for row in self._connection.execute("SELECT * FROM segments ORDER BY segment_id")]

    def newest_segments(self, count: int) -> list[SegmentRecord]:
        """Return the ``count`` segments of the highest numbers, without those that failed, the highest first."""
        query = "SELECT * FROM segments WHERE error IS NULL ORDER BY segment_id DESC LIMIT ?"
        with self.reading():
            return [segment_of(row) for row in self._connection.execute(query, (count,))]

    def rung_counts(self) -> list[tuple[int, int, int]]:
        """Return for each rung, lowest first, its epoch, the configurations that it judged, and those it let go on."""
        rows = self._table("SELECT epoch, count(*), sum(promoted) FROM decisions GROUP BY epoch ORDER BY epoch").rows
        return [(epoch, judged, promoted) for epoch, judged, promoted in rows]

    def checkpoints_recorded(self) -> set[str]:
        """Return the file names of the checkpoints of all segments."""
        rows = self._table("SELECT checkpoint FROM segments WHERE checkpoint IS NOT NULL").rows
        return {str(file) for (file,) in rows}

    def last_segment_number(self) -> int:
        """Return the highest segment number so far; 0 before the first. Lower ones may be missing after a kill."""
        with self.reading():
            rows = self._connection.execute("SELECT max(CAST(segment_id AS INTEGER)) FROM segments")
            return int(rows.fetchone()[0] or 0)

    def scores(self, epoch: int) -> dict[TrialKey, float | None]:
        """Return the validation accuracy of every configuration at an epoch."""
        rows = self._table("SELECT config_id, seed, val_accuracy FROM curves WHERE epoch = ?", int(epoch)).rows
        return {TrialKey(config_id, seed): score for config_id, seed, score in rows}

    def accuracies(self) -> dict[TrialKey, dict[int, float | None]]:
        """Return the validation accuracy of every configuration by epoch; ``None`` for a diverged epoch."""
        query = "SELECT config_id, seed, epoch, val_accuracy FROM curves ORDER BY config_id, seed, epoch"
        found: dict[tuple[str, int], dict[int, float | None]] = {}
        for config_id, seed, epoch, accuracy in self._table(query).rows:
            found.setdefault((config_id, seed), {})[epoch] = accuracy
        return {TrialKey(*key): curve for key, curve in found.items()}

    def best_accuracy(self) -> float:
        """Return the best validation accuracy of any epoch so far; NaN before the first."""
        with self.reading():
            (found,) = self._connection.execute("SELECT max(val_accuracy) FROM curves").fetchone()
            return float("nan") if found is None else float(found)

    def best_epoch(self) -> tuple[TrialKey, int, float] | None:
        """Return the configuration, epoch and validation accuracy of the best epoch so far; ``None`` before the first.

        Of equals it is the earlier epoch, then the earlier configuration.
        """
        rows = self._table(
            "SELECT c.config_id, c.seed, c.epoch, c.val_accuracy FROM curves AS c "
            "JOIN trials AS t ON t.config_id = c.config_id AND t.seed = c.seed "
            "WHERE c.val_accuracy = (SELECT max(val_accuracy) FROM curves) "
            "ORDER BY c.epoch, t.position, c.seed LIMIT 1"
        ).rows
        return next(((TrialKey(str(i), int(seed)), int(epoch), float(best)) for i, seed, epoch, best in rows), None)

    def trial_table(self) -> Table:
        """Return the configurations in the order of the search space, the hyperparameters as JSON.

        Columns: ``config_id``, ``seed``, ``state``, ``reason``, ``epochs``, ``budget``, ``configuration``.
        """
        return self._table(
            "SELECT config_id, seed, state, reason, epoch AS epochs, budget, configuration FROM trials "
            "ORDER BY position, seed"
        )

    def curve_table(self) -> Table:
        """Return the epochs of all configurations, in the order of the search space: their keys and ``METRICS``."""
        return self._table(
            f"SELECT config_id, seed, epoch, {', '.join(METRICS)} FROM curves "
            "JOIN (SELECT config_id AS c, seed AS s, position FROM trials) ON c = config_id AND s = seed "
            "ORDER BY position, seed, epoch"
        )

    def stages_done(self) -> set[str]:
        """Return the names of the committed stages."""
        return {str(stage) for (stage,) in self._table("SELECT stage FROM stages").rows}

    def stage_table(self) -> Table:
        """Return the committed stages: ``stage``, ``seconds``, ``peak_megabytes``, ``note``."""
        return self._table("SELECT * FROM stages")

    def stage_score_table(self) -> Table:
        """Return the scores of the stages' models by stage, variant, seed and side."""
        return self._table("SELECT * FROM stage_scores ORDER BY stage, variant, seed, side")

    def stage_curve_table(self) -> Table:
        """Return the epochs of the stages' models by stage, variant, seed and epoch."""
        return self._table("SELECT * FROM stage_curves ORDER BY stage, variant, seed, epoch")

    def _table(self, sql: str, *values: object) -> Table:
        with self.reading():
            cursor = self._connection.execute(sql, values)
            return Table([column[0] for column in cursor.description], [tuple(row) for row in cursor])
