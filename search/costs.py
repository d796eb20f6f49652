"""How long an epoch of a member takes: a guess from its size, mended by every segment that completes."""

from __future__ import annotations

import itertools

from spaces import Configuration

_SECONDS_PER_STEP = 2.5e-5
"""Overhead of one step, per member of a full stack (measured on two cores of an EPYC at 2.4 GHz)."""
_SECONDS_PER_FLOP = 2.5e-11
_SMOOTHING = 0.5


class CostModel:
    """Seconds per epoch and member, by the shape of a configuration."""

    def __init__(self, rows: int, input_size: int, output_size: int) -> None:
        self._rows, self._input_size, self._output_size = rows, input_size, output_size
        self._measured: dict[tuple[object, ...], float] = {}
        self._correction = 1.0

    def seconds_per_epoch(self, configuration: Configuration) -> float:
        """The newest measurement of this shape, or else the guess, corrected by what other shapes have shown."""
        shape = _shape(configuration)
        return self._measured.get(shape, self._guess(configuration) * self._correction)

    def observe(self, configuration: Configuration, seconds_per_epoch: float) -> None:
        """Learn from a segment."""
        shape = _shape(configuration)
        known = self._measured.get(shape, seconds_per_epoch)
        self._measured[shape] = known + _SMOOTHING * (seconds_per_epoch - known)
        ratio = seconds_per_epoch / self._guess(configuration)
        self._correction += _SMOOTHING * (ratio - self._correction)

    def _guess(self, configuration: Configuration) -> float:
        widths = (self._input_size, *configuration.hidden_layers, self._output_size)
        weights = sum(a * b for a, b in itertools.pairwise(widths))
        steps = self._rows / configuration.batch_size
        norm = 1.5 if configuration.batch_norm else 1.0
        return norm * (steps * _SECONDS_PER_STEP + 6 * weights * self._rows * _SECONDS_PER_FLOP)


def _shape(configuration: Configuration) -> tuple[object, ...]:
    c = configuration
    return c.hidden_layers, c.activation, c.batch_norm, c.batch_size
