"""Gradient clipping and Adam, AdamW and SGD over the rows of a stack, each member with its own settings.

The same arithmetic as ``torch.nn.utils.clip_grad_norm_`` and ``torch.optim``, with vectors ``(K, 1)`` where
those take one number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from spaces import Configuration
from trainables.layers import constant

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8
_CLIP_EPSILON = 1e-6


class StackedOptimiser:
    """Clips and steps all members at once; its state is ``momentum_KP`` and ``variance_KP``.

    Those are Adam's moments; the first is the velocity of SGD with momentum. Members of one family should stand
    together: each run of neighbours is one set of operations.
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
        self._rates = parameters_KP.new_tensor([c.learning_rate for c in configurations])[:, None]
        tensors = parameters_KP, gradients_KP, momentum_KP, variance_KP, self._rates
        self._runs = [
            _Run(configurations[rows], *(tensor[rows] for tensor in tensors)) for rows in _family_runs(configurations)
        ]

    def set_rates(self, rates_K: Tensor) -> None:
        """Learning rates of the steps to come."""
        self._rates.copy_(rates_K[:, None])

    def step(self, count: int) -> None:
        """Clip, then step number ``count``, from 1, of every member; overwrites the gradients."""
        if self._clips:
            norm = torch.linalg.vector_norm(self._gradients, dim=1, keepdim=True)
            norm = norm.add_(constant(_CLIP_EPSILON, norm))
            scale = torch.div(self._limit, norm).clamp_max_(constant(1.0, norm))
            if self._unlimited is not None:  # infinity over a norm that overflowed is not a number
                scale.masked_fill_(self._unlimited, 1.0)
            self._gradients.mul_(scale)
        for run in self._runs:
            run.step(count)


class _Run:
    """Neighbouring members of one optimiser family."""

    def __init__(
        self,
        configurations: Sequence[Configuration],
        parameters: Tensor,
        gradients: Tensor,
        momentum: Tensor,
        variance: Tensor,
        rates: Tensor,
    ) -> None:
        self._family = configurations[0].optimizer
        self._parameters, self._gradients = parameters, gradients
        self._momentum, self._variance = momentum, variance
        self._learning_rate = rates
        self._inertia = parameters.new_tensor([c.momentum for c in configurations])[:, None]
        self._rolls = configurations[0].momentum > 0
        self._weight_decay = parameters.new_tensor([c.weight_decay for c in configurations])[:, None]
        self._decays = any(c.weight_decay > 0 for c in configurations)

    def step(self, count: int) -> None:
        if self._decays and self._family == "adamw":
            self._parameters.mul_(1.0 - self._learning_rate * self._weight_decay)
        elif self._decays:
            self._gradients.addcmul_(self._parameters, self._weight_decay)
        if self._family == "sgd":
            gradients = self._gradients
            if self._rolls:
                gradients = self._momentum.mul_(self._inertia).add_(gradients)
            self._parameters.addcmul_(gradients, self._learning_rate, value=-1.0)
        else:
            self._adam(count)

    def _adam(self, count: int) -> None:
        gradients, variance = self._gradients, self._variance
        self._momentum.lerp_(gradients, 1.0 - _BETA1)
        variance.mul_(constant(_BETA2, variance)).addcmul_(gradients, gradients, value=1.0 - _BETA2)
        root = math.sqrt(1.0 - _BETA2**count)
        denominator = torch.sqrt(variance).add_(self._variance.new_tensor(_EPSILON * root))
        update = torch.div(self._momentum, denominator, out=denominator)
        self._parameters.addcmul_(update, self._learning_rate, value=-root / (1.0 - _BETA1**count))


def _family_runs(configurations: Sequence[Configuration]) -> list[slice]:
    families = [(c.optimizer, c.momentum > 0) for c in configurations]
    starts = [k for k, family in enumerate(families) if k == 0 or family != families[k - 1]]
    return [slice(a, b) for a, b in zip(starts, [*starts[1:], len(families)], strict=True)]
