"""Gradient clipping, Adam, AdamW and SGD over the rows of a stack, each member with its own settings.

The arithmetic is that of ``torch.nn.utils.clip_grad_norm_`` and ``torch.optim``, with vectors ``(K, 1)`` where
those take one number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from spaces import Configuration
from trainables.stack.layers import constant

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8
_CLIP_EPSILON = 1e-6


def bias_corrections(taken: int, count: int) -> np.ndarray:
    """Return Adam's corrections ``(count, 2)`` float64, of epsilon and rate, of the steps after ``taken`` others."""
    steps = np.arange(taken + 1, taken + count + 1, dtype=np.float64)
    root = np.sqrt(1.0 - _BETA2**steps)
    return np.stack([_EPSILON * root, root / (1.0 - _BETA1**steps)], axis=1)


def newest_weights(decays: Sequence[float], taken: int, count: int) -> np.ndarray:
    """Return each step's weight of the newest parameters in their average, ``(count, K)`` float64, after ``taken``.

    It is ``1 - decay``, and at first more, as in TensorFlow's ``ExponentialMovingAverage`` with ``num_updates``: an
    average would otherwise remember its random start for longer than a rung lasts.
    """
    steps = np.arange(taken + 1, taken + count + 1, dtype=np.float64)
    return np.maximum(1.0 - np.array(decays), 9.0 / (10.0 + steps[:, None]))


class StackedOptimiser:
    """An optimiser that clips and steps all members at once; its state is ``momentum_KP`` and ``variance_KP``.

    Values that change from step to step come in tensors, so that a step can be recorded once and replayed. The state
    is Adam's moments; the first is also the velocity of SGD with momentum. Members of one family should be neighbours:
    each run of neighbours is one set of operations.
    """

    def __init__(
        self,
        configurations: Sequence[Configuration],
        parameters_KP: Tensor,
        gradients_KP: Tensor,
        momentum_KP: Tensor,
        variance_KP: Tensor,
    ) -> None:
        self._gradients = gradients_KP
        limits = [math.inf if c.clip_norm is None else c.clip_norm for c in configurations]
        self._clips = min(limits) < math.inf
        self._limit = parameters_KP.new_tensor(limits)[:, None]
        self._unlimited = self._limit.isinf() if self._clips and max(limits) == math.inf else None
        tensors = parameters_KP, gradients_KP, momentum_KP, variance_KP
        self._runs = [
            (rows, _Run(configurations[rows], *(tensor[rows] for tensor in tensors)))
            for rows in _family_runs(configurations)
        ]

    def step(self, rates_K: Tensor, correction_2: Tensor) -> None:
        """Clip the gradients and take one step of every member, overwriting the gradients. See ``bias_corrections``."""
        if self._clips:
            norm = torch.linalg.vector_norm(self._gradients, dim=1, keepdim=True)
            norm = norm.add_(constant(_CLIP_EPSILON, norm))
            scale = torch.div(self._limit, norm).clamp_max_(constant(1.0, norm))
            if self._unlimited is not None:  # infinity over a norm that overflowed is not a number
                scale.masked_fill_(self._unlimited, 1.0)
            self._gradients.mul_(scale)
        for rows, run in self._runs:
            run.step(rates_K[rows, None], correction_2)


class _Run:
    """Neighbouring members of one optimiser family."""

    def __init__(
        self,
        configurations: Sequence[Configuration],
        parameters: Tensor,
        gradients: Tensor,
        momentum: Tensor,
        variance: Tensor,
    ) -> None:
        self._family = configurations[0].optimizer
        self._parameters, self._gradients = parameters, gradients
        self._momentum, self._variance = momentum, variance
        self._inertia = parameters.new_tensor([c.momentum for c in configurations])[:, None]
        self._rolls = configurations[0].momentum > 0
        self._weight_decay = parameters.new_tensor([c.weight_decay for c in configurations])[:, None]
        self._decays = any(c.weight_decay > 0 for c in configurations)

    def step(self, rate: Tensor, correction: Tensor) -> None:
        if self._decays and self._family == "adamw":
            self._parameters.mul_(1.0 - rate * self._weight_decay)
        elif self._decays:
            self._gradients.addcmul_(self._parameters, self._weight_decay)
        if self._family == "sgd":
            gradients = self._gradients
            if self._rolls:
                gradients = self._momentum.mul_(self._inertia).add_(gradients)
            self._parameters.addcmul_(gradients, rate, value=-1.0)
        else:
            self._adam(rate, correction)

    def _adam(self, rate: Tensor, correction: Tensor) -> None:
        gradients, variance = self._gradients, self._variance
        self._momentum.lerp_(gradients, 1.0 - _BETA1)
        variance.mul_(constant(_BETA2, variance)).addcmul_(gradients, gradients, value=1.0 - _BETA2)
        denominator = torch.sqrt(variance).add_(correction[0])
        update = torch.div(self._momentum, denominator, out=denominator)
        self._parameters.addcmul_(update, rate * correction[1], value=-1.0)


def _family_runs(configurations: Sequence[Configuration]) -> list[slice]:
    families = [(c.optimizer, c.momentum > 0) for c in configurations]
    starts = [k for k, family in enumerate(families) if k == 0 or family != families[k - 1]]
    return [slice(a, b) for a, b in zip(starts, [*starts[1:], len(families)], strict=True)]
