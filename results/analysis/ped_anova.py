"""PED-ANOVA of a search: which hyperparameters tell the best configurations from all."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np

from results.analysis.forest import sampled
from results.dataframes.parameters import plain_value
from results.handover.optuna_export import distributions
from spaces import Point, SearchSpace, Uniform

MOST_POINTS = 1_000
"""Points that are judged at most."""


def ped_anova(space: SearchSpace, points: Sequence[Point], scores: Sequence[float]) -> dict[str, float]:
    """Return each parameter's importance for reaching the best tenth, as shares that sum to 1; all 0 without any.

    The method is PED-ANOVA (Watanabe et al. 2023), Optuna 5's default, by Optuna's evaluator with its default
    settings. It judges a conditional parameter on the configurations to which it applies. Of more than 1,000 points it
    takes a random sample.
    """
    from optuna import create_study, logging
    from optuna.importance import PedAnovaImportanceEvaluator
    from optuna.trial import FrozenTrial, TrialState

    if not np.ptp(scores):
        return dict.fromkeys(space.parameters, 0.0)
    some = sampled(len(points), MOST_POINTS)
    points, scores = [points[place] for place in some], [scores[place] for place in some]
    known, now = distributions(space), datetime.now()
    trials = [
        FrozenTrial(
            number=number,
            trial_id=number,
            state=TrialState.COMPLETE,
            value=score,
            datetime_start=now,
            datetime_complete=now,
            params={name: _value(space, name, value) for name, value in point.items()},
            distributions={name: known[name] for name in point},
            user_attrs={},
            system_attrs={},
            intermediate_values={},
        )
        for number, (point, score) in enumerate(zip(points, scores, strict=True))
    ]
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.WARNING)
    try:
        study = create_study(direction="maximize")
        study.add_trials(trials)
    finally:
        logging.set_verbosity(verbosity)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of few configurations, which the figures name
        found = PedAnovaImportanceEvaluator().evaluate(study)
    total = sum(found.values())
    return {name: found.get(name, 0.0) / total if total else 0.0 for name in space.parameters}


def _value(space: SearchSpace, name: str, value: Any) -> Any:
    """Return a value as Optuna takes it: within its range, from which rounding may have moved it."""
    parameter = space.parameters[name]
    return min(parameter.high, max(parameter.low, value)) if isinstance(parameter, Uniform) else plain_value(value)
