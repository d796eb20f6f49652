"""Functional ANOVA of a search: the share of each hyperparameter's main effect, including conditional ones."""

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
"""Score differences treated as rounding: Optuna raises where there is no variance to explain."""
_FEWEST = 4
"""Fewest configurations that a forest can work with."""


@dataclass(frozen=True)
class MainEffects:
    """Effects of a space's parameters on a score, each averaged over the others."""

    shares: Mapping[str, float]
    """Share of the variance of all scores; may exceed 1 for a conditional parameter, measured where it applies."""
    explained: float
    """Share of the variance of all scores that all main effects explain together; the rest is due to interactions."""


def main_effects(space: SearchSpace, points: Sequence[Mapping[str, Any]], scores: Sequence[float]) -> MainEffects:
    """Return the share of the variance that each parameter's main effect explains; all 0 where all scores are equal.

    The method is fANOVA (Hutter et al. 2014) through Optuna, with a fixed seed. A conditional parameter is judged on
    the configurations to which it applies; being active is an effect of the parameter that it depends on. To judge
    the other parameters it gets random values where it does not apply, so that the forest can separate its effect from
    theirs. Optuna 5.0 on its own (``importance/_base.py``, ``_get_distributions``: the intersection of all trials'
    parameters) would drop it and credit its effect to continuous parameters that do nothing.

    Logarithmic ranges are passed as logarithms, so that values count as they are drawn; Optuna would weigh them on the
    plain scale (``_fanova/_evaluator.py``: ``transform_log=False``).
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
    """Return a parameter's Optuna distribution and its value in every configuration."""
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
