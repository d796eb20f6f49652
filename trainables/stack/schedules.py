"""Learning rates by step, as ``torch.optim.lr_scheduler`` gives them; pure functions of the step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spaces import Configuration

_WARM_UP, _START, _END = 0.3, 1 / 25, 1 / 25e4
"""One-cycle's rising share, and its rates at both ends as shares of the highest (PyTorch's defaults)."""


class RateTable:
    """Learning rates of every member of a stack, an epoch's steps at a time."""

    def __init__(self, configurations: Sequence[Configuration], steps_per_epoch: int) -> None:
        self._configurations, self._steps_per_epoch = configurations, steps_per_epoch
        self._epoch = -1

    def rates(self, taken: int, count: int) -> np.ndarray:
        """Return the rates ``(K, count)`` float64 of the steps after ``taken`` others, all of one epoch."""
        epoch, first = divmod(taken, self._steps_per_epoch)
        if epoch != self._epoch:
            before, steps = taken - first, self._steps_per_epoch
            self._table = np.stack([learning_rates(c, before, steps, steps) for c in self._configurations])
            self._epoch = epoch
        return self._table[:, first : first + count]


def learning_rates(configuration: Configuration, taken: int, count: int, steps_per_epoch: int) -> np.ndarray:
    """Return the rates ``(count,)`` float64 of the steps after ``taken`` others.

    ``cosine`` falls to zero as ``CosineAnnealingLR``, ``one_cycle`` rises and falls as ``OneCycleLR``, both stepped
    after every batch over ``schedule_epochs``; then the rate keeps its last value.
    """
    steps = np.arange(taken, taken + count, dtype=np.float64)
    total = configuration.schedule_epochs * steps_per_epoch
    share = {"constant": _constant, "cosine": _cosine, "one_cycle": _one_cycle}[configuration.schedule]
    return configuration.learning_rate * share(steps, total)


def _constant(steps: np.ndarray, total: int) -> np.ndarray:
    return np.ones_like(steps)


def _cosine(steps: np.ndarray, total: int) -> np.ndarray:
    return _bend(1.0, 0.0, np.minimum(steps / total, 1.0))


def _one_cycle(steps: np.ndarray, total: int) -> np.ndarray:
    top, last = _WARM_UP * total - 1, total - 1
    rising = _bend(_START, 1.0, np.minimum(steps, top) / top) if top > 0 else np.ones_like(steps)
    falling = _bend(1.0, _END, np.clip((steps - top) / max(last - top, 1), 0.0, 1.0))
    return np.where(steps <= top, rising, falling)


def _bend(start: float, end: float, progress: np.ndarray) -> np.ndarray:
    """Return half a cosine wave from ``start`` to ``end``."""
    return end + (start - end) / 2 * (1 + np.cos(np.pi * progress))
