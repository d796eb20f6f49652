"""XGBoost tuned by random search within a time limit: the rival of a sweep's networks on the same rows.

Each point is fitted on the training rows until its loss on the validation rows stops falling, and the point most
accurate on the validation rows is kept, as a sweep promotes its best network. The number of points depends on the
machine's speed; the points themselves are drawn from a seed, one after another.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from data.inputs.features import Features
from spaces.parameters import Choice, Parameter, Uniform

ROUNDS, PATIENCE = 2000, 50
"""Most boosting rounds of a model, and rounds without a lower loss on the validation rows after which it ends."""


PARAMETERS: Mapping[str, Parameter] = MappingProxyType(
    {
        "max_depth": Choice(tuple(range(3, 11))),
        "learning_rate": Uniform(0.02, 0.3, log=True),
        "min_child_weight": Uniform(1, 20, log=True),
        "subsample": Uniform(0.5, 1),
        "colsample_bytree": Uniform(0.3, 1),
        "reg_lambda": Uniform(0.1, 10, log=True),
    }
)
"""The hyperparameters of a point, by XGBoost's names."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Trees:
    """The best point of a search, and its probabilities ``(n, genres)`` float32; empty where there are no such rows."""

    point: Mapping[str, float]
    points: int
    """Points that were fitted to their end."""
    seconds: float
    validation: np.ndarray
    holdout: np.ndarray


def tune_trees(
    features: Features,
    *,
    seconds: float,
    seed: int,
    threads: int,
    told: Callable[[int, float, float], None] = lambda points, accuracy, seconds: None,
) -> Trees:
    """Fit points for so many seconds, the first to its end, and return the most accurate on the validation rows.

    ``told`` is called after each point with their number, the best validation accuracy so far, and the seconds so far.
    """
    started, drawn = time.monotonic(), random.Random(seed)
    best, kept, points = -1.0, None, 0
    while kept is None or time.monotonic() - started < seconds:
        point = {name: parameter.sample(drawn) for name, parameter in PARAMETERS.items()}
        deadline = math.inf if kept is None else started + seconds
        model = _fitted(point, features, seed=drawn.randrange(2**31), threads=threads, deadline=deadline)
        if model is None:
            break
        validation = model.predict_proba(features.x_val)
        accuracy = float((validation.argmax(axis=1) == features.y_val).mean())
        points += 1
        if accuracy > best:
            best, kept = accuracy, (point, validation, _probabilities(model, features.x_holdout, validation.shape[1]))
        told(points, best, time.monotonic() - started)
    assert kept is not None, "the first point has no deadline"
    point, validation, holdout = kept
    return Trees(point=point, points=points, seconds=time.monotonic() - started, validation=validation, holdout=holdout)


def _probabilities(model: Any, x: np.ndarray, genres: int) -> np.ndarray:
    return model.predict_proba(x) if len(x) else np.empty((0, genres), dtype=np.float32)


def _fitted(point: Mapping[str, float], features: Features, *, seed: int, threads: int, deadline: float) -> Any:
    """Return a fitted model; ``None`` where the deadline, a time of ``time.monotonic``, came first."""
    from xgboost import XGBClassifier
    from xgboost.callback import TrainingCallback

    class Stop(TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            return time.monotonic() > deadline

    model = XGBClassifier(
        **point,
        n_estimators=ROUNDS,
        early_stopping_rounds=PATIENCE,
        eval_metric="mlogloss",
        n_jobs=threads,
        random_state=seed,
        callbacks=[Stop()],
    )
    model.fit(features.x_train, features.y_train, eval_set=[(features.x_val, features.y_val)], verbose=False)
    return None if time.monotonic() > deadline else model
