"""Progress of a running sweep, on standard error: standard output is for results."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import isnan

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from results.record.records import State
from results.record.stage_records import StageRecord
from results.record.study import Study
from search.scheduling.coordinator import Coordinator, Outcome
from search.scheduling.listener import Listener

_FIRST_SECONDS, _MOST_SECONDS = 15.0, 600.0
"""Seconds between two lines where there is no terminal: each wait is twice the one before, so that logs stay short."""


class _Tally(Listener):
    """Counter of ended configurations and trained epochs, with the best accuracy so far."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._best = float("nan")
        self._epochs = self._total = self._ended = 0

    def started(self, study: Study, slots: int) -> None:
        """Start the counts from the record."""
        trials = study.trials()
        self._ended = sum(trial.state.is_final for trial in trials)
        self._epochs = sum(trial.epoch for trial in trials)
        self._best = study.best_accuracy()
        self._total = study.settings.suggested or len(trials)

    def _words(self, coordinator: Coordinator, outcome: Outcome) -> str:
        """Return the progress after one more segment, in words."""
        self._ended = coordinator.ended
        self._epochs += len(outcome.curves)
        scores = [row.val_accuracy for row in outcome.curves if not isnan(row.val_accuracy)]
        self._best = max([*scores, self._best], key=lambda score: -1.0 if score != score else score)
        lost = [f"{coordinator.states[s]} {s}" for s in (State.DIVERGED, State.FAILED) if coordinator.states[s]]
        said = [f"{self._ended}/{self._total} ended", *lost, f"{self._epochs:,} epochs", f"best {self._best:.4f}"]
        return ", ".join(said)

    def stopping(self, in_flight: int) -> None:
        """Say that the segments in flight are waited for."""
        self._console.print(f"finishing {in_flight} segments in flight (Ctrl-C again stops at once)")

    def stage_done(self, record: StageRecord) -> None:
        """Print a line that stays."""
        self._console.print(f"{record.stage}: {record.seconds:.0f} s", markup=False)


class PlainProgress(_Tally):
    """Progress as a line now and then, for a log."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(console)
        self._clock, self._wait = clock, _FIRST_SECONDS
        self._next = 0.0

    def started(self, study: Study, slots: int) -> None:
        """Print the number of workers."""
        super().started(study, slots)
        self._console.print(f"{_at_once(slots)}: {self._ended}/{self._total} ended")
        self._next = self._clock() + self._wait

    def resized(self, slots: int) -> None:
        """Show the new number of workers."""
        self._console.print(_at_once(slots))

    def segment(self, coordinator: Coordinator, outcome: Outcome) -> None:
        """Print a line, where the last is not too recent."""
        words = self._words(coordinator, outcome)
        if self._clock() >= self._next:
            self._console.print(words)
            self._wait = min(2 * self._wait, _MOST_SECONDS)
            self._next = self._clock() + self._wait

    def stage(self, name: str) -> None:
        """Name the stage that begins."""
        self._console.print(f"stage: {name}", markup=False)


class LiveProgress(_Tally):
    """Progress as one line that changes in its place."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._task: TaskID | None = None
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[said]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )

    def __enter__(self) -> LiveProgress:
        self._progress.start()
        self._waiting = self._progress.add_task("reading the tracks, starting Ray", total=None, said="")
        return self

    def __exit__(self, *exc: object) -> None:
        self._progress.stop()

    def started(self, study: Study, slots: int) -> None:
        """Replace the waiting line by the bar."""
        super().started(study, slots)
        self._progress.update(self._waiting, visible=False)
        said = f"{self._ended}/{self._total}"
        self._task = self._progress.add_task(_at_once(slots), total=self._total, completed=self._ended, said=said)

    def resized(self, slots: int) -> None:
        """Show the new number of workers."""
        if self._task is not None:
            self._progress.update(self._task, description=_at_once(slots))

    def segment(self, coordinator: Coordinator, outcome: Outcome) -> None:
        """Move the bar."""
        if self._task is not None:
            self._progress.update(self._task, said=self._words(coordinator, outcome), completed=coordinator.ended)

    def stage(self, name: str) -> None:
        """Name the stage that begins."""
        self._progress.update(self._waiting, description=f"stage: {name}", visible=True)


def _at_once(slots: int) -> str:
    return f"training, {slots} at once" if slots else "waiting for a node that can hold a segment"
