"""``StackState``: everything that K members need to continue training; the first axis of every tensor is K."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from trainables.mlp import Architecture, GenreMLP
from trainables.stack.stacked_mlp import Layout, pack

_SHAPED_AS = {
    "parameters": ("parameters", "momentum", "variance", "best_parameters", "average_parameters"),
    "statistics": ("statistics", "best_statistics", "average_statistics"),
}


@dataclass(frozen=True, kw_only=True)
class StackState:
    """Current weights, optimiser state, and the weights of each member's best epoch."""

    parameters: Tensor
    """(K, P), in the order of ``Layout.parameters``."""
    statistics: Tensor
    """(K, R), running statistics of batch normalisation."""
    momentum: Tensor
    """(K, P), Adam's first moment."""
    variance: Tensor
    """(K, P), Adam's second moment."""
    best_parameters: Tensor
    """(K, P) at the best epoch."""
    best_statistics: Tensor
    """(K, R) at the best epoch."""
    best_accuracy: Tensor
    """(K,) float64, validation accuracy of the best epoch; minus infinity before the first."""
    best_epoch: Tensor
    """(K,) int64; the earlier of two equal epochs; 0 before the first."""
    lowest_loss: Tensor
    """(K,) float64, lowest validation loss so far."""
    waited: Tensor
    """(K,) int64, epochs since the lowest validation loss."""
    average_parameters: Tensor | None = None
    """(K, P), moving average over the steps; ``None`` where the members have no ``ema_decay``."""
    average_statistics: Tensor | None = None
    """(K, R), moving average over the steps, where there is one of the parameters."""

    def __post_init__(self) -> None:
        members = (len(self.parameters),)
        shapes = {name: tuple(tensor.shape) for name, tensor in self.tensors().items()}
        wide = {name: shapes[kind] for kind, names in _SHAPED_AS.items() for name in names}
        wrong = [name for name, shape in shapes.items() if shape != wide.get(name, members)]
        if wrong:
            raise ValueError(
                f"the tensors of a stack must agree in their shapes, but {', '.join(wrong)} do not: {shapes}"
            )

    def __len__(self) -> int:
        return len(self.parameters)

    @property
    def judged(self) -> tuple[Tensor, Tensor]:
        """The parameters ``(K, P)`` and statistics ``(K, R)`` that are validated and kept: the average, where one is.

        They share memory with the state.
        """
        if self.average_parameters is None or self.average_statistics is None:
            return self.parameters, self.statistics
        return self.average_parameters, self.average_statistics

    @classmethod
    def fresh(
        cls,
        networks: Sequence[GenreMLP],
        *,
        averaged: bool = False,
        dtype: torch.dtype = torch.float32,
        device: str | torch.device = "cpu",
    ) -> StackState:
        """Return the state before the first epoch of networks of one architecture, with an average if ``averaged``."""
        layout = Layout.of(networks[0].architecture)
        parameters, statistics = (rows.to(device=device, dtype=dtype) for rows in pack(networks, layout))
        count = torch.zeros(len(networks), dtype=torch.int64, device=device)
        worst = torch.full((len(networks),), -torch.inf, dtype=torch.float64, device=device)
        return cls(
            parameters=parameters,
            statistics=statistics,
            momentum=torch.zeros_like(parameters),
            variance=torch.zeros_like(parameters),
            best_parameters=parameters.clone(),
            best_statistics=statistics.clone(),
            best_accuracy=worst,
            best_epoch=count,
            lowest_loss=-worst,
            waited=count.clone(),
            average_parameters=parameters.clone() if averaged else None,
            average_statistics=statistics.clone() if averaged else None,
        )

    @classmethod
    def initial(
        cls,
        architecture: Architecture,
        size: int,
        seed: int,
        *,
        averaged: bool = False,
        dtype: torch.dtype = torch.float32,
    ) -> StackState:
        """Return ``size`` members with the same initial weights, drawn from ``seed`` alone."""
        return cls.fresh([GenreMLP.build(architecture, seed)] * size, averaged=averaged, dtype=dtype)

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors by name, without those that the members do not have."""
        found = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: tensor for name, tensor in found.items() if tensor is not None}

    def select(self, members: Sequence[int]) -> StackState:
        """Return a copy with these members, in this order."""
        index = torch.tensor(list(members), dtype=torch.int64, device=self.parameters.device)
        return StackState(**{name: tensor[index] for name, tensor in self.tensors().items()})

    def to(self, device: str | torch.device) -> StackState:
        """Return the same state on another device."""
        return StackState(**{name: tensor.to(device) for name, tensor in self.tensors().items()})

    @classmethod
    def concatenate(cls, states: Sequence[StackState]) -> StackState:
        """Join all members of several states of one architecture, each of them with an average or none."""
        tensors = [state.tensors() for state in states]
        return cls(**{name: torch.cat([state[name] for state in tensors]) for name in tensors[0]})
