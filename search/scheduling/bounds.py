"""Bounds of a command: a time, a number of epochs, a target or a plateau, after which it hands out no more work.

Segments in flight end and are committed. A bound is the command's, not the study's: the next command goes on.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from data.errors import InputError
from results.record.records import TrialRecord
from search.scheduling.coordinator import Outcome
from search.scheduling.segments import Segment


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """The bounds of a command; ``None`` for those that it does not have. Raises ``InputError`` for impossible ones."""

    minutes: float | None = None
    """Minutes of the whole command, Ray's start among them."""
    max_epochs_total: int | None = None
    """Epochs of all configurations together, those of earlier commands among them."""
    target: float | None = None
    """Validation accuracy, in (0, 1]."""
    patience_trials: int | None = None
    """Configurations that end, one after another, without a better best."""

    def __post_init__(self) -> None:
        for name in ("minutes", "max_epochs_total", "patience_trials"):
            value = getattr(self, name)
            if value is not None and not (value > 0 and math.isfinite(value)):
                raise InputError(f"--{name.replace('_', '-')} must be above 0, but got {value}")
        if self.target is not None and not 0 < self.target <= 1:
            raise InputError(f"--target is a validation accuracy above 0 and at most 1, but got {self.target}")


NO_BOUNDS = Bounds()


class Limit:
    """The work of a command, held against its bounds; the time is counted from here on."""

    def __init__(self, bounds: Bounds = NO_BOUNDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._bounds, self._clock, self._started = bounds, clock, clock()
        self._trained = 0
        self._best = -math.inf
        self._since_best = 0
        self.reason: str | None = None
        """The bound that was reached, as a sentence; ``None`` before one is."""

    def begin(self, trials: Iterable[TrialRecord], best: float) -> None:
        """Take up what earlier commands have done: their epochs, and the best validation accuracy, NaN without one."""
        self._trained = sum(trial.epoch for trial in trials)
        self._best = -math.inf if math.isnan(best) else best

    def observe(self, outcome: Outcome) -> None:
        """Take up a committed segment."""
        self.add(len(outcome.curves))
        self._since_best += sum(trial.state.is_final for trial in outcome.trials.values())
        found = max((row.val_accuracy for row in outcome.curves if not math.isnan(row.val_accuracy)), default=-math.inf)
        if found > self._best:
            self._best, self._since_best = found, 0

    def add(self, epochs: int) -> None:
        """Count epochs that were trained."""
        self._trained += epochs

    def reached(self, in_flight: Iterable[Segment] = ()) -> bool:
        """Return True where a bound is reached, the epochs of segments in flight counted as trained."""
        if self.reason is None:
            self.reason = self._reached(self._trained + sum(map(epochs_of, in_flight)))
        return self.reason is not None

    def _reached(self, epochs: int) -> str | None:
        bounds = self._bounds
        if bounds.minutes is not None and self._clock() - self._started >= 60 * bounds.minutes:
            return f"the {bounds.minutes:g} minutes of --minutes are over"
        if bounds.max_epochs_total is not None and epochs >= bounds.max_epochs_total:
            return f"the {bounds.max_epochs_total:,} epochs of --max-epochs-total are trained"
        if bounds.target is not None and self._best >= bounds.target:
            return f"the validation accuracy {self._best:.4f} has reached --target {bounds.target:g}"
        if bounds.patience_trials is not None and self._since_best >= bounds.patience_trials:
            return f"{self._since_best:,} configurations have ended without a better best (--patience-trials)"
        return None


def epochs_of(segment: Segment) -> int:
    """Return the epochs of all members of a segment together."""
    return len(segment.keys) * (segment.last_epoch - segment.first_epoch + 1)
