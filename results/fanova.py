"""Functional ANOVA of a search: the share of each hyperparameter's main effect, conditional ones included."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from results.parameters import plain_value
from spaces import Parameter, SearchSpace, Uniform

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

_SEED = 0
_INACTIVE = "inactive"
"""The category, beside those of the parameter, of configurations in which a conditional parameter does not apply."""
_GAP = 0.01
"""How far below its range a conditional range has the number that stands for "inactive", in widths of that range."""


def main_effects(space: SearchSpace, points: Sequence[Mapping[str, Any]], scores: Sequence[float]) -> dict[str, float]:
    """Return the share of the forest's variance that each parameter's main effect explains.

    Shares are of the whole variance, so they sum to at most 1: the rest lies in interactions. All are 0 where every
    score is the same. The method is fANOVA (Hutter et al. 2014) through Optuna, with a fixed seed.

    A parameter that applies to some configurations alone takes part with "inactive" as a value of its own. Left to
    Optuna 5.0 (``importance/_base.py``, ``_get_distributions``: the intersection of all trials' parameters) it would be
    dropped, and the forest would explain its effect by whatever else tells configurations apart: continuous parameters
    that do nothing. Its share holds what it shares with the parameter that it hangs on: whether it applies at all.

    Logarithmic ranges are given as logarithms, so that values count as they are drawn; Optuna weighs them on the plain
    scale (``_fanova/_evaluator.py``: ``transform_log=False``).
    """
    if len(set(scores)) == 1:  # Optuna raises where there is no variance to explain
        return dict.fromkeys(space.parameters, 0.0)
    columns = {}
    for name, parameter in space.parameters.items():
        values = [point.get(name, _INACTIVE) for point in points]
        if len({*values} - {_INACTIVE}) > 1:  # one value alone, and where it applies tells another parameter
            columns[name] = _column(parameter, values)
    return dict.fromkeys(space.parameters, 0.0) | (_shares(columns, scores) if columns else {})


def _column(parameter: Parameter, values: list[Any]) -> tuple[BaseDistribution, list[Any]]:
    """Return what Optuna is told of a parameter: its distribution, and the value of every configuration."""
    from optuna.distributions import CategoricalDistribution

    absent = [value is _INACTIVE for value in values]
    if isinstance(parameter, Uniform):
        return _range_column(parameter, values, absent)
    choices = [plain_value(value) for value in parameter.values]
    found = [_INACTIVE if gone else plain_value(value) for value, gone in zip(values, absent, strict=True)]
    return CategoricalDistribution([*choices, *([_INACTIVE] if any(absent) else [])]), found


def _range_column(parameter: Uniform, values: list[Any], absent: list[bool]) -> tuple[BaseDistribution, list[Any]]:
    """Return a range and its values, where it is inactive a number just below it.

    fANOVA averages over the range as if all of it were drawn alike, so "inactive" takes next to nothing of it: the
    effect of a conditional range is that of its values, where it applies.
    """
    from optuna.distributions import FloatDistribution

    scale = math.log if parameter.log else float
    low, high = scale(parameter.low), scale(parameter.high)
    inactive = low - _GAP * (high - low)
    found = [inactive if gone else min(high, max(low, scale(v))) for v, gone in zip(values, absent, strict=True)]
    return FloatDistribution(inactive if any(absent) else low, high), found


def _shares(columns: Mapping[str, tuple[BaseDistribution, list[Any]]], scores: Sequence[float]) -> dict[str, float]:
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
