"""The least that the arithmetic alone would take: operations counted, divided by this machine's matrix-product rate."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable

import torch

from spaces import Configuration
from trainables.stack.batches import batch_count

_SIZE = 2048
_SECONDS = 3.0


def network_operations(configuration: Configuration, inputs: int, classes: int) -> tuple[int, int]:
    """Floating-point operations of the matrix products for one row: in a training step, and in validation.

    A product of an input row with ``(a, b)`` weights is ``2ab``; a step adds as much for the weights' gradient and, but
    for the first layer, for the input's.
    """
    widths = (inputs, *configuration.hidden_layers, classes)
    forward = [2 * a * b for a, b in itertools.pairwise(widths)]
    return 3 * sum(forward) - forward[0], sum(forward)


def epoch_operations(configuration: Configuration, inputs: int, classes: int, training: int, validation: int) -> int:
    """Operations of one epoch: a pass over the training rows, and one over the validation rows."""
    size = configuration.batch_size
    used = min(training, batch_count(training, size) * size)
    step, forward = network_operations(configuration, inputs, classes)
    return used * step + validation * forward


def grid_operations(
    configurations: Iterable[Configuration], epochs: int, inputs: int, classes: int, training: int, validation: int
) -> int:
    """Operations of training every configuration to the end."""
    return epochs * sum(epoch_operations(c, inputs, classes, training, validation) for c in configurations)


def optimiser_steps(configurations: Iterable[Configuration], training: int) -> int:
    """Optimiser steps of one epoch of each: what an ordinary training loop's time goes with."""
    return sum(batch_count(training, configuration.batch_size) for configuration in configurations)


def matrix_rate(threads: int) -> float:
    """Operations a second of a large float32 matrix product on so many threads, the best of a few seconds."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    a, b = torch.randn(_SIZE, _SIZE), torch.randn(_SIZE, _SIZE)
    best, end = float("inf"), time.perf_counter() + _SECONDS
    while time.perf_counter() < end:
        started = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - started)
    torch.set_num_threads(before)
    return 2 * _SIZE**3 / best
