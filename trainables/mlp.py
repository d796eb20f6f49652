"""``GenreMLP``: the paper's network (section 4.2), as a plain ``nn.Module``."""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from spaces import Configuration

_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh}


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """The settings that fix the shapes of a network's parameters."""

    input_size: int
    hidden_layers: tuple[int, ...]
    output_size: int
    activation: str = "relu"
    batch_norm: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden_layers", tuple(self.hidden_layers))
        sizes = (self.input_size, *self.hidden_layers, self.output_size)
        whole = all(isinstance(size, int) and not isinstance(size, bool) and size >= 1 for size in sizes)
        if not whole or self.activation not in _ACTIVATIONS or not isinstance(self.batch_norm, bool):
            raise ValueError(
                f"whole sizes of at least 1, an activation of {', '.join(_ACTIVATIONS)} and "
                f"batch_norm of true or false must hold, but got {self}"
            )

    @classmethod
    def of(cls, configuration: Configuration, input_size: int, output_size: int) -> Architecture:
        """Return the architecture of a configuration."""
        return cls(
            input_size=input_size,
            hidden_layers=configuration.hidden_layers,
            output_size=output_size,
            activation=configuration.activation,
            batch_norm=configuration.batch_norm,
        )

    @property
    def layer_sizes(self) -> tuple[tuple[int, int], ...]:
        """The (inputs, outputs) of each linear layer, from the input up."""
        widths = (self.input_size, *self.hidden_layers, self.output_size)
        return tuple(itertools.pairwise(widths))

    def to_json(self) -> dict[str, Any]:
        """Return plain values, which ``Architecture(**values)`` takes back."""
        return {**asdict(self), "hidden_layers": list(self.hidden_layers)}


class GenreMLP(nn.Module):
    """Linear, batch normalisation, activation and dropout for each hidden layer, then a linear output layer.

    A linear layer before batch normalisation has no bias, as the normalisation would remove it.

    **Shape**

    - input: ``(batch, input_size)``
    - output: ``(batch, output_size)``, unnormalised class scores

    >>> GenreMLP(14, [64, 32], 5, batch_norm=True)(torch.zeros(8, 14)).shape
    torch.Size([8, 5])
    """

    def __init__(
        self,
        input_size: int,
        hidden_layers: tuple[int, ...] | list[int],
        output_size: int,
        activation: str = "relu",
        batch_norm: bool = False,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.architecture = Architecture(
            input_size=input_size,
            hidden_layers=tuple(hidden_layers),
            output_size=output_size,
            activation=activation,
            batch_norm=batch_norm,
        )
        *hidden, output = self.architecture.layer_sizes
        self.hidden = nn.ModuleList()
        for inputs, outputs in hidden:
            layers: list[nn.Module] = [nn.Linear(inputs, outputs, bias=not batch_norm)]
            if batch_norm:
                layers.append(nn.BatchNorm1d(outputs))
            self.hidden.append(nn.Sequential(*layers, _ACTIVATIONS[activation](), nn.Dropout(dropout)))
        self.output = nn.Linear(*output)

    @classmethod
    def build(cls, architecture: Architecture, seed: int, dropout: float = 0.5) -> GenreMLP:
        """Build a network with PyTorch's default initial weights, drawn from ``seed`` alone."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return cls(**asdict(architecture), dropout=dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores of each row."""
        for layer in self.hidden:
            x = layer(x)
        return self.output(x)
