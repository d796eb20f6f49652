"""The training loop: a stack from epoch to epoch, each member with its own early stopping. Pure torch."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

from spaces import Configuration
from trainables.mlp import Architecture
from trainables.segment_protocol import Ending, EpochMetrics, MemberResult
from trainables.stack.batches import TrainingData, batch_count, epoch_chunks
from trainables.stack.engines import CompiledEngine
from trainables.stack.graphs import GraphedEngine
from trainables.stack.stacked_mlp import StackedMLP
from trainables.stack.state import StackState

_T = TypeVar("_T")


@dataclass(frozen=True)
class SegmentResult:
    """The members' results and their final state, both in the order of the stack."""

    members: tuple[MemberResult, ...]
    state: StackState


def train_segment(
    configurations: Sequence[Configuration],
    state: StackState,
    data: TrainingData,
    *,
    seed: int,
    first_epoch: int,
    last_epoch: int,
    frozen: Sequence[int] | None = None,
) -> SegmentResult:
    """Train a stack through the epochs ``first_epoch`` to ``last_epoch``, both included.

    A member leaves the stack when its validation loss has not fallen for its ``patience`` epochs, or is no
    longer a number; this does not affect the others. The first ``frozen[k]`` parameters of member ``k`` do not
    train. Writes the tensors of ``state`` in place.
    """
    return result_of(
        segment_by_epochs(
            configurations, state, data, seed=seed, first_epoch=first_epoch, last_epoch=last_epoch, frozen=frozen
        )
    )


def segment_by_epochs(
    configurations: Sequence[Configuration],
    state: StackState,
    data: TrainingData,
    *,
    seed: int,
    first_epoch: int,
    last_epoch: int,
    frozen: Sequence[int] | None = None,
) -> Generator[int, None, SegmentResult]:
    """Yield each epoch once it is trained, and return the result; see ``train_segment``."""
    epochs: list[list[EpochMetrics]] = [[] for _ in configurations]
    endings: list[Ending | None] = [None] * len(configurations)
    left: dict[int, StackState] = {}
    work = _Work(configurations, data, seed, frozen or [0] * len(configurations))
    stack = _Stack(list(range(len(configurations))), work, state)
    for epoch in range(first_epoch, last_epoch + 1):
        for member, metrics in zip(stack.members, stack.train_epoch(epoch), strict=True):
            epochs[member].append(metrics)
        yield epoch
        stopped = stack.stopped()
        if stopped:
            for position, ending in stopped.items():
                endings[stack.members[position]] = ending
                left[stack.members[position]] = stack.state.select([position])
            stay = [position for position in range(len(stack.members)) if position not in stopped]
            if not stay:
                break
            stack = _Stack([stack.members[p] for p in stay], work, stack.state.select(stay))
    stayed = [position for position, member in enumerate(stack.members) if member not in left]
    order = [*left, *(stack.members[position] for position in stayed)]
    every = StackState.concatenate([*left.values(), stack.state.select(stayed)])
    final = every.select([order.index(member) for member in range(len(configurations))])
    results = tuple(MemberResult(tuple(e), ending) for e, ending in zip(epochs, endings, strict=True))
    return SegmentResult(results, final)


def result_of(work: Generator[Any, None, _T]) -> _T:
    """Run a generator to its end, and return its result."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: _T = end.value
            return result


@dataclass(frozen=True)
class _Work:
    """The common inputs of a segment's members, and the settings of each."""

    configurations: Sequence[Configuration]
    data: TrainingData
    seed: int
    frozen: Sequence[int]


class _Stack:
    """Members of a segment that still train, with their networks and optimiser bound to their state."""

    def __init__(self, members: list[int], work: _Work, state: StackState) -> None:
        self.members, self.state = members, state
        self._configurations = [work.configurations[member] for member in members]
        self._data, self._seed = work.data, work.seed
        first = self._configurations[0]
        self._batch_size = first.batch_size
        architecture = Architecture.of(first, work.data.train.x.shape[1], work.data.classes)
        dropout, smoothing = (_column(self._configurations, name) for name in ("dropout", "label_smoothing"))
        self._networks = StackedMLP(architecture, state.parameters, state.statistics, dropout, smoothing)
        engine = CompiledEngine if state.parameters.device.type == "cpu" else GraphedEngine
        frozen = [work.frozen[member] for member in members]
        self._steps = batch_count(len(work.data.train), self._batch_size)
        self._engine = engine(self._networks, self._configurations, state, self._steps, frozen)

    @torch.inference_mode()
    def train_epoch(self, epoch: int) -> list[EpochMetrics]:
        """Run one pass over the training rows and one over the validation rows."""
        started = time.perf_counter()
        train_loss = self._train(epoch)
        scores = self._engine.evaluate(self._data.val)
        self._remember(epoch, scores["val_accuracy"], scores["val_loss"])
        seconds = (time.perf_counter() - started) / len(self.members)
        columns = {"train_loss": train_loss, **scores}
        rows = zip(*(column.tolist() for column in columns.values()), strict=True)
        return [EpochMetrics(epoch=epoch, seconds=seconds, **dict(zip(columns, row, strict=True))) for row in rows]

    def _train(self, epoch: int) -> torch.Tensor:
        """Train through the epoch and return the mean training loss ``(K,)``, dropout included."""
        train = self._data.train
        hidden_layers = self._networks.architecture.hidden_layers
        step = (epoch - 1) * self._steps
        loss = torch.zeros(len(self.members), dtype=torch.float64, device=train.x.device)
        rows = 0
        for chunk in epoch_chunks(train, self._seed, epoch, self._batch_size, hidden_layers):
            loss += self._engine.train(chunk, step)
            step += batch_count(len(chunk), self._batch_size)
            rows += len(chunk)
        return loss / rows

    def _remember(self, epoch: int, accuracy: torch.Tensor, loss: torch.Tensor) -> None:
        """Keep the weights of the best epoch, and count the epochs since the lowest validation loss."""
        state = self.state
        better = accuracy > state.best_accuracy
        state.best_accuracy[better] = accuracy[better]
        state.best_epoch[better] = epoch
        parameters, statistics = state.judged
        state.best_parameters[better] = parameters[better]
        state.best_statistics[better] = statistics[better]
        lower = loss < state.lowest_loss
        state.waited.add_(1).masked_fill_(lower, 0)
        state.lowest_loss[lower] = loss[lower]
        self._diverged = (~loss.isfinite()).tolist()

    def stopped(self) -> dict[int, Ending]:
        """Return the positions of the members that end after this epoch, and their reasons."""
        waited = self.state.waited.tolist()
        found = {}
        for position, configuration in enumerate(self._configurations):
            if self._diverged[position]:
                found[position] = Ending.DIVERGED
            elif waited[position] >= (configuration.patience or math.inf):
                found[position] = Ending.EARLY_STOPPED
        return found


def _column(configurations: Sequence[Configuration], name: str) -> torch.Tensor:
    return torch.tensor([getattr(c, name) for c in configurations], dtype=torch.float64)
