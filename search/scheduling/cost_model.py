"""Estimated time of a member's epoch: a guess from its size, corrected by every segment that completes."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

from spaces import Configuration
from trainables.stacking import batches, network

_SECONDS_PER_STEP = 2.5e-5
"""Overhead of one step, per member of a full stack (measured on two cores of an EPYC at 2.4 GHz)."""
_SECONDS_PER_FLOP = 2.5e-11
_SMOOTHING = 0.5


class CostModel:
    """Seconds per epoch and member, by the shape of a configuration.

    ``input_sizes`` are the inputs under each encoding. Members train one after another on a CPU; those of one shape
    train at once on a GPU, where a stack takes as long as one of each.
    """

    def __init__(self, rows: int, input_sizes: Mapping[str, int], output_size: int, *, device: str = "cpu") -> None:
        self.device = device
        self._rows, self._input_sizes, self._output_size = rows, input_sizes, output_size
        self._measured: dict[tuple[object, ...], float] = {}
        self._correction = 1.0
        self.revision = 0
        """Observations so far: with each, some seconds are others."""

    def seconds_per_epoch(self, configuration: Configuration) -> float:
        """Return the newest measurement of this shape, or else the guess, corrected by what other shapes have shown."""
        shape = _shape(configuration)
        return self._measured.get(shape, self._guess(configuration) * self._correction)

    def stack_seconds(self, configurations: Sequence[Configuration]) -> float:
        """Return the seconds that an epoch of a stack of these takes."""
        return sum(map(self.seconds_per_epoch, self._counted(configurations)))

    def observe(self, configurations: Sequence[Configuration], seconds_per_epoch: float) -> None:
        """Take up the seconds of an epoch of a stack; they are shared among its members in the expected proportions."""
        self.revision += 1
        expected = {_shape(c): self.seconds_per_epoch(c) for c in configurations}
        ratio = seconds_per_epoch / self.stack_seconds(configurations)
        for shape, seconds in expected.items():
            known = self._measured.get(shape, seconds * ratio)
            self._measured[shape] = known + _SMOOTHING * (seconds * ratio - known)
        guessed = sum(map(self._guess, self._counted(configurations)))
        self._correction += _SMOOTHING * (seconds_per_epoch / guessed - self._correction)

    def _counted(self, configurations: Sequence[Configuration]) -> Iterable[Configuration]:
        return {_shape(c): c for c in configurations}.values() if self.device == "cuda" else configurations

    def _guess(self, configuration: Configuration) -> float:
        widths = (self._input_sizes[configuration.encoding], *configuration.hidden_layers, self._output_size)
        weights = sum(a * b for a, b in itertools.pairwise(widths))
        steps = self._rows / configuration.batch_size
        norm = 1.5 if configuration.batch_norm else 1.0
        return norm * (steps * _SECONDS_PER_STEP + 6 * weights * self._rows * _SECONDS_PER_FLOP)


def _shape(configuration: Configuration) -> tuple[object, ...]:
    return batches(configuration), network(configuration)
