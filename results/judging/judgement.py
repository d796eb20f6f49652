"""Judgement of a model on labelled rows: how often it is right, how sure it is, which genres it takes for which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The judgement of one model on one side of a study's rows."""

    model: str
    """The name of its model directory, such as ``best``."""
    side: str
    """``validation`` or ``holdout``."""
    log_loss: float
    """Mean negative logarithm of the true genre's probability, in nats."""
    calibration_error: float
    """Expected calibration error: mean distance of probability and accuracy over bins, weighted by their rows."""
    genres: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    """Numbers of rows by true genre (outer) and predicted genre (inner), both in the order of ``genres``."""

    def __post_init__(self) -> None:
        if [len(row) for row in self.confusion] != [len(self.genres)] * len(self.genres):
            raise ValueError(f"confusion must be square, one row for each of {len(self.genres)} genres")
        if not self.rows:
            raise ValueError("a judgement is of at least one row, but got none")

    @property
    def rows(self) -> int:
        """Rows judged."""
        return sum(map(sum, self.confusion))

    @property
    def accuracy(self) -> float:
        """Share of the rows whose predicted genre is the true one."""
        return sum(row[place] for place, row in enumerate(self.confusion)) / self.rows

    def to_json(self) -> dict[str, Any]:
        """Return plain values from which ``from_json`` restores this judgement."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Judgement:
        """Restore a judgement from ``to_json``; ``KeyError``, ``TypeError`` or ``ValueError`` for other values."""
        return cls(
            model=str(values["model"]),
            side=str(values["side"]),
            log_loss=float(values["log_loss"]),
            calibration_error=float(values["calibration_error"]),
            genres=tuple(str(genre) for genre in values["genres"]),
            confusion=tuple(tuple(int(count) for count in row) for row in values["confusion"]),
        )
