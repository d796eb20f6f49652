"""Measures of probabilities against labels: a judgement, log loss, calibration error."""

from __future__ import annotations

import math

import numpy as np

from results.judging.judgement import Judgement

BINS = 15
"""Bins of equal width by the probability of the predicted genre (Guo et al. 2017, section 2)."""


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
