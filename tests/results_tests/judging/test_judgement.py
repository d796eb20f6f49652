"""Judgements against scikit-learn's figures, and against sums written out."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from results.judging.judgement import Judgement
from results.judging.measures import BINS, calibration_error, judge, log_loss

GENRES = ("pop", "rap", "rock")


@st.composite
def judged(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities ``(n, 3)`` and labels ``(n,)``."""
    count = draw(st.integers(1, 40))
    raw = draw(arrays.arrays(np.float64, (count, len(GENRES)), elements=st.floats(0.01, 1)))
    return raw / raw.sum(axis=1, keepdims=True), draw(arrays.arrays(np.int64, count, elements=st.integers(0, 2)))


@given(judged())
def test_it_is_what_scikit_learn_counts(pair: tuple[np.ndarray, np.ndarray]) -> None:
    probabilities, labels = pair
    found = judge("best", "holdout", GENRES, probabilities, labels)
    predicted = probabilities.argmax(axis=1)
    assert np.array(found.confusion).tolist() == (
        sklearn.metrics.confusion_matrix(labels, predicted, labels=[0, 1, 2]).tolist()
    )
    assert found.log_loss == pytest.approx(sklearn.metrics.log_loss(labels, probabilities, labels=[0, 1, 2]))
    assert found.accuracy == pytest.approx(np.mean(predicted == labels)) and found.rows == len(labels)
    assert Judgement.from_json(json.loads(json.dumps(found.to_json()))) == found


@given(judged())
def test_calibration_is_the_sum_over_bins(pair: tuple[np.ndarray, np.ndarray]) -> None:
    probabilities, labels = pair
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    total = 0.0
    for place in range(BINS):
        low, high = place / BINS, (place + 1) / BINS
        own = [
            i for i, p in enumerate(confidence) if math.floor(p * BINS) == place or (place == BINS - 1 and p >= high)
        ]
        assert all(low - 1e-12 <= confidence[i] <= high + 1e-12 for i in own)
        if own:
            total += len(own) * abs(np.mean(right[own]) - np.mean(confidence[own]))
    assert calibration_error(confidence, right) == pytest.approx(total / len(labels))


def test_a_model_that_is_sure_and_wrong() -> None:
    sure = np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    assert log_loss(sure, np.array([0, 1])) == math.inf
    assert calibration_error(sure.max(axis=1), np.array([True, False])) == 0.5


@pytest.mark.parametrize(
    "confusion", [((1, 0), (0, 1)), ((1, 0, 0), (0, 1, 0), (0, 1)), ((0, 0, 0), (0, 0, 0), (0, 0, 0))]
)
def test_what_is_no_confusion_matrix_is_refused(confusion: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(ValueError, match="square|at least one row"):
        Judgement(model="best", side="holdout", log_loss=1, calibration_error=0, genres=GENRES, confusion=confusion)
