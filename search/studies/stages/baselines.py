"""The baselines (paper 3.1): random forest and XGBoost, tuned by cross-validation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from data.feature_store import put_features
from results.record.records import GridScore, ModelScores, StageScore, Tuning
from results.record.stage_records import StageRecord
from search.cluster.tasks import map_remote, remote_fold, remote_refit
from trainables.baselines import FOLDS, GRIDS, BaselineResult, choose

if TYPE_CHECKING:
    from search.studies.stages.context import Run


def baselines(run: Run, record: StageRecord) -> None:
    """Score random forest and XGBoost: the grid by 5-fold cross-validation, the best point refitted and scored."""
    seed, handle = run.study.settings.seed, put_features(run.features("audio"))
    calls = [
        (handle, kind, dict(point), fold, seed)
        for kind, grid in reversed(list(GRIDS.items()))
        for point in grid
        for fold in range(FOLDS)
    ]
    places = run.places.on_cpus()
    found = map_remote(remote_fold, calls, places, run.counted("folds"))
    best, searched = {}, {}
    for kind, grid in GRIDS.items():
        own = [score for call, score in zip(calls, found, strict=True) if call[1] == kind]
        folds = [own[start : start + FOLDS] for start in range(0, len(own), FOLDS)]
        best[kind] = choose(grid, folds)
        searched[kind] = tuple(
            GridScore(dict(point), float(np.mean(scores)), float(np.std(scores, ddof=1)))
            for point, scores in zip(grid, folds, strict=True)
        )
    refits = [(handle, kind, dict(point), seed) for kind, point in best.items()]
    results: list[BaselineResult] = map_remote(remote_refit, refits, places, run.counted("refits"))
    for result in results:
        tuning = Tuning(result.point, searched[result.kind])
        for side, scores in (("validation", result.validation), ("holdout", result.holdout)):
            if scores is not None:
                four = ModelScores(**vars(scores))
                record.scores.append(
                    StageScore(variant=result.kind, seed=seed, side=side, epoch=None, scores=four, tuning=tuning)
                )
