"""The tables of ``study.db``, and the conversion between their rows and the records."""

from __future__ import annotations

import functools
import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from results.record.records import CheckpointRef, Decision, SegmentRecord, StageScore, State, TrialKey, TrialRecord
from spaces import Configuration

METRICS = ("train_loss", "val_loss", "val_accuracy", "val_precision", "val_recall", "val_f1", "seconds")
SCORES = ("accuracy", "precision", "recall", "f1")
"""Scores of a stage's model; all but the first are weighted averages over the genres."""

_SCHEMA = f"""
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE trials (
    config_id TEXT NOT NULL, seed INTEGER NOT NULL, position INTEGER NOT NULL, configuration TEXT NOT NULL,
    budget INTEGER NOT NULL, state TEXT NOT NULL, reason TEXT, epoch INTEGER NOT NULL,
    checkpoint TEXT, checkpoint_sha256 TEXT, checkpoint_row INTEGER, checkpoint_epoch INTEGER,
    PRIMARY KEY (config_id, seed)) WITHOUT ROWID;
CREATE TABLE curves (
    config_id TEXT NOT NULL, seed INTEGER NOT NULL, epoch INTEGER NOT NULL,
    {", ".join(f"{metric} REAL" for metric in METRICS)},
    PRIMARY KEY (config_id, seed, epoch)) WITHOUT ROWID;
CREATE TABLE decisions (
    sequence INTEGER PRIMARY KEY, config_id TEXT NOT NULL, seed INTEGER NOT NULL, epoch INTEGER NOT NULL,
    score REAL, cutoff REAL, promoted INTEGER NOT NULL, UNIQUE (config_id, seed, epoch));
CREATE TABLE segments (
    segment_id TEXT PRIMARY KEY, first_epoch INTEGER NOT NULL, last_epoch INTEGER NOT NULL, members TEXT NOT NULL,
    seconds REAL NOT NULL, host TEXT NOT NULL, started REAL NOT NULL, checkpoint TEXT, sha256 TEXT, error TEXT)
    WITHOUT ROWID;
CREATE TABLE stages (stage TEXT PRIMARY KEY, seconds REAL NOT NULL, peak_megabytes REAL NOT NULL, note TEXT)
    WITHOUT ROWID;
CREATE TABLE stage_curves (
    stage TEXT NOT NULL, variant TEXT NOT NULL, seed INTEGER NOT NULL, epoch INTEGER NOT NULL,
    {", ".join(f"{metric} REAL" for metric in METRICS)},
    PRIMARY KEY (stage, variant, seed, epoch)) WITHOUT ROWID;
CREATE TABLE stage_scores (
    stage TEXT NOT NULL, variant TEXT NOT NULL, seed INTEGER NOT NULL, side TEXT NOT NULL, epoch INTEGER,
    accuracy REAL, precision REAL, recall REAL, f1 REAL, detail TEXT,
    PRIMARY KEY (stage, variant, seed, side)) WITHOUT ROWID;
"""


def create_database(path: Path, trials: Iterable[TrialRecord], driver: str) -> None:
    """Create a database with these configurations, marked as written by ``driver``."""
    connection = sqlite3.connect(path)
    try:
        with connection:
            connection.executescript(_SCHEMA)
            connection.execute("INSERT INTO facts VALUES ('driver', ?)", (driver,))
            insert_trials(connection, trials)
    finally:
        connection.close()


@functools.cache
def misfits() -> dict[str, str]:
    """Return for each table the SQL condition of rows with a value of the wrong type, since SQLite accepts any."""
    with closing(sqlite3.connect(":memory:")) as memory:
        memory.executescript(_SCHEMA)
        tables = [name for (name,) in memory.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            name: " OR ".join(
                f"typeof({column}) NOT IN ({_ALLOWED[kind]}{'' if filled or key else ', ' + repr('null')})"
                for _, column, kind, filled, _, key in memory.execute(f"PRAGMA table_info({name})")
            )
            for name in tables
            if not name.startswith("sqlite_")
        }


_ALLOWED = {"TEXT": "'text'", "INTEGER": "'integer'", "REAL": "'real', 'integer'"}


def insert_trials(connection: sqlite3.Connection, trials: Iterable[TrialRecord]) -> None:
    """Append configurations; ``sqlite3.IntegrityError`` where one exists already."""
    connection.executemany(
        f"INSERT INTO trials VALUES ({', '.join('?' * 12)})", [_trial_row(trial) for trial in trials]
    )


def _trial_row(trial: TrialRecord) -> tuple[Any, ...]:
    return (trial.key.config_id, trial.key.seed, trial.position, trial.configuration.to_json(), *condition(trial))


def condition(trial: TrialRecord) -> tuple[Any, ...]:
    """Return the values of the columns that change, from ``budget`` on."""
    checkpoint = trial.checkpoint
    reference = (
        (None, None, None, None)
        if checkpoint is None
        else (checkpoint.file, checkpoint.sha256, checkpoint.row, checkpoint.epoch)
    )
    return (trial.budget, trial.state, trial.reason, trial.epoch, *reference)


def trial_of(row: sqlite3.Row) -> TrialRecord:
    """Return the record of a row of ``trials``; ``ValueError`` or ``TypeError`` where the row is damaged."""
    checkpoint = None
    if row["checkpoint"] is not None:
        checkpoint = CheckpointRef(
            file=row["checkpoint"],
            sha256=row["checkpoint_sha256"],
            row=row["checkpoint_row"],
            epoch=row["checkpoint_epoch"],
        )
    return TrialRecord(
        key=TrialKey(row["config_id"], row["seed"]),
        position=row["position"],
        configuration=Configuration.from_json(row["configuration"]),
        budget=row["budget"],
        state=State(row["state"]),
        reason=row["reason"],
        epoch=row["epoch"],
        checkpoint=checkpoint,
    )


def decision_of(row: sqlite3.Row) -> Decision:
    """Return the record of a row of ``decisions``."""
    return Decision(
        key=TrialKey(row["config_id"], row["seed"]),
        epoch=row["epoch"],
        score=row["score"],
        cutoff=row["cutoff"],
        promoted=bool(row["promoted"]),
    )


def stage_score_row(score: StageScore) -> tuple[Any, ...]:
    """Return the row of a stage's score, without its stage."""
    detail = score.tuning.to_json() if score.tuning else "{}"
    scores = [getattr(score.scores, name) for name in SCORES]
    return (score.variant, score.seed, score.side, score.epoch, *scores, detail)


def segment_row(segment: SegmentRecord) -> tuple[Any, ...]:
    """Return a segment as a row of ``segments``."""
    return (
        segment.segment_id,
        segment.first_epoch,
        segment.last_epoch,
        json.dumps([[key.config_id, key.seed] for key in segment.keys]),
        segment.seconds,
        segment.host,
        segment.started,
        segment.checkpoint,
        segment.sha256,
        segment.error,
    )


def segment_of(row: sqlite3.Row) -> SegmentRecord:
    """Return the record of a row of ``segments``; ``ValueError`` or ``TypeError`` where its members are damaged."""
    members = row["members"]
    values = {name: row[name] for name in row.keys() if name != "members"}  # noqa: SIM118 - a row iterates over values
    return SegmentRecord(keys=tuple(TrialKey(config_id, seed) for config_id, seed in json.loads(members)), **values)
