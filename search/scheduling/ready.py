"""Ready configurations, by the key of the stacks that they form; the most urgent key is found without a look at all."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from results.record.records import TrialRecord
from search.scheduling.cost_model import CostModel
from trainables.stacking import Batches, batches, network

_KEYS = 64
"""Keys for each observed segment after which all are ranked anew: where there are more, ranks are a little old."""


@dataclass(frozen=True)
class SegmentKey:
    """Properties that the members of a segment have in common."""

    batches: Batches
    seed: int
    epoch: int
    """Epochs that each of them has trained."""

    @classmethod
    def of(cls, trial: TrialRecord) -> SegmentKey:
        """Return the key of a configuration at its current epoch."""
        return cls(batches(trial.configuration), trial.key.seed, trial.epoch)


class ReadyStack:
    """Ready configurations of one key, in the order in which they form stacks."""

    def __init__(self, key: SegmentKey, order: int) -> None:
        self.key, self.order = key, order
        self._heap: list[tuple[tuple[Any, ...], TrialRecord]] = []
        self.epochs = 0
        """Epochs that all of them together have still to train."""
        self.work = 0.0
        """Seconds up to their next rungs."""
        self.ranked = 0
        """Times that it was ranked: a rank of before is none."""

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def first(self) -> TrialRecord:
        """The configuration that begins the next stack."""
        return self._heap[0][1]

    def add(self, trial: TrialRecord) -> None:
        """Add a configuration."""
        heapq.heappush(self._heap, (_stack_order(trial), trial))
        self.epochs += trial.budget - trial.epoch

    def take(self, count: int) -> list[TrialRecord]:
        """Return the next configurations, and keep them no longer."""
        taken = [heapq.heappop(self._heap)[1] for _ in range(min(count, len(self._heap)))]
        self.epochs -= sum(trial.budget - trial.epoch for trial in taken)
        return taken


class ReadyStacks:
    """All ready configurations: full stacks first, then the keys with the most work ahead of them.

    ``seconds_to_rung`` returns the seconds that a configuration takes up to its next rung.
    """

    def __init__(self, full: int, costs: CostModel, seconds_to_rung: Callable[[TrialRecord], float]) -> None:
        self._full, self._costs, self._seconds_to_rung = full, costs, seconds_to_rung
        self._stacks: dict[SegmentKey, ReadyStack] = {}
        self._ranks: list[tuple[bool, float, int, int, ReadyStack]] = []
        self._revision, self._made = costs.revision, 0
        self.work = 0.0
        """Seconds up to the next rungs of all."""

    def __bool__(self) -> bool:
        return bool(self._stacks)

    def add(self, trials: Iterable[TrialRecord]) -> None:
        """Make configurations ready."""
        touched: dict[SegmentKey, ReadyStack] = {}
        for trial in trials:
            key = SegmentKey.of(trial)
            if key not in self._stacks:
                self._stacks[key] = ReadyStack(key, self._made)
                self._made += 1
            self._stacks[key].add(trial)
            touched[key] = self._stacks[key]
        for stack in touched.values():
            self._rank(stack)

    def most_urgent(self) -> ReadyStack:
        """Return the stack of the most urgent key, of equals the one that was ready first; some must be ready."""
        if self._costs.revision - self._revision > len(self._stacks) // _KEYS:
            self._rank_all()
        while True:
            *_, ranked, stack = self._ranks[0]
            if stack.ranked == ranked:
                return stack
            heapq.heappop(self._ranks)

    def take(self, stack: ReadyStack, count: int) -> list[TrialRecord]:
        """Return the next configurations of a stack, which are ready no longer."""
        taken = stack.take(count)
        if stack:
            self._rank(stack)
        else:
            stack.ranked += 1
            self.work -= stack.work
            del self._stacks[stack.key]
        return taken

    def _rank(self, stack: ReadyStack) -> None:
        before, stack.work = stack.work, len(stack) * self._seconds_to_rung(stack.first)
        self.work += stack.work - before
        stack.ranked += 1
        per_epoch = self._costs.seconds_per_epoch(stack.first.configuration)
        rank = (len(stack) < self._full, -stack.epochs * per_epoch, stack.order, stack.ranked, stack)
        heapq.heappush(self._ranks, rank)

    def _rank_all(self) -> None:
        self._revision = self._costs.revision
        self._ranks, self.work = [], 0.0
        for stack in self._stacks.values():
            stack.work = 0.0
            self._rank(stack)


def _stack_order(trial: TrialRecord) -> tuple[Any, ...]:
    """Return a sort key that keeps members of a budget together: the shortest would cut the segment of the others."""
    return trial.budget, network(trial.configuration), trial.position
