"""Decisions at the rungs: ASHA, synchronous halving, or none.

A rung is an epoch at which configurations are compared by their validation accuracy of that epoch. The ladder is
``grace_period * reduction_factor ** k``, in whole numbers.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from data.errors import InputError
from results.record.records import Decision, TrialKey

_WORST = -1.0
"""Stand-in for a score that is not a number: below every accuracy."""


def ladder(grace_period: int, reduction_factor: int, budget: int) -> tuple[int, ...]:
    """Return the rungs below ``budget``, in epochs: ``grace_period``, then each times ``reduction_factor``.

    >>> ladder(1, 4, 20)
    (1, 4, 16)
    """
    if grace_period < 1 or reduction_factor < 2:
        raise InputError(
            "grace_period >= 1 and reduction_factor >= 2 must hold, "
            f"but got ({grace_period=}, {reduction_factor=})".replace("=", ": ")
        )
    rungs = []
    rung = grace_period
    while rung < budget:
        rungs.append(rung)
        rung *= reduction_factor
    return tuple(rungs)


class Rungs(Protocol):
    """Judge of the configurations at the rungs; a score of ``None`` or NaN ranks last."""

    levels: tuple[int, ...]

    def report(self, epoch: int, scores: Mapping[TrialKey, float | None]) -> list[Decision]:
        """Record the scores of some configurations at a rung, and return the decisions that can now be taken."""

    def withdraw(self, key: TrialKey) -> list[Decision]:
        """Stop waiting for a configuration that ended by itself, and return the decisions that waited for it alone."""

    def restore(self, decisions: Sequence[Decision]) -> None:
        """Take up decisions of an earlier run, in their order."""


class NoRungs:
    """The exhaustive search: every configuration goes on."""

    levels: tuple[int, ...] = ()

    def report(self, epoch: int, scores: Mapping[TrialKey, float | None]) -> list[Decision]:
        """Raise ``AssertionError``: there are no rungs."""
        raise AssertionError(f"there is no rung at epoch {epoch}")

    def withdraw(self, key: TrialKey) -> list[Decision]:
        """Return no decisions: none waits for another configuration."""
        return []

    def restore(self, decisions: Sequence[Decision]) -> None:
        """Do nothing: there are no decisions to take up."""


class Asha:
    """Asynchronous successive halving (Li et al., 2020), as Tune's ``ASHAScheduler`` with one bracket decides.

    A configuration goes on unless its score is below the ``1 - 1 / reduction_factor`` quantile of the others recorded
    at the rung so far. The scores of a stack are all recorded before any of its members is judged.
    """

    def __init__(self, grace_period: int, reduction_factor: int, budget: int) -> None:
        self.levels = ladder(grace_period, reduction_factor, budget)
        self._share = (1 - 1 / reduction_factor) * 100 / 100  # Tune's own rounding: it says it in percent
        self._recorded: dict[int, list[float]] = {level: [] for level in self.levels}

    def report(self, epoch: int, scores: Mapping[TrialKey, float | None]) -> list[Decision]:
        """Record all scores, then judge each against the others."""
        recorded = self._recorded[epoch]
        for score in scores.values():
            bisect.insort(recorded, rankable(score))
        return [self._judge(key, epoch, score) for key, score in scores.items()]

    def _judge(self, key: TrialKey, epoch: int, score: float | None) -> Decision:
        recorded = self._recorded[epoch]
        own = bisect.bisect_left(recorded, rankable(score))
        cutoff = quantile_of_others(recorded, own, self._share) if len(recorded) > 1 else None
        promoted = cutoff is None or rankable(score) >= cutoff
        return Decision(key=key, epoch=epoch, score=score, cutoff=cutoff, promoted=promoted)

    def withdraw(self, key: TrialKey) -> list[Decision]:
        """Return no decisions: none waits for another configuration."""
        return []

    def restore(self, decisions: Sequence[Decision]) -> None:
        """Refill the rungs from the record."""
        for decision in decisions:
            bisect.insort(self._recorded[decision.epoch], rankable(decision.score))


class Halving:
    """Synchronous successive halving: a rung decides when all that can still reach it have.

    The best ``n // reduction_factor`` (at least one) of the ``n`` that arrived go on; ties go to the earlier position.
    Decisions depend on the scores alone, not on the order of arrival.
    """

    def __init__(
        self,
        grace_period: int,
        reduction_factor: int,
        budget: int,
        positions: Mapping[TrialKey, int],
        budgets: Mapping[TrialKey, int],
    ) -> None:
        self.levels = ladder(grace_period, reduction_factor, budget)
        self._factor = reduction_factor
        self._positions = dict(positions)
        self._cutoffs: dict[int, float | None] = {}
        self._arrived: dict[int, dict[TrialKey, float | None]] = {level: {} for level in self.levels}
        self._awaited = {level: {key for key in positions if budgets[key] > level} for level in self.levels}
        """Configurations that can still reach each rung and have not."""

    def report(self, epoch: int, scores: Mapping[TrialKey, float | None]) -> list[Decision]:
        """Record the scores, and return the decisions for all configurations once the last has arrived.

        A rung that has decided judges by its cutoff: an extended study sends it those whose budget had ended there.
        """
        self._arrive(epoch, scores)
        late = [self._judge_late(epoch, key, score) for key, score in scores.items() if epoch in self._cutoffs]
        return late + self._decide_where_complete()

    def _judge_late(self, epoch: int, key: TrialKey, score: float | None) -> Decision:
        cutoff = self._cutoffs[epoch]
        promoted = rankable(score) >= rankable(cutoff)
        if not promoted:
            self._leave([key])
        return Decision(key=key, epoch=epoch, score=score, cutoff=cutoff, promoted=promoted)

    def _arrive(self, epoch: int, scores: Mapping[TrialKey, float | None]) -> None:
        self._arrived[epoch].update(scores)
        self._awaited[epoch].difference_update(scores)

    def _leave(self, keys: Iterable[TrialKey]) -> None:
        for awaited in self._awaited.values():
            awaited.difference_update(keys)

    def withdraw(self, key: TrialKey) -> list[Decision]:
        """Stop waiting for a configuration that ended by itself, and return the decisions that waited for it alone."""
        self._leave([key])
        return self._decide_where_complete()

    def restore(self, decisions: Sequence[Decision]) -> None:
        """Take up the rungs that were decided."""
        for decision in decisions:
            self._arrive(decision.epoch, {decision.key: decision.score})
            self._cutoffs[decision.epoch] = decision.cutoff
            if not decision.promoted:
                self._leave([decision.key])

    def _decide_where_complete(self) -> list[Decision]:
        found: list[Decision] = []
        for level in self.levels:
            if level in self._cutoffs:
                continue
            if self._awaited[level]:
                break
            found += self._decide(level, self._arrived[level])
        return found

    def _decide(self, level: int, arrived: Mapping[TrialKey, float | None]) -> list[Decision]:
        ranked = sorted(arrived, key=lambda key: (-rankable(arrived[key]), self._positions[key]))
        places = max(1, len(ranked) // self._factor)
        cutoff = self._cutoffs[level] = arrived[ranked[places - 1]] if ranked else None
        self._leave(ranked[places:])
        return [
            Decision(key=key, epoch=level, score=arrived[key], cutoff=cutoff, promoted=place < places)
            for place, key in enumerate(ranked)
        ]


def quantile_of_others(ascending: Sequence[float], own: int, share: float) -> float:
    """Return a quantile of the numbers but that at ``own``, to the bit as ``numpy.quantile``, which would read all.

    >>> quantile_of_others([1.0, 2.0, 3.0, 99.0], 3, 0.75)
    2.5
    """

    def other(place: int) -> float:
        return ascending[place + (place >= own)]

    last = len(ascending) - 2
    position = last * share
    below = math.floor(position)
    low, high = other(below), other(min(below + 1, last))
    weight = position - below
    return high - (high - low) * (1 - weight) if weight >= 0.5 else low + (high - low) * weight


def rankable(score: float | None) -> float:
    """Return the score, or a number below every accuracy where there is none."""
    return _WORST if score is None or math.isnan(score) else score


def make_rungs(
    scheduler: str,
    *,
    grace_period: int,
    reduction_factor: int,
    positions: Mapping[TrialKey, int],
    budgets: Mapping[TrialKey, int],
    earlier: Iterable[Decision] = (),
    longest_budget: int | None = None,
) -> Rungs:
    """Return the rungs of a study, with the decisions that it has taken already.

    ``longest_budget`` is the longest that may come, where not all configurations are known yet.
    """
    budget = max([*budgets.values(), *([] if longest_budget is None else [longest_budget])])
    rungs: Rungs
    if scheduler == "asha":
        rungs = Asha(grace_period, reduction_factor, budget)
    elif scheduler == "halving":
        rungs = Halving(grace_period, reduction_factor, budget, positions, budgets)
    else:
        rungs = NoRungs()
    rungs.restore(list(earlier))
    return rungs
