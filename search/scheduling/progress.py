"""Progress of a study as data: counted by the driver segment by segment, or read from the record by anyone.

Both ways give equal values: the driver reads the record once, as it begins, and from then on adds what it commits.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from results.record.records import CurveRow, SegmentRecord, State, TrialKey, TrialRecord
from results.record.study import Study
from search.planning.trials import longest_budget
from search.scheduling.coordinator import Coordinator, Outcome
from spaces import Configuration

_RECENT = 64
"""Segments by which the pace is measured: the newest by their numbers."""


@dataclass(frozen=True, order=True)
class RungProgress:
    """The number of configurations judged at a rung so far, and of those that it let go on."""

    epoch: int
    judged: int
    promoted: int


@dataclass(frozen=True, kw_only=True)
class Best:
    """The best epoch so far; of equals the earlier epoch, then the earlier configuration."""

    key: TrialKey
    epoch: int
    val_accuracy: float
    configuration: Configuration


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The work of a study's plan, and how far it is done."""

    total: int
    """Epochs of the plan: the budgets of all configurations, those that a search has yet to suggest among them."""
    trained: int
    """Epochs trained and committed."""
    saved: int
    """Epochs of their budgets that configurations which have ended will not train."""
    configurations: int
    """Configurations of the plan, each seed counted."""
    ended: Mapping[State, int] = field(default_factory=dict)
    """Configurations that have ended, by how; states without any are left out."""
    rungs: tuple[RungProgress, ...] = ()
    """Rungs that have judged any configuration, lowest first."""
    best: Best | None = None
    """The best so far; ``None`` before the first score."""
    pace: float | None = None
    """Seconds by the clock for each epoch trained of late; ``None`` before the first segment."""

    @property
    def done(self) -> int:
        """Epochs of the plan that nothing is left to do for: trained, or saved."""
        return self.trained + self.saved

    @property
    def ended_count(self) -> int:
        """Configurations that have ended."""
        return sum(self.ended.values())

    @property
    def seconds_left(self) -> float | None:
        """Seconds that the rest will take, if as large a share of it is saved as so far; ``None`` where unknown."""
        if self.pace is None or not self.done:
            return None
        return (self.total - self.done) * self.pace * self.trained / self.done

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        best = self.best
        return {
            "total_epochs": self.total,
            "trained_epochs": self.trained,
            "saved_epochs": self.saved,
            "configurations": self.configurations,
            "ended": {str(state): count for state, count in self.ended.items()},
            "rungs": [asdict(rung) for rung in self.rungs],
            "best": best
            and {
                "config_id": best.key.config_id,
                "seed": best.key.seed,
                "epoch": best.epoch,
                "val_accuracy": best.val_accuracy,
                "configuration": json.loads(best.configuration.to_json()),
            },
            "seconds_left": self.seconds_left,
        }


class ProgressCounter:
    """Counter of a study's progress: begun from the record, and moved on by each outcome."""

    def __init__(self, study: Study) -> None:
        settings = study.settings
        trials = study.trials()
        asked = 0 if settings.trials is None or settings.search != "optuna" or study.ran_out else settings.trials
        self._unknown = max(0, asked - len({trial.key.config_id for trial in trials})) * settings.repeats
        self._unknown_budget = longest_budget(settings) or settings.epochs
        self._trials: dict[TrialKey, TrialRecord] = {}
        self._total = self._trained = self._saved = 0
        self._ended: Counter[State] = Counter()
        self._take(trials)
        self._rungs = {epoch: (judged, promoted) for epoch, judged, promoted in study.rung_counts()}
        self._recent = {segment.segment_id: segment for segment in study.newest_segments(_RECENT)}
        row = study.best_epoch()
        self._best = row and self._candidate(*row)

    @property
    def progress(self) -> Progress:
        """The progress so far."""
        return Progress(
            total=self._total + self._unknown * self._unknown_budget,
            trained=self._trained,
            saved=self._saved,
            configurations=len(self._trials) + self._unknown,
            ended={state: self._ended[state] for state in State if self._ended[state]},
            rungs=tuple(RungProgress(epoch, *self._rungs[epoch]) for epoch in sorted(self._rungs)),
            best=self._best,
            pace=_pace(self._recent.values()),
        )

    def suggested(self, coordinator: Coordinator, trials: Sequence[TrialRecord]) -> None:
        """Count configurations that a search has added."""
        self._take(trials)
        self._unknown = coordinator.to_come

    def add(self, outcome: Outcome) -> None:
        """Count a committed segment."""
        self._take(outcome.trials.values())
        for decision in outcome.decisions:
            judged, promoted = self._rungs.get(decision.epoch, (0, 0))
            self._rungs[decision.epoch] = judged + 1, promoted + decision.promoted
        for row in outcome.curves:
            self._improve(row)
        if outcome.segment is not None and outcome.segment.error is None:
            self._recent[outcome.segment.segment_id] = outcome.segment
            while len(self._recent) > _RECENT:
                del self._recent[min(self._recent)]

    def _take(self, trials: Iterable[TrialRecord]) -> None:
        """Count configurations as they now are, in place of what they were."""
        for trial in trials:
            if (before := self._trials.get(trial.key)) is not None:
                self._count(before, -1)
            self._count(trial, 1)
            self._trials[trial.key] = trial

    def _count(self, trial: TrialRecord, sign: int) -> None:
        self._total += sign * trial.budget
        self._trained += sign * trial.epoch
        if trial.state.is_final:
            self._saved += sign * (trial.budget - trial.epoch)
            self._ended[trial.state] += sign

    def _improve(self, row: CurveRow) -> None:
        if row.val_accuracy != row.val_accuracy:
            return
        found = self._candidate(row.key, row.epoch, row.val_accuracy)
        if self._best is None or self._rank(found) > self._rank(self._best):
            self._best = found

    def _candidate(self, key: TrialKey, epoch: int, accuracy: float) -> Best:
        return Best(key=key, epoch=epoch, val_accuracy=accuracy, configuration=self._trials[key].configuration)

    def _rank(self, best: Best) -> tuple[float, int, int, int]:
        return best.val_accuracy, -best.epoch, -self._trials[best.key].position, -best.key.seed


def read_progress(study: Study) -> Progress:
    """Return a study's progress from its record alone, all of one moment."""
    with study.snapshot():
        return ProgressCounter(study).progress


def _pace(segments: Iterable[SegmentRecord]) -> float | None:
    """Return the seconds by the clock for each epoch of these segments, without the gaps between them."""
    covered, until, epochs = 0.0, float("-inf"), 0
    for segment in sorted(segments, key=lambda segment: segment.started):
        covered += max(0.0, segment.ended - max(segment.started, until))
        until = max(until, segment.ended)
        epochs += len(segment.keys) * (segment.last_epoch - segment.first_epoch + 1)
    return covered / epochs if epochs else None
