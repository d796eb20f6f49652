"""Two engines that train the members of a stack on a chunk of batches, with the same result.

``CompiledEngine``, for the CPU, trains one member after another by compiled steps. ``BatchedEngine`` trains all
members on each batch at once by batched torch operations; it is the reference for the other, and
``graphs.GraphedEngine`` records its steps on a GPU.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spaces import Configuration
from trainables.stack.batches import Chunk, Rows, batch_count
from trainables.stack.compiled import aligned, layer_table, load_kernels
from trainables.stack.layers import HUGE
from trainables.stack.metrics import evaluate, summarised
from trainables.stack.optimisers import StackedOptimiser, bias_corrections, newest_weights
from trainables.stack.schedules import RateTable
from trainables.stack.stacked_mlp import StackedMLP
from trainables.stack.state import StackState


class BatchedEngine:
    """An engine that trains all members at once, one batch after another."""

    def __init__(
        self,
        networks: StackedMLP,
        configurations: Sequence[Configuration],
        state: StackState,
        steps_per_epoch: int,
        frozen: Sequence[int] = (),
    ) -> None:
        self._networks = networks
        self._state, self._averages = state, state.average_parameters is not None
        self._judged = networks.with_weights(*state.judged) if self._averages else networks
        self._rates = RateTable(configurations, steps_per_epoch)
        self._decays = [configuration.ema_decay for configuration in configurations]
        self._batch_size = configurations[0].batch_size
        self._frozen = [(k, count) for k, count in enumerate(frozen) if count]
        self._kept = state.parameters.clone() if self._frozen else state.parameters
        self._optimiser = StackedOptimiser(
            configurations, state.parameters, networks.gradients_KP, state.momentum, state.variance
        )

    def train(self, chunk: Chunk, step: int) -> Tensor:
        """Train on a chunk, after ``step`` optimiser steps, and return the summed training loss ``(K,)``."""
        return self._steps(chunk, *self._schedule(chunk, step))

    def evaluate(self, rows: Rows) -> dict[str, Tensor]:
        """Return every member's scores on some rows, as ``metrics.evaluate`` does."""
        return evaluate(self._judged, rows)

    def _schedule(self, chunk: Chunk, step: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return the numbers of the chunk's steps.

        They are learning rates ``(steps, K)``, bias corrections ``(steps, 2)``, and the weights of the newest
        parameters in their average ``(steps, K)``.
        """
        count = batch_count(len(chunk), self._batch_size)
        numbers = self._rates.rates(step, count).T, bias_corrections(step, count)
        rates, corrections, newest = map(
            self._networks.parameters_KP.new_tensor, (*numbers, newest_weights(self._decays, step, count))
        )
        return rates, corrections, newest

    def _steps(self, chunk: Chunk, rates: Tensor, corrections: Tensor, newest: Tensor) -> Tensor:
        """Take all steps of a chunk, by tensor operations alone, in the same order whatever the tensors hold."""
        found = []
        for batch, rates_K, correction_2, newest_K in zip(chunk.batches(), rates, corrections, newest, strict=True):
            found.append(self._networks.compute_gradients(batch.x, batch.one_hot, batch.noise))
            for k, count in self._frozen:
                self._networks.gradients_KP[k, :count] = 0
            self._optimiser.step(rates_K, correction_2)
            for k, count in self._frozen:
                self._networks.parameters_KP[k, :count] = self._kept[k, :count]
            if self._averages:
                self._average(newest_K[:, None])
        return self._networks.summed_loss(torch.cat(found, dim=1), chunk.y)

    def _average(self, weight: Tensor) -> None:
        """Move the average towards the newest parameters and statistics by ``weight (K, 1)``."""
        state = self._state
        assert state.average_parameters is not None
        assert state.average_statistics is not None
        state.average_parameters.lerp_(state.parameters, weight)
        state.average_statistics.lerp_(state.statistics, weight)


class CompiledEngine:
    """An engine that trains one member after another, each on all batches of the chunk."""

    def __init__(
        self,
        networks: StackedMLP,
        configurations: Sequence[Configuration],
        state: StackState,
        steps_per_epoch: int,
        frozen: Sequence[int] = (),
    ) -> None:
        self._kernels = load_kernels()
        self._rates = RateTable(configurations, steps_per_epoch)
        architecture = networks.architecture
        layers = layer_table(architecture)
        activation = {"relu": self._kernels.RELU, "tanh": self._kernels.TANH}[architecture.activation]
        batch_size = configurations[0].batch_size
        widest = int(layers[:, self._kernels.OUTPUTS].max())
        self._shape = self._kernels.Shape(layers, widest, architecture.output_size, batch_size, activation)
        self._members, self._judged = self._views(state)
        self._kind = self._members.parameters.dtype
        size = self._kernels.work_size(len(layers), widest, state.parameters.shape[1], batch_size)
        self._work = aligned(size, self._kind)
        self._settings = np.array(
            [
                (*self._setting(configuration), count)
                for configuration, count in zip(configurations, frozen or [0] * len(configurations), strict=True)
            ]
        )

    def _views(self, state: StackState) -> tuple[Any, Any]:
        """Return the members for the kernels, as they train and as they are judged."""
        average = state.judged if state.average_parameters is not None else self._none_of(state)
        moments = state.momentum.numpy(), state.variance.numpy()
        average_arrays = tuple(tensor.numpy() for tensor in average)
        trained, judged = (
            self._kernels.Members(parameters.numpy(), statistics.numpy(), *moments, *average_arrays)
            for parameters, statistics in ((state.parameters, state.statistics), state.judged)
        )
        return trained, judged

    @staticmethod
    def _none_of(state: StackState) -> tuple[Tensor, Tensor]:
        none = state.parameters.new_empty(len(state), 0)
        return none, none

    def _setting(self, configuration: Configuration) -> tuple[float, ...]:
        """Return a member's own settings, in the order of the kernels' columns."""
        optimizers = {"adam": self._kernels.ADAM, "adamw": self._kernels.ADAMW, "sgd": self._kernels.SGD}
        return (
            configuration.dropout * HUGE,
            1.0 / (1.0 - configuration.dropout),
            optimizers[configuration.optimizer],
            configuration.weight_decay,
            configuration.momentum,
            configuration.label_smoothing,
            np.inf if configuration.clip_norm is None else configuration.clip_norm,
            configuration.ema_decay,
        )

    def train(self, chunk: Chunk, step: int) -> Tensor:
        """Train on a chunk, after ``step`` optimiser steps, and return the summed training loss ``(K,)``."""
        rows = self._kernels.Chunk(chunk.x.numpy(), chunk.y.numpy(), chunk.noise.numpy())
        rates = self._rates.rates(step, batch_count(len(chunk), chunk.batch_size)).astype(self._kind)
        losses = np.empty(len(rates))
        with _subnormals_flushed():
            self._kernels.train_stack(self._members, rows, self._shape, self._settings, rates, step, self._work, losses)
        return torch.from_numpy(losses)

    def evaluate(self, rows: Rows) -> dict[str, Tensor]:
        """Return every member's scores on some rows, as ``metrics.evaluate`` does."""
        members, classes = len(self._settings), self._shape.classes
        losses, confusion = np.empty(members), np.zeros((members, classes, classes), np.int64)
        x, y = rows.x.numpy(), rows.y.numpy()
        self._kernels.evaluate_stack(self._judged, x, y, self._shape, self._work, losses, confusion)
        return summarised(torch.from_numpy(losses), torch.from_numpy(confusion))


@contextlib.contextmanager
def _subnormals_flushed() -> Iterator[None]:
    """Run the body with subnormal numbers flushed to zero.

    The momentum of a unit that never fires again falls below 1e-38, where processors take a hundred times longer.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
