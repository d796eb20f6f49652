"""Two ways to take the members of a stack through a chunk of batches, with the same result.

``CompiledEngine`` takes one member after another through compiled steps: the CPU's way. ``BatchedEngine`` takes all
members through each batch at once, as batched torch operations: the reference of the other, and what
``graphs.GraphedEngine`` records on a GPU.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from spaces import Configuration
from trainables.batches import Chunk, batch_count
from trainables.compiled import kernels, layer_table
from trainables.layers import HUGE
from trainables.optimisers import StackedOptimiser, bias_corrections
from trainables.schedules import RateTable
from trainables.stacked_mlp import StackedMLP
from trainables.state import StackState


class BatchedEngine:
    """All members at once, one batch after another."""

    def __init__(
        self,
        networks: StackedMLP,
        configurations: Sequence[Configuration],
        state: StackState,
        steps_per_epoch: int,
        frozen: Sequence[int] = (),
    ) -> None:
        self._networks = networks
        self._rates = RateTable(configurations, steps_per_epoch)
        self._batch_size = configurations[0].batch_size
        self._frozen = [(k, count) for k, count in enumerate(frozen) if count]
        self._kept = state.parameters.clone() if self._frozen else state.parameters
        self._optimiser = StackedOptimiser(
            configurations, state.parameters, networks.gradients_KP, state.momentum, state.variance
        )

    def train(self, chunk: Chunk, step: int) -> Tensor:
        """Train through a chunk, after ``step`` optimiser steps; returns the summed training loss ``(K,)``."""
        return self._steps(chunk, *self._schedule(chunk, step))

    def _schedule(self, chunk: Chunk, step: int) -> tuple[Tensor, Tensor]:
        """Learning rates ``(steps, K)`` and bias corrections ``(steps, 2)`` of the chunk's steps."""
        count = batch_count(len(chunk), self._batch_size)
        like = self._networks.parameters_KP
        return like.new_tensor(self._rates.rates(step, count).T), like.new_tensor(bias_corrections(step, count))

    def _steps(self, chunk: Chunk, rates: Tensor, corrections: Tensor) -> Tensor:
        """All steps of a chunk: operations on tensors alone, in the same order whatever the tensors hold."""
        found = []
        for batch, rates_K, correction_2 in zip(chunk.batches(), rates, corrections, strict=True):
            found.append(self._networks.compute_gradients(batch.x, batch.one_hot, batch.noise))
            for k, count in self._frozen:
                self._networks.gradients_KP[k, :count] = 0
            self._optimiser.step(rates_K, correction_2)
            for k, count in self._frozen:
                self._networks.parameters_KP[k, :count] = self._kept[k, :count]
        return self._networks.summed_loss(torch.cat(found, dim=1), chunk.y)


class CompiledEngine:
    """One member after another, each through all batches of the chunk."""

    def __init__(
        self,
        networks: StackedMLP,
        configurations: Sequence[Configuration],
        state: StackState,
        steps_per_epoch: int,
        frozen: Sequence[int] = (),
    ) -> None:
        self._kernels = kernels()
        self._rates = RateTable(configurations, steps_per_epoch)
        architecture = networks.architecture
        self._layers = layer_table(architecture)
        self._classes = architecture.output_size
        self._activation = {"relu": self._kernels.RELU, "tanh": self._kernels.TANH}[architecture.activation]
        tensors = (state.parameters, state.statistics, state.momentum, state.variance)
        self._kind = state.parameters.numpy().dtype.type
        self._members = [
            (
                [tensor[k].numpy() for tensor in tensors],
                (*self._settings(configuration, self._kind), frozen[k] if frozen else 0),
            )
            for k, configuration in enumerate(configurations)
        ]

    def _settings(self, configuration: Configuration, kind: type[np.floating]) -> tuple[object, ...]:
        """What sets a member apart, in the order of the kernel's arguments."""
        families = {"adam": self._kernels.ADAM, "adamw": self._kernels.ADAMW, "sgd": self._kernels.SGD}
        limit = np.inf if configuration.clip_norm is None else configuration.clip_norm
        return (
            kind(configuration.dropout * HUGE),
            kind(1.0 / (1.0 - configuration.dropout)),
            families[configuration.optimizer],
            kind(configuration.weight_decay),
            kind(configuration.momentum),
            kind(configuration.label_smoothing),
            kind(limit),
        )

    def train(self, chunk: Chunk, step: int) -> Tensor:
        """Train through a chunk, after ``step`` optimiser steps; returns the summed training loss ``(K,)``."""
        x, y, noise = chunk.x.numpy(), chunk.y.numpy(), chunk.noise.numpy()
        shape = chunk.batch_size, self._classes, self._activation
        rates = self._rates.rates(step, batch_count(len(x), chunk.batch_size)).astype(self._kind)
        losses = [
            self._kernels.train_member(*tensors, self._layers, x, y, noise, *shape, *settings, member_rates, step)
            for (tensors, settings), member_rates in zip(self._members, rates, strict=True)
        ]
        return torch.tensor(losses, dtype=torch.float64)
