"""What makes a stack: which configurations train together, and which part ways.

The members of a *segment* share the order of their batches and their dropout noise (``batches``), a seed and an epoch.
Those of a *stack*, one or several of which make a segment, are moreover networks of one form on one encoding of the
inputs (``network``). Configurations that agree in both take the same time to train.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby
from typing import NamedTuple, TypeVar

from spaces import Configuration

Member = TypeVar("Member")


class Batches(NamedTuple):
    """Hyperparameters that the members of a segment have in common."""

    hidden_layers: tuple[int, ...]
    batch_size: int


class Network(NamedTuple):
    """Hyperparameters that the members of a stack have in common beside their batches."""

    encoding: str
    activation: str
    batch_norm: bool
    averaged: bool
    """True where a moving average of the weights is validated and kept (``ema_decay``)."""


def batches(configuration: Configuration) -> Batches:
    """Return what a configuration shares with the members of its segment."""
    return Batches(configuration.hidden_layers, configuration.batch_size)


def network(configuration: Configuration) -> Network:
    """Return what a configuration shares with the members of its stack, beside `batches`."""
    averaged = configuration.ema_decay > 0
    return Network(configuration.encoding, configuration.activation, configuration.batch_norm, averaged)


def stacks(members: Iterable[Member], configuration: Callable[[Member], Configuration]) -> list[list[Member]]:
    """Return the members of a segment in its stacks: neighbours whose `network` is the same."""
    return [list(stack) for _, stack in groupby(members, key=lambda member: network(configuration(member)))]
