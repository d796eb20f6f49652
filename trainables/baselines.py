"""Random forest and XGBoost (paper 3.1): small grids, 5-fold cross-validation, the best point refitted.

Pure functions of their arguments, one thread per fit; the caller maps ``(point, fold)`` pairs over workers.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from types import MappingProxyType
from typing import Any

import numpy as np

from data.errors import InputError, did_you_mean
from data.inputs.features import Features

FOLDS = 5
Point = Mapping[str, float]
"""A point of a grid: the value of each hyperparameter, by the name that its library gives it."""

# A point takes the low or the high level of every hyperparameter. All combinations would be 8 and 32 points;
# a regular fraction varies every hyperparameter, half of the points at each level, at an affordable cost.
_FOREST_LEVELS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"max_depth": (10, 20), "n_estimators": (50, 100), "min_samples_leaf": (2, 1)}
)
_XGBOOST_LEVELS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "max_depth": (6, 10),
        "n_estimators": (100, 300),
        "learning_rate": (0.05, 0.1),
        "subsample": (0.7, 0.9),
        "colsample_bytree": (0.7, 0.9),
    }
)


def _forest_points() -> tuple[Point, ...]:
    return tuple(_point(_FOREST_LEVELS, (a, b, a == b)) for a, b in product((True, False), repeat=2))


def _xgboost_points() -> tuple[Point, ...]:
    return tuple(_point(_XGBOOST_LEVELS, (a, b, c, a == b, a == c)) for a, b, c in product((True, False), repeat=3))


def _point(levels: Mapping[str, tuple[float, float]], high: Sequence[bool]) -> Point:
    return MappingProxyType({name: levels[name][up] for name, up in zip(levels, high, strict=True)})


GRIDS: Mapping[str, tuple[Point, ...]] = MappingProxyType(
    {"random_forest": _forest_points(), "xgboost": _xgboost_points()}
)
"""The points of each kind's grid. The paper gives only its best XGBoost point: the first one here."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Accuracy and weighted averages over the genres, as in the paper's tables, each in [0, 1]."""

    accuracy: float
    precision: float
    recall: float
    f1: float

    def __post_init__(self) -> None:
        if not all(0.0 <= value <= 1.0 for value in asdict(self).values()):
            raise ValueError(f"scores from 0 to 1 must hold, but got {self}")


@dataclass(frozen=True, kw_only=True)
class BaselineResult:
    """A point refitted on all training rows, and its scores on unseen rows."""

    kind: str
    point: Point
    validation: Scores
    holdout: Scores | None
    """Scores on held-out rows; ``None`` where the split has none."""
    seconds: float
    """Wall time of the fit and of the scoring."""


def fold_score(kind: str, point: Point, fold: int, x: np.ndarray, y: np.ndarray, seed: int) -> float:
    """Return the accuracy of one point on one of the 5 stratified folds, after a fit on the other four (paper 3.1).

    ``x`` is ``(n, d)`` and ``y`` ``(n,)`` integers from 0: training rows only. The folds depend on ``seed``
    and ``y`` alone, so every point gets the same ones; they are drawn row by row, as in the paper, whatever
    the split.

    Raises ``InputError`` for an unknown kind, and where a genre has fewer than 5 rows.
    """
    from sklearn.model_selection import StratifiedKFold

    if not 0 <= fold < FOLDS:
        raise ValueError(f"0 <= fold < {FOLDS} must hold, but got {fold}")
    model = _model(kind, point, seed)
    if np.bincount(y).min() < FOLDS:
        raise InputError(
            f"{FOLDS}-fold cross-validation needs {FOLDS} training rows of every genre, but the rarest has "
            f"{np.bincount(y).min()}: give more rows, or leave that genre out"
        )
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    train, test = list(folds.split(np.zeros(len(y)), y))[fold]
    model.fit(x[train], y[train])
    return float(np.mean(model.predict(x[test]) == y[test]))


def choose(points: Sequence[Point], scores: Sequence[Sequence[float]]) -> Point:
    """Return the point with the best mean score over its folds; ties go to the earlier, a NaN counts as the worst.

    ``scores[i]`` holds the scores of ``points[i]``, one per fold in any order.
    """
    if not points or len(points) != len(scores) or len({len(folds) for folds in scores}) != 1:
        raise ValueError(
            f"as many scores for each of the points must hold, but got {len(points)} points and folds "
            f"{[len(folds) for folds in scores]}"
        )
    means = [float(np.mean(folds)) for folds in scores]
    ranked = [-math.inf if math.isnan(mean) else mean for mean in means]
    return points[ranked.index(max(ranked))]


def refit_and_score(kind: str, point: Point, features: Features, seed: int) -> BaselineResult:
    """Fit a point on all training rows and score it on the validation rows, and on held-out rows if any.

    Raises ``InputError`` for an unknown kind.
    """
    started = time.perf_counter()
    model = _model(kind, point, seed)
    model.fit(features.x_train, features.y_train)
    validation = score(features.y_val, model.predict(features.x_val))
    held = len(features.y_holdout) > 0
    holdout = score(features.y_holdout, model.predict(features.x_holdout)) if held else None
    return BaselineResult(
        kind=kind,
        point=dict(point),
        validation=validation,
        holdout=holdout,
        seconds=time.perf_counter() - started,
    )


def score(y_true: np.ndarray, y_predicted: np.ndarray) -> Scores:
    """Return accuracy and weighted precision, recall and F1; a genre that is never predicted has precision 0."""
    from sklearn.metrics import precision_recall_fscore_support

    precision, recall, f1, _ = precision_recall_fscore_support(y_true, y_predicted, average="weighted", zero_division=0)
    # sums of weights may exceed 1 by a last bit
    precision, recall, f1 = (min(float(value), 1.0) for value in (precision, recall, f1))
    return Scores(accuracy=float(np.mean(y_true == y_predicted)), precision=precision, recall=recall, f1=f1)


def _model(kind: str, point: Point, seed: int) -> Any:
    if kind == "random_forest":
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(**point, random_state=seed, n_jobs=1)
    if kind == "xgboost":
        from xgboost import XGBClassifier

        # the default of 256 bins makes the deep trees about twice as slow
        return XGBClassifier(**point, tree_method="hist", max_bin=48, random_state=seed, n_jobs=1)
    raise InputError(f"no baseline {kind!r}{did_you_mean(kind, GRIDS)}: must be one of {', '.join(GRIDS)}")
