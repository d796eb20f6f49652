"""Parameters of a search space: choices and ranges."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from data.errors import InputError

Value = int | float | bool | str | tuple[int, ...] | None
"""A value of a hyperparameter."""
Point = Mapping[str, Value]
"""A point of a search space: the value of each parameter that applies, by its name."""


@dataclass(frozen=True)
class Choice:
    """A parameter that takes one of a few values."""

    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(tuple(v) if isinstance(v, list) else v for v in self.values))
        if not self.values:
            raise InputError("a choice needs at least one value, but got none")
        try:
            different = len(set(self.values)) == len(self.values)
        except TypeError as error:
            raise InputError(f"the values of a choice must be plain, but got {list(self.values)}") from error
        if not different:
            raise InputError(f"the values of a choice must differ, but got {list(self.values)}")

    def sample(self, rng: random.Random) -> Any:
        """Draw one value, each equally likely."""
        return rng.choice(self.values)


@dataclass(frozen=True)
class Uniform:
    """A parameter between two bounds, uniform or (``log``) uniform in its logarithm."""

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            bound = getattr(self, name)
            if isinstance(bound, bool) or not isinstance(bound, int | float) or is_huge(bound):
                raise InputError(f"{name} must be a number below 2^63 in size, but got a {type(bound).__name__}")
            object.__setattr__(self, name, float(bound))
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low <= self.high):
            raise InputError(f"low <= high must hold, but got (low={self.low}, high={self.high})")
        if self.log and self.low <= 0:
            raise InputError(f"low > 0 must hold on a log scale, but got (low={self.low}, high={self.high})")

    def sample(self, rng: random.Random) -> float:
        """Draw one value between the bounds."""
        if self.log:
            value = math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
        else:
            value = rng.uniform(self.low, self.high)
        return min(self.high, max(self.low, value))


Parameter = Choice | Uniform


def is_huge(value: Any) -> bool:
    """Return True for whole numbers that a float or a tensor may not hold, and that may be too long to print."""
    return isinstance(value, int) and abs(value) >= 2**63
