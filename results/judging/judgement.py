"""Judgement of a model on labelled rows: how often it is right, how sure it is, which genres it takes for which."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

BINS = 15
"""Bins of equal width by the probability of the predicted genre (Guo et al. 2017, section 2)."""


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


def judge(model: str, side: str, genres: tuple[str, ...], probabilities: np.ndarray, labels: np.ndarray) -> Judgement:
    """Return the judgement of probabilities ``(n, len(genres))`` against labels ``(n,)``, positions in ``genres``."""
    predicted = probabilities.argmax(axis=1)
    confusion = np.zeros((len(genres), len(genres)), dtype=np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    return Judgement(
        model=model,
        side=side,
        log_loss=log_loss(probabilities, labels),
        calibration_error=calibration_error(probabilities.max(axis=1), predicted == labels),
        genres=genres,
        confusion=tuple(tuple(map(int, row)) for row in confusion),
    )


def log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean negative logarithm of the true label's probability; infinite where one is 0."""
    true = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return -math.fsum(np.log(true, where=true > 0, out=np.full(len(true), -np.inf))) / len(true)


def calibration_error(confidence: np.ndarray, right: np.ndarray) -> float:
    """Return the expected calibration error of predictions ``(n,)`` over ``BINS`` bins (Guo et al. 2017, equation 3).

    >>> calibration_error(np.array([0.9, 0.9, 0.5, 0.5]), np.array([True, True, True, False]))
    0.04999999999999999
    """
    places = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    sums = np.bincount(places, confidence - right, minlength=BINS)
    return float(np.abs(sums).sum() / len(confidence))
