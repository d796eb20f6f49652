"""Callbacks for a study's progress."""

from __future__ import annotations

from collections.abc import Sequence

from results.record.stage_records import StageRecord
from results.record.study import Study
from search.scheduling.coordinator import Coordinator, Outcome
from search.scheduling.progress import ProgressCounter


class Listener:
    """Callbacks for a study's progress; these do nothing."""

    def waiting(self, what: str) -> None:
        """Note what the command does before it can train, such as reading the tracks."""

    def started(self, study: Study, slots: int) -> None:
        """Note that Ray is up and the first segments are about to be handed out."""

    def resized(self, slots: int) -> None:
        """Note that nodes have joined the cluster or left it."""

    def suggested(self, coordinator: Coordinator, outcome: Outcome) -> None:
        """Note that configurations that a search has suggested have been committed."""

    def segment(self, coordinator: Coordinator, outcome: Outcome) -> None:
        """Note that a segment has been committed."""

    def stopping(self, in_flight: int) -> None:
        """Note that the user has asked to stop."""

    def stage(self, name: str) -> None:
        """Note that a stage begins."""

    def stage_progress(self, done: int, total: int, what: str) -> None:
        """Note that so many of a stage's pieces of work are done; ``what`` names them, such as ``titles``."""

    def stage_done(self, record: StageRecord) -> None:
        """Note that a stage has been committed."""


class CountingListener(Listener):
    """A listener that counts a study's progress."""

    def __init__(self) -> None:
        self.counter: ProgressCounter | None = None
        """``None`` before the study has started."""

    def started(self, study: Study, slots: int) -> None:
        """Begin to count, from what earlier commands have done."""
        self.counter = ProgressCounter(study)

    def suggested(self, coordinator: Coordinator, outcome: Outcome) -> None:
        """Count new configurations."""
        if self.counter is not None:
            self.counter.suggested(coordinator, outcome.suggested)

    def segment(self, coordinator: Coordinator, outcome: Outcome) -> None:
        """Count a segment."""
        if self.counter is not None:
            self.counter.add(outcome)


class Listeners(Listener):
    """Several listeners as one."""

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self._listeners = listeners

    def waiting(self, what: str) -> None:
        """Pass it on to each."""
        for listener in self._listeners:
            listener.waiting(what)

    def started(self, study: Study, slots: int) -> None:
        """Pass it on to each."""
        for listener in self._listeners:
            listener.started(study, slots)

    def resized(self, slots: int) -> None:
        """Pass it on to each."""
        for listener in self._listeners:
            listener.resized(slots)

    def suggested(self, coordinator: Coordinator, outcome: Outcome) -> None:
        """Pass it on to each."""
        for listener in self._listeners:
            listener.suggested(coordinator, outcome)

    def segment(self, coordinator: Coordinator, outcome: Outcome) -> None:
        """Pass it on to each."""
        for listener in self._listeners:
            listener.segment(coordinator, outcome)

    def stopping(self, in_flight: int) -> None:
        """Pass it on to each."""
        for listener in self._listeners:
            listener.stopping(in_flight)

    def stage(self, name: str) -> None:
        """Pass it on to each."""
        for listener in self._listeners:
            listener.stage(name)

    def stage_progress(self, done: int, total: int, what: str) -> None:
        """Pass it on to each."""
        for listener in self._listeners:
            listener.stage_progress(done, total, what)

    def stage_done(self, record: StageRecord) -> None:
        """Pass it on to each."""
        for listener in self._listeners:
            listener.stage_done(record)
