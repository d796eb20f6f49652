"""``RecordWriter``: the writes of a study's one driver, in transactions."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any

from results.judging.ensemble import ENSEMBLE, Ensemble
from results.judging.judgement import Judgement
from results.judging.trees import TunedTrees
from results.record.facts import Fact, seconds_of
from results.record.reading import RecordReader, StudyError
from results.record.records import (
    CurveRow,
    Decision,
    SegmentRecord,
    StageEpoch,
    StageProgress,
    StageScore,
    State,
    TrialKey,
    TrialRecord,
)
from results.record.schema import METRICS, condition, insert_trials, segment_row, stage_score_row


class RecordWriter(RecordReader):
    """A connection to a study's database, through which its driver writes."""

    def __init__(self, directory: Path, connection: sqlite3.Connection) -> None:
        super().__init__(directory, connection)
        self._withdrawn = ""

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

    def set_fact(self, name: str, value: str) -> None:
        """Record a fact, for the names see ``Fact``, replacing an older one of that name."""
        with self.transaction():
            self.add_facts({name: value})

    def add_facts(self, facts: Mapping[str, str]) -> None:
        """Write facts by name, inside a transaction; older ones of their names are replaced."""
        self._replace_rows("facts", facts.items())

    def set_stage_progress(self, progress: StageProgress) -> None:
        """Record how far the stage is that runs."""
        self.set_fact(Fact.STAGE_PROGRESS, json.dumps(asdict(progress)))

    def add_judgements(self, judgements: Iterable[Judgement]) -> None:
        """Write judgements, inside a transaction; older ones of their models are replaced."""
        found = list(judgements)
        kept = [one for one in self.judgements if one.model not in {new.model for new in found}]
        self.add_facts({Fact.JUDGEMENTS: json.dumps([one.to_json() for one in (*kept, *found)], ensure_ascii=False)})

    def add_ensemble(self, ensemble: Ensemble, judgements: Iterable[Judgement]) -> None:
        """Write an ensemble and its judgements, inside a transaction; an older one is replaced."""
        self.add_facts({Fact.ENSEMBLE: json.dumps(ensemble.to_json(), ensure_ascii=False)})
        self.add_judgements(judgements)

    def add_trees(self, trees: TunedTrees, judgements: Iterable[Judgement]) -> None:
        """Write trees tuned beside the sweep and their judgements, inside a transaction; older ones are replaced."""
        self.add_facts({Fact.TREES: json.dumps(trees.to_json(), ensure_ascii=False)})
        self.add_judgements(judgements)

    def forget_ensemble(self) -> None:
        """Remove the ensemble and its judgements, inside a transaction."""
        kept = [one.to_json() for one in self.judgements if one.model != ENSEMBLE]
        self.add_facts({Fact.ENSEMBLE: "", Fact.JUDGEMENTS: json.dumps(kept, ensure_ascii=False)})

    def set_seconds_spent(self, stage: str, seconds: float) -> None:
        """Record the seconds that interrupted commands spent on a stage."""
        self.set_fact(seconds_of(stage), str(seconds))

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

    def set_positions(self, positions: Mapping[TrialKey, int]) -> None:
        """Write the places of configurations in a search space that has grown, inside a transaction."""
        self._connection.executemany(
            "UPDATE trials SET position = ? WHERE config_id = ? AND seed = ?",
            [(place, key.config_id, key.seed) for key, place in positions.items()],
        )

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
            self.add_facts({seconds_of(stage): str(row[0])})
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
        self._connection.execute(f"INSERT INTO segments VALUES ({', '.join('?' * 10)})", segment_row(segment))

    def add_stage(self, stage: str, seconds: float, peak_megabytes: float, note: str | None) -> None:
        """Write a stage, inside a transaction; an older one of that name is replaced."""
        self._replace_rows("stages", [(stage, seconds, peak_megabytes, note)])

    def add_stage_curves(self, stage: str, epochs: Iterable[StageEpoch]) -> None:
        """Write epochs of a stage's networks, inside a transaction; older ones of their keys are replaced."""
        self._replace_rows("stage_curves", [(stage, *astuple(epoch)) for epoch in epochs])

    def add_stage_scores(self, stage: str, scores: Iterable[StageScore]) -> None:
        """Write scores of a stage's models, inside a transaction; older ones of their keys are replaced."""
        self._replace_rows("stage_scores", [(stage, *stage_score_row(score)) for score in scores])

    def _replace_rows(self, table: str, rows: Iterable[Sequence[Any]]) -> None:
        for row in rows:
            marks = ", ".join("?" * len(row))
            self._connection.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", tuple(row))
