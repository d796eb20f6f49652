"""Trees as rivals of a sweep: tuned by random search for as many seconds as the sweep took, on the same two sides.

    pip install -c .ci/constraints.txt --group rivals
    python -m tests.benchmarks.rivals runs/seeds/audio-none-1 runs/seeds/audio-none-2

Each kind draws points, fits them on the training rows with early stopping on the validation rows, and keeps the one
most accurate there, as the sweep promotes its best; what is kept is judged on the held-out rows once.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.inputs.features import Features
from results.analysis.comparison import compare
from results.judging.ensemble import ENSEMBLE
from results.judging.judgement import Judgement
from results.judging.measures import judge
from results.judging.trees import XGBOOST
from results.record.study import Study
from search.planning.prepared_data import prepare
from trainables.trees import PATIENCE, ROUNDS, tune_trees

THREADS = 2


class Deadline:
    """The end of a kind's search, which also ends the fit that runs."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def passed(self) -> bool:
        return time.monotonic() > self._end


Fitted = Callable[[np.ndarray], np.ndarray]
"""Probabilities ``(n, genres)`` for rows ``(n, d)``."""


def _log(drawn: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(drawn.uniform(np.log(low), np.log(high))))


def fit_lightgbm(features: Features, drawn: np.random.Generator, deadline: Deadline) -> Fitted:
    import lightgbm

    def stop(env: Any) -> None:
        if deadline.passed:
            raise lightgbm.callback.EarlyStopException(env.iteration, env.evaluation_result_list)

    model = lightgbm.LGBMClassifier(
        n_estimators=ROUNDS,
        num_leaves=int(_log(drawn, 8, 256)),
        learning_rate=_log(drawn, 0.02, 0.3),
        min_child_samples=int(_log(drawn, 5, 100)),
        subsample=float(drawn.uniform(0.5, 1)),
        subsample_freq=1,
        colsample_bytree=float(drawn.uniform(0.3, 1)),
        reg_lambda=_log(drawn, 0.1, 10),
        n_jobs=THREADS,
        random_state=int(drawn.integers(2**31)),
        verbose=-1,
    )
    model.fit(
        features.x_train,
        features.y_train,
        eval_X=features.x_val,
        eval_y=features.y_val,
        callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False), stop],
    )
    return lambda x: np.asarray(model.booster_.predict(x, num_iteration=model.best_iteration_ or None))


def fit_catboost(features: Features, drawn: np.random.Generator, deadline: Deadline) -> Fitted:
    import catboost

    class Stop:
        def after_iteration(self, info: Any) -> bool:
            return not deadline.passed

    model = catboost.CatBoostClassifier(
        iterations=ROUNDS,
        early_stopping_rounds=PATIENCE,
        depth=int(drawn.integers(4, 9)),
        learning_rate=_log(drawn, 0.03, 0.3),
        l2_leaf_reg=_log(drawn, 1, 10),
        random_seed=int(drawn.integers(2**31)),
        thread_count=THREADS,
        verbose=False,
        allow_writing_files=False,
    )
    model.fit(features.x_train, features.y_train, eval_set=(features.x_val, features.y_val), callbacks=[Stop()])
    return model.predict_proba


KINDS = {"LightGBM": fit_lightgbm, "CatBoost": fit_catboost}


def tuned(kind: str, features: Features, seconds: float, seed: int) -> tuple[Judgement, int]:
    """The judgement on held-out rows of the point most accurate on the validation rows, and the points tried."""
    if kind == XGBOOST:
        trees = tune_trees(features, seconds=seconds, seed=seed, threads=THREADS)
        return judge(kind, "holdout", features.genres, trees.holdout, features.y_holdout), trees.points
    deadline, drawn = Deadline(seconds), np.random.default_rng(seed)
    best, kept, tried = -1.0, None, 0
    while kept is None or not deadline.passed:
        fitted = KINDS[kind](features, drawn, deadline)
        accuracy = float((fitted(features.x_val).argmax(axis=1) == features.y_val).mean())
        tried += 1
        if accuracy > best:
            best, kept = accuracy, fitted(features.x_holdout)
    return judge(kind, "holdout", features.genres, kept, features.y_holdout), tried


def rows_of(directory: Path, kinds: list[str]) -> Iterator[dict[str, object]]:
    """The judgements on the held-out rows of a study's best network, its ensemble and the rivals."""
    with Study.open(directory) as study:
        own = [one for one in study.judgements if one.side == "holdout" and one.model in ("best", ENSEMBLE)]
        settings, features, configurations = study.settings, prepare(study.settings).features, len(study.trials())
    if not own:
        raise SystemExit(f"{directory} holds no rows out: sweep with --holdout .2")
    seconds = float(compare([directory]).studies["seconds"].iloc[0])
    for judged, points in [
        *((one, configurations) for one in own),
        *(tuned(kind, features, seconds, settings.seed) for kind in kinds),
    ]:
        yield {
            "study": directory.name,
            "model": judged.model,
            "points": points,
            "seconds": seconds,
            "accuracy": judged.accuracy,
            "log loss": judged.log_loss,
            "calibration error": judged.calibration_error,
        }


def main() -> None:
    """Print one row per study and model, and the means over the studies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="+", type=Path)
    parser.add_argument("--kinds", nargs="*", default=[XGBOOST, *KINDS], choices=[XGBOOST, *KINDS])
    asked = parser.parse_args()
    found = []
    for directory in asked.studies:
        for row in rows_of(directory, asked.kinds):
            found.append(row)
            print({name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()})
    frame = pd.DataFrame(found)
    numbers = ["points", "seconds", "accuracy", "log loss", "calibration error"]
    print(frame.groupby("model", sort=False)[numbers].agg(["mean", "std"]).round(4).to_string())


if __name__ == "__main__":
    main()
