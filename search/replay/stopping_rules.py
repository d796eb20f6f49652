"""Rules that ``genresweep replay`` compares with the product's own: median stopping and HyperBand.

They judge as ``scheduling.rungs`` does: the scores of a stack are all recorded first, then each member is judged.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping, Sequence
from enum import StrEnum

from results.record.records import Decision, TrialKey
from search.scheduling.rungs import rankable


class ReplayedScheduler(StrEnum):
    """Schedulers that can be replayed: the product's own, and the two others here."""

    ASHA = "asha"
    HALVING = "halving"
    MEDIAN = "median"
    HYPERBAND = "hyperband"
    NONE = "none"


MIN_SAMPLES = 3
"""Least number of others that median stopping compares with; the default of Tune's ``MedianStoppingRule``."""


class MedianStopping:
    """Median stopping (Golovin et al., 2017), as Tune's ``MedianStoppingRule`` decides.

    From ``grace_period`` on, after every epoch, a configuration stops where its best score so far is below the median
    of the others' running averages, each over the epochs from the grace period to this one.
    """

    def __init__(self, grace_period: int, epochs: int) -> None:
        self.levels = tuple(range(1, epochs))
        self._grace_period = grace_period
        self._best: dict[TrialKey, float] = {}
        self._sums: dict[TrialKey, float] = {}
        self._averages: dict[int, list[float]] = {level: [] for level in self.levels}

    def report(self, epoch: int, scores: Mapping[TrialKey, float | None]) -> list[Decision]:
        """Record all scores, then judge each against the others."""
        averages = {key: self._record(epoch, key, score) for key, score in scores.items()}
        return [self._judge(key, epoch, score, averages[key]) for key, score in scores.items()]

    def _record(self, epoch: int, key: TrialKey, score: float | None) -> float:
        """Record a score and return the configuration's running average.

        It is NaN before the grace period, or where a score is no number.
        """
        self._best[key] = max(self._best.get(key, -math.inf), rankable(score))
        if epoch < self._grace_period:
            return math.nan
        self._sums[key] = self._sums.get(key, 0.0) + (math.nan if score is None else score)
        average = self._sums[key] / (epoch - self._grace_period + 1)
        if not math.isnan(average):
            bisect.insort(self._averages[epoch], average)
        return average

    def _judge(self, key: TrialKey, epoch: int, score: float | None, average: float) -> Decision:
        recorded = self._averages[epoch]
        own = len(recorded) if math.isnan(average) else bisect.bisect_left(recorded, average)
        others = len(recorded) - (own < len(recorded))
        cutoff = None
        if epoch >= self._grace_period and others >= MIN_SAMPLES:
            middle = [index if index < own else index + 1 for index in ((others - 1) // 2, others // 2)]
            cutoff = (recorded[middle[0]] + recorded[middle[1]]) / 2
        promoted = cutoff is None or self._best[key] >= cutoff
        return Decision(key=key, epoch=epoch, score=score, cutoff=cutoff, promoted=promoted)

    def withdraw(self, key: TrialKey) -> list[Decision]:
        """Return no decisions: none waits; a configuration that ended by itself is still compared with."""
        return []

    def restore(self, decisions: Sequence[Decision]) -> None:
        """Raise ``NotImplementedError``: a replay is never resumed."""
        raise NotImplementedError


class HyperBand:
    """HyperBand (Li et al., 2018, Algorithm 1): synchronous halving in brackets of different grace periods.

    Brackets are filled in the order of arrival, the one with the shortest grace period first, round after round until
    every configuration has a place; ``r`` is rounded down to whole epochs. Ties go to the earlier arrival.
    """

    def __init__(self, reduction_factor: int, epochs: int, arrivals: Sequence[TrialKey]) -> None:
        shapes = brackets(reduction_factor, epochs)
        self._brackets: list[_Bracket] = []
        self._of: dict[TrialKey, _Bracket] = {}
        waiting = list(arrivals)
        while waiting:
            size, milestones = shapes[len(self._brackets) % len(shapes)]
            bracket = _Bracket(waiting[:size], milestones, reduction_factor)
            self._of.update(dict.fromkeys(waiting[:size], bracket))
            self._brackets.append(bracket)
            del waiting[:size]
        self.levels = tuple(sorted({level for _, milestones in shapes for level in milestones}))

    def report(self, epoch: int, scores: Mapping[TrialKey, float | None]) -> list[Decision]:
        """Hand each score to its bracket; where that has no milestone here, the configuration goes on."""
        found = []
        for key, score in scores.items():
            if epoch in self._of[key].milestones:
                found += self._of[key].arrive(epoch, key, score)
            else:
                found.append(Decision(key=key, epoch=epoch, score=score, cutoff=None, promoted=True))
        return found

    def withdraw(self, key: TrialKey) -> list[Decision]:
        """Stop waiting for a configuration that ended by itself, and return the decisions that waited for it."""
        return self._of[key].leave(key)

    def restore(self, decisions: Sequence[Decision]) -> None:
        """Raise ``NotImplementedError``: a replay is never resumed."""
        raise NotImplementedError


class _Bracket:
    """Successive halving over ``milestones``: ``n // reduction_factor`` of those that began a round go on."""

    def __init__(self, members: Sequence[TrialKey], milestones: tuple[int, ...], reduction_factor: int) -> None:
        self.milestones = milestones
        self._factor, self._size, self._round = reduction_factor, len(members), 0
        self._place = {key: place for place, key in enumerate(members)}
        self._alive = set(members)
        self._arrived: dict[TrialKey, float | None] = {}

    def arrive(self, epoch: int, key: TrialKey, score: float | None) -> list[Decision]:
        self._arrived[key] = score
        return self._decide()

    def leave(self, key: TrialKey) -> list[Decision]:
        self._alive.discard(key)
        self._arrived.pop(key, None)
        return self._decide()

    def _decide(self) -> list[Decision]:
        """Return the decisions of a round, once all remaining configurations have arrived."""
        if not self._alive or len(self._arrived) < len(self._alive):
            return []
        epoch, arrived = self.milestones[self._round], self._arrived
        self._size = max(1, self._size // self._factor)
        ranked = sorted(arrived, key=lambda key: (-rankable(arrived[key]), self._place[key]))
        cutoff = arrived[ranked[: self._size][-1]]
        self._round, self._alive, self._arrived = self._round + 1, set(ranked[: self._size]), {}
        return [
            Decision(key=key, epoch=epoch, score=arrived[key], cutoff=cutoff, promoted=place < self._size)
            for place, key in enumerate(ranked)
        ]


def brackets(reduction_factor: int, epochs: int) -> list[tuple[int, tuple[int, ...]]]:
    """Return, for each bracket, its number of configurations and the epochs after which it compares them.

    >>> brackets(3, 9)
    [(9, (1, 3)), (5, (3,)), (3, ())]
    """
    deepest = 0
    while reduction_factor ** (deepest + 1) <= epochs:
        deepest += 1
    return [
        (
            -(-(deepest + 1) * reduction_factor**s // (s + 1)),
            tuple(epochs // reduction_factor ** (s - round) for round in range(s)),
        )
        for s in range(deepest, -1, -1)
    ]
