"""Functional ANOVA of a search: the share of each hyperparameter's main effect, conditional ones included."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from results.tables.parameters import plain_value
from spaces import Choice, Parameter, SearchSpace

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

_SEED = 0
_NOTHING = 1e-12
"""Differences of scores that come of rounding: Optuna raises where there is no variance to explain."""
_FEWEST = 4
"""Configurations that a forest needs to say anything."""


@dataclass(frozen=True)
class MainEffects:
    """What the parameters of a space do to a score, each on average over the others."""

    shares: Mapping[str, float]
    """Of the variance of all scores; a conditional one's effect is that where it applies, so it may be above 1."""
    explained: float
    """Share of the variance of all scores that the main effects explain together: the rest lies in interactions."""


def main_effects(space: SearchSpace, points: Sequence[Mapping[str, Any]], scores: Sequence[float]) -> MainEffects:
    """Return the share of the variance that each parameter's main effect explains; all 0 where scores are the same.

    The method is fANOVA (Hutter et al. 2014) through Optuna, with a fixed seed. A conditional parameter is judged by
    the configurations to which it applies: whether it does is the effect of the parameter that it hangs on. For the
    others it has drawn values where it does not apply, so that the forest tells its effect from theirs. Left to Optuna
    5.0 (``importance/_base.py``, ``_get_distributions``: the intersection of all trials' parameters) it would be
    dropped, and its effect handed to whatever else tells configurations apart: continuous parameters that do nothing.

    Logarithmic ranges are given as logarithms, so that values count as they are drawn; Optuna weighs them on the plain
    scale (``_fanova/_evaluator.py``: ``transform_log=False``).
    """
    shares, weights = dict.fromkeys(space.parameters, 0.0), dict.fromkeys(space.parameters, 1.0)
    whole = np.asarray(scores, dtype=np.float64)
    groups: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for name in space.parameters:
        groups[tuple(row for row, point in enumerate(points) if name in point)].append(name)
    for rows, names in groups.items():
        own = whole[list(rows)]
        if len(rows) >= _FEWEST and np.ptp(own) > _NOTHING:
            found = _shares(_columns(space, [points[row] for row in rows]), own.tolist())
            for name in names:
                shares[name] = found.get(name, 0.0) * float(own.var() / whole.var())
                weights[name] = len(rows) / len(points)
    return MainEffects(shares, sum(shares[name] * weights[name] for name in shares))


def _columns(space: SearchSpace, points: Sequence[Mapping[str, Any]]) -> dict[str, tuple[BaseDistribution, list[Any]]]:
    """Return the distribution and the values of each parameter that has more than one value among these points."""
    found = {}
    for name, parameter in space.parameters.items():
        values = [point[name] for point in points if name in point]
        if len(set(values)) > 1:
            drawn = random.Random(_SEED).choices(values, k=len(points))
            filled = [point.get(name, other) for point, other in zip(points, drawn, strict=True)]
            found[name] = _column(parameter, filled)
    return found


def _column(parameter: Parameter, values: list[Any]) -> tuple[BaseDistribution, list[Any]]:
    """Return what Optuna is told of a parameter: its distribution, and the value of every configuration."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if isinstance(parameter, Choice):
        return CategoricalDistribution(list(map(plain_value, parameter.values))), list(map(plain_value, values))
    scale = math.log if parameter.log else float
    low, high = scale(parameter.low), scale(parameter.high)
    return FloatDistribution(low, high), [min(high, max(low, scale(value))) for value in values]


def _shares(columns: Mapping[str, tuple[BaseDistribution, list[Any]]], scores: Sequence[float]) -> dict[str, float]:
    """Return the share of a forest's variance that each column's main effect explains, by Optuna's evaluator."""
    if not columns:
        return {}
    import optuna
    from optuna.importance import FanovaImportanceEvaluator
    from optuna.trial import FrozenTrial, TrialState

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(direction="maximize")
    finally:
        optuna.logging.set_verbosity(verbosity)
    now = datetime.now()
    study.add_trials(
        FrozenTrial(
            number=number,
            trial_id=number,
            state=TrialState.COMPLETE,
            value=score,
            datetime_start=now,
            datetime_complete=now,
            params={name: values[number] for name, (_, values) in columns.items()},
            distributions={name: distribution for name, (distribution, _) in columns.items()},
            user_attrs={},
            system_attrs={},
            intermediate_values={},
        )
        for number, score in enumerate(scores)
    )
    return FanovaImportanceEvaluator(seed=_SEED).evaluate(study)
