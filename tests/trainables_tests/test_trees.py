"""The random search over XGBoost's hyperparameters: its points, its end, and what it keeps."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from spaces.parameters import Choice
from tests.trainables_tests.test_baselines import features
from trainables import trees
from trainables.trees import PARAMETERS, Trees, tune_trees

Told = list[tuple[int, float, float]]


def tuned(seconds: float, holdout: int = 20, seed: int = 1) -> tuple[Trees, Told]:
    told: Told = []
    given = features(holdout)
    found = tune_trees(given, seconds=seconds, seed=seed, threads=1, told=lambda *said: told.append(said))
    return found, told


def test_the_first_point_is_fitted_to_its_end_whatever_the_limit() -> None:
    found, told = tuned(0)
    assert found.points == 1 == len(told)
    assert found.validation.shape == (30, 3) and found.holdout.shape == (20, 3)
    assert found.validation.sum(axis=1) == pytest.approx(1)
    assert (found.validation.argmax(axis=1) == features().y_val).mean() == told[0][1] > 0.8


def test_points_are_drawn_from_the_seed_within_their_ranges() -> None:
    first, again, other = (tuned(0, seed=seed)[0].point for seed in (1, 1, 2))
    assert first == again != other
    assert list(first) == list(PARAMETERS)
    for name, parameter in PARAMETERS.items():
        if isinstance(parameter, Choice):
            assert first[name] in parameter.values
        else:
            assert parameter.low <= first[name] <= parameter.high


def test_the_most_accurate_on_the_validation_rows_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    given, clock = features(), itertools.count()
    right = np.eye(3, dtype=np.float32)[given.y_val]

    class Model:
        def __init__(self, wrong: int) -> None:
            self.wrong = wrong

        def predict_proba(self, x: np.ndarray) -> np.ndarray:
            found = right.copy() if len(x) == len(right) else np.full((len(x), 3), self.wrong / 100, np.float32)
            found[: self.wrong] = np.roll(found[: self.wrong], 1, axis=1)
            return found

    models = iter([Model(3), Model(1), Model(1), Model(2), None])
    monkeypatch.setattr(trees, "_fitted", lambda *_, **more: next(models))
    monkeypatch.setattr(trees.time, "monotonic", lambda: next(clock))
    told: Told = []
    found = tune_trees(given, seconds=1000, seed=1, threads=1, told=lambda *said: told.append(said))
    assert [accuracy for _, accuracy, _ in told] == pytest.approx([27 / 30, 29 / 30, 29 / 30, 29 / 30])
    assert found.points == 4 and found.holdout[0, 0] == np.float32(0.01), "the second, the first of two equal ones"


def test_a_fit_that_the_deadline_ends_is_no_point() -> None:
    assert trees._fitted({"max_depth": 3}, features(), seed=1, threads=1, deadline=0.0) is None


def test_without_held_out_rows_there_are_no_probabilities_for_them() -> None:
    assert tuned(0, holdout=0)[0].holdout.shape == (0, 3)
