"""How long a sweep takes on a cluster, from a few measured numbers: a model of its queue, and the table that it makes.

The queue of ``search.scheduling.segments`` is played through with configurations that all cost the same, in a few
kinds that cannot share a stack: a segment ends at the next rung or after about 5 s, holds at most 32 members, and an
even share of what is ready, but half a second of work at least. The one driver hands out ``driver_rate`` segments a
second, one after another, and each place adds ``segment_overhead`` to its segment. Beside training lie the data,
Ray's start, a worker's import of PyTorch, on all places at once, the promotion (``start``), and the features' way:
nodes that have them hand them on, in ``ceil(log2(nodes + 1))`` rounds. Rungs take the share of their configurations
that they must: no scores, no stragglers, no lost nodes, and nothing of what a cloud takes to start machines.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass

from search.scheduling.rungs import ladder

SHORTEST, LONGEST, LARGEST = 0.5, 5.0, 32
"""Seconds of a segment, and its members."""
KINDS = 6
"""The paper's grid has three shapes and two sizes of a batch."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was measured; seconds, segments per second, megabytes per second."""

    start: float
    """All of a whole command that is not training: mostly before the first segment."""
    segment_overhead: float
    driver_rate: float
    broadcast_rate: float
    """Of one round, in which every node that has the features passes them on to one more."""
    epoch_seconds: float
    """Of one core, for an epoch of one configuration."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """What is trained; ``reduction_factor`` is ``None`` for the exhaustive search."""

    configurations: int
    epochs: int = 20
    reduction_factor: int | None = None
    kinds: int = KINDS

    @property
    def rungs(self) -> tuple[int, ...]:
        """Where a segment must end before the budget does."""
        return ladder(1, self.reduction_factor, self.epochs) if self.reduction_factor else ()


@dataclass(frozen=True)
class Prediction:
    """What the model says."""

    makespan: float
    efficiency: float
    """The share of the places' time that is training."""
    segments: int
    epochs: float
    """Of each configuration, on average."""
    bottleneck: str


class _Queue:
    """Ready configurations, counted by how many epochs they have and by kind."""

    def __init__(self, search: Search, epoch_seconds: float, places: int) -> None:
        self._rungs, self._epochs, self._factor = search.rungs, search.epochs, search.reduction_factor
        self._seconds, self._places = epoch_seconds, places
        each, more = divmod(search.configurations, search.kinds)
        self._ready = {(0, kind): each + (kind < more) for kind in range(search.kinds) if each + (kind < more)}
        self._arrived = dict.fromkeys(self._rungs, 0)

    def _goal(self, epoch: int) -> int:
        return next((rung for rung in self._rungs if rung > epoch), self._epochs)

    def take(self) -> tuple[int, int, int, int] | None:
        """The next segment: its members, their kind, the epochs before and after it."""
        if not self._ready:
            return None
        ready = self._ready
        key = max(ready, key=lambda key: (ready[key] >= LARGEST, ready[key] * (self._epochs - key[0])))
        epoch, kind = key
        alone = (self._goal(epoch) - epoch) * self._seconds
        work = sum(count * (self._goal(done) - done) for (done, _), count in ready.items()) * self._seconds
        members = min(LARGEST, math.ceil(max(work / self._places, SHORTEST) / alone), ready[key])
        ready[key] -= members
        if not ready[key]:
            del ready[key]
        length = max(1, round(LONGEST / (members * self._seconds)))
        return members, kind, epoch, min(self._goal(epoch), epoch + length)

    def put(self, members: int, kind: int, epoch: int) -> None:
        """Take back a segment's members: a rung promotes its share of all that have arrived there so far."""
        if epoch in self._arrived and self._factor:
            before = self._arrived[epoch]
            self._arrived[epoch] += members
            members = math.ceil(self._arrived[epoch] / self._factor) - math.ceil(before / self._factor)
        if members and epoch < self._epochs:
            self._ready[epoch, kind] = self._ready.get((epoch, kind), 0) + members


def _played(queue: _Queue, measured: Measured, places: int) -> Iterator[tuple[float, float, int]]:
    """Every segment as it ends: when, the seconds that its place trained, and the epochs of its members together."""
    running: list[tuple[float, int, int, int, float, int]] = []
    clock, driver, segment = 0.0, 0.0, queue.take()
    while segment is not None or running:
        if segment is not None and len(running) < places and (not running or driver <= running[0][0]):
            members, kind, first, last = segment
            clock = max(clock, driver)
            driver = clock + 1 / measured.driver_rate
            work = members * (last - first) * measured.epoch_seconds
            ends = driver + measured.segment_overhead + work
            heapq.heappush(running, (ends, members, kind, last, work, members * (last - first)))
        else:
            clock, members, kind, last, work, epochs = heapq.heappop(running)
            queue.put(members, kind, last)
            yield clock, work, epochs
            if segment is not None:
                continue
        segment = queue.take()


def predict(measured: Measured, search: Search, nodes: int, cores: int, megabytes: float = 1.2) -> Prediction:
    """The length of a search on so many nodes of so many cores, of which each takes the features' ``megabytes``."""
    places = nodes * cores
    ends, works, epochs = zip(*_played(_Queue(search, measured.epoch_seconds, places), measured, places), strict=True)
    broadcast = math.ceil(math.log2(nodes + 1)) * megabytes / measured.broadcast_rate
    makespan = measured.start + broadcast + max(ends)
    parts = {
        "the start": measured.start,
        "the features' way": broadcast,
        "the cores": sum(works) / places + measured.segment_overhead * math.ceil(len(works) / places),
        "the driver": len(works) / measured.driver_rate,
        "the last segments": max(ends) - max(sum(works) / places, len(works) / measured.driver_rate),
    }
    return Prediction(
        makespan=makespan,
        efficiency=sum(works) / places / makespan,
        segments=len(works),
        epochs=sum(epochs) / search.configurations,
        bottleneck=max(parts, key=lambda part: parts[part]),
    )
