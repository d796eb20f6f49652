"""The queue of segments: the next stack to train, its first epoch and its last.

A configuration is *ready* when nothing of it is in flight and no rung keeps it waiting. Ready configurations with the
same key form stacks; the queue hands out the dearest stack first, up to the next rung or a few seconds of work.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from results.record.records import CheckpointRef, TrialKey, TrialRecord
from search.scheduling.cost_model import CostModel
from search.scheduling.ready import ReadyStacks
from spaces import Configuration
from trainables.segment_protocol import Member, MemberCheckpoint, SegmentTask
from trainables.stacking import network

_LARGEST_STACK = {"cpu": 32, "cuda": 256}
"""Default for the members of a stack. On a CPU more would save little, and all of them would be lost with a worker; on
a GPU they train at once, so that a stack is as wide as there are configurations of its key."""

_LEAST_SECONDS = 0.5
"""Least work that is worth a segment: each costs about 0.15 s on top."""


@dataclass(frozen=True, kw_only=True)
class Segment:
    """Work for one Tune trial: these members, through these epochs, from these checkpoints."""

    segment_id: str
    keys: tuple[TrialKey, ...]
    configurations: tuple[Configuration, ...]
    sources: tuple[CheckpointRef | None, ...]
    """Newest state of each member; ``None`` before the first epoch."""
    first_epoch: int
    last_epoch: int
    seed: int

    @property
    def task(self) -> SegmentTask:
        """The order to a worker."""
        members = zip(self.keys, self.configurations, self.sources, strict=True)
        return SegmentTask(
            segment_id=self.segment_id,
            members=tuple(_member(key, configuration, source) for key, configuration, source in members),
            first_epoch=self.first_epoch,
            last_epoch=self.last_epoch,
            seed=self.seed,
        )


def _member(key: TrialKey, configuration: Configuration, source: CheckpointRef | None) -> Member:
    place = None if source is None else MemberCheckpoint(file=source.file, sha256=source.sha256, row=source.row)
    return Member(config_id=key.config_id, configuration=configuration, source=place)


class SegmentQueue:
    """Ready configurations, handed out as segments.

    ``rungs`` are the epochs at which a segment must end; ``stack_size`` bounds the members of a stack. ``None`` makes
    stacks as large as pays, and smaller where that would leave one of the ``workers`` without work.
    """

    def __init__(
        self,
        rungs: Sequence[int],
        stack_size: int | None,
        costs: CostModel,
        *,
        first_number: int = 0,
        seconds: float = 5.0,
        workers: int = 1,
    ) -> None:
        self._rungs = sorted(rungs)
        self._stack_size = stack_size or _LARGEST_STACK[costs.device]
        self._evenly = stack_size is None and costs.device == "cpu"
        self._costs = costs
        self._seconds = seconds
        self._number = first_number
        self.workers = workers
        self._ready = ReadyStacks(self._stack_size, costs, self._seconds_to_rung)
        self._retries: list[tuple[TrialRecord, ...]] = []

    @property
    def empty(self) -> bool:
        """True where nothing is ready."""
        return not self._retries and not self._ready

    def add(self, trials: Iterable[TrialRecord]) -> None:
        """Make configurations ready."""
        self._ready.add(trials)

    def add_stacks(self, stacks: Iterable[Sequence[TrialRecord]]) -> None:
        """Add stacks to be trained as they are, before all others: a stack that failed, or its halves."""
        self._retries.extend(tuple(stack) for stack in stacks if stack)

    def observe(self, segment: Segment, seconds: float) -> None:
        """Take up the seconds of a segment, for the length of those to come; a simulated one took none."""
        epochs = segment.last_epoch - segment.first_epoch + 1
        if seconds > 0:
            self._costs.observe(segment.configurations, seconds / epochs)

    def next(self) -> Segment | None:
        """Return the dearest stack that is ready, full stacks before others; ``None`` where nothing is ready."""
        if self._retries:
            return self._segment(self._retries.pop(0))
        if not self._ready:
            return None
        stack = self._ready.most_urgent()
        members = self._ready.take(stack, self._members(stack.first))
        return self._segment(tuple(sorted(members, key=_member_order)))

    def _members(self, first: TrialRecord) -> int:
        """Return the size of the next stack: a full one, or a worker's even share of the work up to the next rungs."""
        if not self._evenly:
            return self._stack_size
        share = max(self._ready.work / self.workers, _LEAST_SECONDS)
        return min(self._stack_size, math.ceil(share / self._seconds_to_rung(first)))

    def _seconds_to_rung(self, trial: TrialRecord) -> float:
        epochs = self._goal(trial) - trial.epoch
        return epochs * self._costs.seconds_per_epoch(trial.configuration)

    def _goal(self, trial: TrialRecord) -> int:
        """Return the epoch of the next rung, or else the end of the budget."""
        return min([trial.budget, *[rung for rung in self._rungs if rung > trial.epoch][:1]])

    def _segment(self, members: tuple[TrialRecord, ...]) -> Segment:
        self._number += 1
        return Segment(
            segment_id=f"{self._number:06d}",
            keys=tuple(trial.key for trial in members),
            configurations=tuple(trial.configuration for trial in members),
            sources=tuple(trial.checkpoint for trial in members),
            first_epoch=members[0].epoch + 1,
            last_epoch=self._last_epoch(members),
            seed=members[0].key.seed,
        )

    def _last_epoch(self, members: Sequence[TrialRecord]) -> int:
        """Return the next rung, the end of the shortest budget, or a few seconds of work, whichever comes first."""
        epoch = members[0].epoch
        per_epoch = self._costs.stack_seconds([trial.configuration for trial in members])
        return min(*map(self._goal, members), epoch + max(1, round(self._seconds / per_epoch)))


def _member_order(trial: TrialRecord) -> tuple[Any, ...]:
    """Return a sort key that puts the members of a stack beside each other, and within it those of an optimiser."""
    return network(trial.configuration), trial.configuration.optimizer, trial.position
