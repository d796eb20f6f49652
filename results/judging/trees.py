"""The record of trees that were tuned beside a sweep, to show what its networks are worth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

XGBOOST = "xgboost"
"""The name of the trees' judgements."""


@dataclass(frozen=True, kw_only=True)
class TunedTrees:
    """The cost and the result of a random search over XGBoost's hyperparameters."""

    points: int
    """Points that were fitted."""
    core_seconds: float
    """Seconds of the search times its threads."""
    point: Mapping[str, float]
    """The hyperparameters most accurate on the validation rows, by XGBoost's names."""

    def __post_init__(self) -> None:
        if self.points < 1 or not math.isfinite(self.core_seconds) or self.core_seconds < 0:
            raise ValueError(f"at least one point, in finite seconds, must hold, but got {self}")

    def to_json(self) -> dict[str, Any]:
        """Return plain values from which ``from_json`` restores this record."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> TunedTrees:
        """Restore a record from ``to_json``; ``KeyError``, ``TypeError`` or ``ValueError`` for other values."""
        return cls(
            points=int(values["points"]),
            core_seconds=float(values["core_seconds"]),
            point={str(name): float(value) for name, value in values["point"].items()},
        )
