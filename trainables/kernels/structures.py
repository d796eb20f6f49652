"""Named tuples in which the kernels take arrays and numbers that belong together, as numba compiles them.

Each compiles to nearly the same instructions as a parameter for every field; a call from Python takes 4 microseconds
longer, against half a millisecond or more for a chunk of batches.

``K`` members, ``P`` parameters and ``R`` running statistics of a member, ``L`` layers. Real numbers are float32 or
float64, all of one kind; every width is padded to a multiple of ``LANE``.

Like ``training``, imported from a copy in the user's cache, and so nothing here imports anything of genresweep.
"""

from typing import Any, NamedTuple


class Members(NamedTuple):
    """The members of a stack, a row each."""

    parameters: Any
    """(K, P)"""
    statistics: Any
    """(K, R), running statistics of batch normalisation."""
    first_moment: Any
    """(K, P), Adam's first moment, or the momentum buffer of SGD; ``StackState.momentum``."""
    second_moment: Any
    """(K, P), Adam's second moment; ``StackState.variance``."""
    average_parameters: Any
    """(K, P), moving average over the steps, or (K, 0) where nothing is averaged."""
    average_statistics: Any
    """(K, R), moving average over the steps, or (K, 0)."""


class Chunk(NamedTuple):
    """The rows of a chunk of batches."""

    x: Any
    """(n, inputs)"""
    y: Any
    """(n,) int64, labels."""
    noise: Any
    """(n, sum of the hidden layers' widths), uniform noise for dropout."""


class Shape(NamedTuple):
    """What the members of a stack share."""

    layers: Any
    """int64 (L, 8), a row per layer; its columns are in ``training``."""
    widest: int
    """Width of the widest layer."""
    classes: int
    batch_size: int
    activation: int
    """``RELU`` or ``TANH``."""


class Network(NamedTuple):
    """The numbers of one member, and where each of its layers finds its own."""

    parameters: Any
    """(P,)"""
    statistics: Any
    """(R,)"""
    layers: Any
    """int64 (L, 8), as in ``Shape``."""


class Moments(NamedTuple):
    """The optimiser's state of one member, (P,) each."""

    first: Any
    second: Any


class Average(NamedTuple):
    """The moving average of one member's numbers; empty where nothing is averaged."""

    parameters: Any
    """(P,)"""
    statistics: Any
    """(R,)"""


class StepRule(NamedTuple):
    """How one member's optimiser steps."""

    optimizer: int
    """``ADAM``, ``ADAMW`` or ``SGD``."""
    weight_decay: Any
    momentum: Any
    """Of SGD."""


class Scratch(NamedTuple):
    """What the layers keep from the forward to the backward pass of a batch."""

    z: Any
    """(L, batch size * widest), outputs before the activation; of the last layer, the class scores."""
    a: Any
    """(L, batch size * widest), activations, after dropout."""
    derivative: Any
    """(L, batch size * widest), of ``a`` with respect to the activation's input."""
    factor: Any
    """(L, widest), by which batch normalisation multiplies what it has centred."""
    inverse_std: Any
    """(L, widest), one over the standard deviation of the batch."""
    transposed: Any
    """Room for the transposed weights of a layer."""
    zeros: Any
    """(widest,)"""


class HiddenLayer(NamedTuple):
    """One hidden layer's rows of ``Scratch``."""

    z: Any
    a: Any
    derivative: Any
    factor: Any
    inverse_std: Any


class Norm(NamedTuple):
    """Batch normalisation of a layer, (width,) each; empty where the layer has none."""

    gain: Any
    shift: Any
    running_mean: Any
    running_variance: Any


class FoldedNorm(NamedTuple):
    """Batch normalisation by the running statistics as ``y = addend + z * factor``, (width,) each."""

    present: bool
    """False where the layer has no batch normalisation; the rest is then unused."""
    factor: Any
    addend: Any


class Gradients(NamedTuple):
    """Where a hidden layer's gradients go: (width,), or empty for what the layer does not have."""

    bias: Any
    gain: Any
    shift: Any


class Dropout(NamedTuple):
    """Activation of the hidden layers, and what dropout keeps of it."""

    activation: int
    threshold: Any
    """A unit is kept where its noise is above this."""
    kept_factor: Any
    """By which a kept unit is multiplied."""


class Noise(NamedTuple):
    """One layer's columns of a batch's noise."""

    numbers: Any
    """(rows * width,), of all layers."""
    column: int
    """The layer's first column."""
    width: int
    """Columns of all layers."""
