"""Progress as lines of a log, where there is no terminal: one for each rung that is reached, at most one a minute."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console

from results.record.stage_records import StageRecord
from results.record.study import Study
from search.cli.progress.text import at_once, one_line, stage_progress_text
from search.scheduling.coordinator import Coordinator, Outcome
from search.scheduling.listener import CountingListener
from search.scheduling.progress import Progress

LEAST_SECONDS, _MOST_SECONDS = 60.0, 600.0
"""Seconds between two lines: at least, and where no rung is reached, twice the last each time up to the second."""


class Pacer:
    """Judge of the moments at which a log gets a line: a rung reached for the first time, or a long time since."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._wait = clock, LEAST_SECONDS
        self._last, self._rungs = clock(), 0

    def begin(self, progress: Progress) -> None:
        """Wait anew from here: this has been said."""
        self._last, self._rungs = self._clock(), len(progress.rungs)

    def is_due(self, progress: Progress) -> bool:
        """Return True where a line is due; it then is taken to be said."""
        since, reached = self._clock() - self._last, len(progress.rungs) > self._rungs
        if since < (LEAST_SECONDS if reached else self._wait):
            return False
        if not reached:
            self._wait = min(2 * self._wait, _MOST_SECONDS)
        self.begin(progress)
        return True


class PlainProgress(CountingListener):
    """Progress as a line now and then, for a log."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._console, self._clock = console, clock
        self._pacer = Pacer(clock)
        self._said_stage = clock()

    def started(self, study: Study, slots: int) -> None:
        """Print where the study is, the number of workers, and how far it is."""
        super().started(study, slots)
        if self.counter is not None:
            self._console.print(f"{study.directory}, {at_once(slots)}: {one_line(self.counter.progress)}")
            self._pacer.begin(self.counter.progress)

    def resized(self, slots: int) -> None:
        """Show the new number of workers."""
        self._console.print(at_once(slots))

    def segment(self, coordinator: Coordinator, outcome: Outcome) -> None:
        """Print a line, where one is due."""
        super().segment(coordinator, outcome)
        if self.counter is not None and self._pacer.is_due(progress := self.counter.progress):
            self._console.print(one_line(progress))

    def stopping(self, in_flight: int) -> None:
        """Say that the segments in flight are waited for."""
        self._console.print(stopping_text(in_flight))

    def stage(self, name: str) -> None:
        """Name the stage that begins."""
        self._console.print(f"stage: {name}", markup=False)
        self._said_stage = self._clock()

    def stage_progress(self, done: int, total: int, what: str) -> None:
        """Print a line, at most one a minute."""
        if self._clock() - self._said_stage >= LEAST_SECONDS:
            self._console.print(stage_progress_text(done, total, what), markup=False)
            self._said_stage = self._clock()

    def stage_done(self, record: StageRecord) -> None:
        """Print what the stage took."""
        self._console.print(stage_text(record), markup=False)


def stopping_text(in_flight: int) -> str:
    """Return a line on the segments in flight, which are waited for."""
    return f"finishing {in_flight} segments in flight (Ctrl-C again stops at once)"


def stage_text(record: StageRecord) -> str:
    """Return a line on a stage that is done."""
    return f"{record.stage}: {record.seconds:.0f} s"
