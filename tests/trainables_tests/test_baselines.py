from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from data.errors import InputError
from data.inputs.features import Features, FeatureScaler, build_features
from data.inputs.splits import split_tracks
from data.tables.tracks import load_tracks
from trainables.baselines import (
    FOLDS,
    GRIDS,
    BaselineResult,
    Scores,
    choose,
    fold_score,
    refit_and_score,
    score,
)

SMALL = {
    "random_forest": {"n_estimators": 5, "max_depth": 4, "min_samples_leaf": 1},
    "xgboost": {"n_estimators": 5, "max_depth": 3, "learning_rate": 0.3},
}
PAPER_BEST = {
    "colsample_bytree": 0.9,
    "learning_rate": 0.1,
    "max_depth": 10,
    "n_estimators": 300,
    "subsample": 0.9,
}


def rows(n: int = 90, genres: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows whose genre is written in their first column, under noise."""
    rng = np.random.default_rng(seed)
    y = np.arange(n, dtype=np.int64) % genres
    x = rng.normal(size=(n, 4)).astype(np.float32)
    x[:, 0] += 3 * y
    x.setflags(write=False)
    return x, y


def features(holdout: int = 20) -> Features:
    names = ("a", "b", "c", "d")
    (x, y), (x_val, y_val), (x_held, y_held) = rows(), rows(30, seed=1), rows(holdout, seed=2)
    return Features(
        names=names,
        genres=("latin", "pop", "rap"),
        x_train=x,
        y_train=y,
        x_val=x_val,
        y_val=y_val,
        x_holdout=x_held,
        y_holdout=y_held,
        scaler=FeatureScaler(names=names, mean=np.zeros(4), scale=np.ones(4)),
        fingerprint="",
        kind="audio",
    )


@pytest.mark.parametrize("kind", GRIDS)
def test_grids_are_small_and_vary_every_hyperparameter_evenly(kind):
    points = GRIDS[kind]
    assert 1 < len(points) <= 8
    assert len({tuple(sorted(point.items())) for point in points}) == len(points)
    assert len({tuple(point) for point in points}) == 1
    for name in points[0]:
        values = [point[name] for point in points]
        assert sorted(values.count(value) for value in set(values)) == [len(points) // 2] * 2


def test_the_papers_best_point_is_in_its_grid():
    assert PAPER_BEST in [dict(point) for point in GRIDS["xgboost"]]


@pytest.mark.parametrize("kind", SMALL)
def test_a_fold_is_learnt_from_the_others_alone(kind):
    x, y = rows()
    scores = [fold_score(kind, SMALL[kind], fold, x, y, seed=0) for fold in range(FOLDS)]
    assert min(scores) > 0.6
    assert scores[1] == fold_score(kind, SMALL[kind], 1, x, y, seed=0)
    noise = np.random.default_rng(5).permutation(y)
    blind = [fold_score(kind, SMALL[kind], fold, x[:, 1:], noise, seed=0) for fold in range(FOLDS)]
    assert np.mean(blind) < 0.6


@pytest.mark.parametrize("kind", SMALL)
def test_every_row_is_tested_once(kind, monkeypatch):
    x, y = rows(53)
    tested = []

    class Spy:
        def fit(self, x_train, y_train):
            assert len(set(y_train)) == 3
            self.train = {tuple(row) for row in x_train}

        def predict(self, x_test):
            assert not self.train & {tuple(row) for row in x_test}
            tested.extend(map(tuple, x_test))
            return np.zeros(len(x_test), dtype=np.int64)

    monkeypatch.setattr("trainables.baselines._model", lambda *_: Spy())
    for fold in range(FOLDS):
        fold_score(kind, SMALL[kind], fold, x, y, seed=1)
    assert sorted(tested) == sorted(map(tuple, x))


def test_choice():
    points = [{"a": 1}, {"a": 2}, {"a": 3}, {"a": 4}]
    nan = float("nan")
    assert choose(points, [[0.9, 0.1], [0.6, 0.5], [0.5, 0.6], [nan, 1.0]]) == {"a": 2}
    assert choose(points[:2], [[nan, nan], [0.1, 0.1]]) == {"a": 2}
    with pytest.raises(ValueError, match="as many scores"):
        choose(points, [[0.5]] * 3)
    with pytest.raises(ValueError, match="as many scores"):
        choose(points[:2], [[0.5], [0.5, 0.6]])
    with pytest.raises(ValueError, match="as many scores"):
        choose([], [])


@pytest.mark.parametrize("kind", SMALL)
def test_refit(kind):
    result = refit_and_score(kind, SMALL[kind], features(), seed=0)
    assert result.validation.accuracy > 0.7
    assert result.holdout is not None
    assert result.holdout.accuracy > 0.7
    assert result.seconds > 0
    assert pickle.loads(pickle.dumps(result)) == result
    again = refit_and_score(kind, SMALL[kind], features(), seed=0)
    assert (again.validation, again.holdout) == (result.validation, result.holdout)


def test_no_holdout():
    result = refit_and_score("random_forest", SMALL["random_forest"], features(holdout=0), seed=0)
    assert result.holdout is None


def test_scores_are_weighted_averages():
    rng = np.random.default_rng(0)
    y, predicted = rng.integers(0, 4, 200), rng.integers(0, 3, 200)
    found = score(y, predicted)
    options = {"average": "weighted", "zero_division": 0}
    assert found.accuracy == pytest.approx(np.mean(y == predicted))
    assert found.precision == pytest.approx(precision_score(y, predicted, **options))
    assert found.recall == pytest.approx(recall_score(y, predicted, **options))
    assert found.f1 == pytest.approx(f1_score(y, predicted, **options))
    with pytest.raises(ValueError, match="from 0 to 1"):
        Scores(accuracy=1.2, precision=0, recall=0, f1=0)


def test_wrong_input():
    x, y = rows()
    with pytest.raises(InputError, match="did you mean 'xgboost'"):
        fold_score("xgbost", {}, 0, x, y, seed=0)
    with pytest.raises(InputError, match="the rarest has 4"):
        fold_score("xgboost", SMALL["xgboost"], 0, x[:14], y[:14], seed=0)
    with pytest.raises(ValueError, match="fold < 5"):
        fold_score("xgboost", SMALL["xgboost"], 5, x, y, seed=0)


@pytest.mark.slow
def test_the_papers_best_point_on_real_tracks(real_data):
    tracks = load_tracks(real_data / "train.csv")
    results: list[BaselineResult] = [
        refit_and_score("xgboost", PAPER_BEST, build_features(tracks, split_tracks(tracks, seed=seed)), seed)
        for seed in (42, 0)
    ]
    assert np.mean([result.validation.accuracy for result in results]) >= 0.585
