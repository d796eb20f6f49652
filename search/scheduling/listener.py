"""Who is told how far a study is."""

from __future__ import annotations

from results.record.stage_records import StageRecord
from results.record.study import Study
from search.scheduling.coordinator import Coordinator, Outcome


class Listener:
    """What is told of a study's progress; this one says nothing."""

    def started(self, study: Study, slots: int) -> None:
        """Ray is up and the first segments are about to be handed out."""

    def resized(self, slots: int) -> None:
        """Nodes have joined the cluster or left it."""

    def segment(self, coordinator: Coordinator, outcome: Outcome) -> None:
        """A segment has been committed."""

    def stopping(self, in_flight: int) -> None:
        """The user has asked to stop."""

    def stage(self, name: str) -> None:
        """A stage begins."""

    def stage_done(self, record: StageRecord) -> None:
        """A stage has been committed."""
