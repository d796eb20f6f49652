"""Functional ANOVA of a search: the share of each hyperparameter's main effect, including conditional ones."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from results.analysis.forest import SEED, explained_shares, sampled
from spaces import Parameter, Point, SearchSpace

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


def main_effects(space: SearchSpace, points: Sequence[Point], scores: Sequence[float]) -> MainEffects:
    """Return the share of the variance that each parameter's main effect explains; all 0 where all scores are equal.

    The method is fANOVA (Hutter et al. 2014) with the forest of Optuna's, a fixed seed, and a random sample of more
    than 500 points. A conditional parameter is judged on the configurations to which it applies; being active is an
    effect of the parameter that it depends on. To judge the other parameters it gets random values where it does not
    apply, so that the forest can separate its effect from theirs. Optuna 5.0 on its own (``importance/_base.py``,
    ``_get_distributions``: the intersection of all trials' parameters) would drop it and credit its effect to
    continuous parameters that do nothing.

    Logarithmic ranges are taken as logarithms, so that values count as they are drawn; Optuna would weigh them on the
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
            some = [rows[place] for place in sampled(len(rows))]
            found = _shares(space, [points[row] for row in some], whole[some].tolist())
            for name in names:
                shares[name] = found.get(name, 0.0) * float(own.var() / whole.var())
                weights[name] = len(rows) / len(points)
    return MainEffects(shares, sum(shares[name] * weights[name] for name in shares))


def _shares(space: SearchSpace, points: Sequence[Point], scores: Sequence[float]) -> dict[str, float]:
    """Return the shares of the parameters that have more than one value among these points."""
    varied: dict[str, Parameter] = {}
    filled = [dict(point) for point in points]
    for name, parameter in space.parameters.items():
        values = [point[name] for point in points if name in point]
        if len(set(values)) > 1:
            varied[name] = parameter
            drawn = random.Random(SEED).choices(values, k=len(points))
            for point, other in zip(filled, drawn, strict=True):
                point.setdefault(name, other)
    if not varied or np.ptp(scores) <= _NOTHING:
        return {}
    return explained_shares(dict(sorted(varied.items())), filled, scores)
