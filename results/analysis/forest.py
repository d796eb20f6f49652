"""Random forests over a space's points: their matrix, and the variance that each parameter's main effect explains.

The forest is that of Optuna's fANOVA, and so are the numbers; Optuna (5.0, ``importance/_fanova/_tree.py``) walks each
tree anew for every value, which takes minutes for a few hundred points of a wide space. Here each leaf is a box, and
a marginal is a sum over boxes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from spaces import Choice, Parameter, Point
from spaces.parameters import Value

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestRegressor

SEED = 0
"""Seed of forests and of random samples: the same study always gives the same numbers."""
TREES = 64
DEPTH = 64
_MOST_DIGITS = 31
"""Columns whose cuts fit into one whole number of 64 bits."""
MOST_POINTS = 500
"""Points that a forest is grown on at most; of more, a random sample is taken."""


@dataclass(frozen=True, eq=False)
class Encoding:
    """Conversion of points to a matrix: one column per choice of a parameter, or one in [low, high] for a range."""

    parameters: Mapping[str, Parameter]

    @property
    def columns(self) -> dict[str, slice]:
        """Columns of each parameter, in the order of ``parameters``."""
        found, begin = {}, 0
        for name, parameter in self.parameters.items():
            width = len(parameter.values) if isinstance(parameter, Choice) else 1
            found[name] = slice(begin, begin + width)
            begin += width
        return found

    def bounds(self) -> np.ndarray:
        """Return the least and the greatest value of every column, ``(columns, 2)`` float64."""
        rows: list[tuple[float, float]] = []
        for parameter in self.parameters.values():
            if isinstance(parameter, Choice):
                rows += [(0.0, 1.0)] * len(parameter.values)
            else:
                rows.append((_scaled(parameter, parameter.low), _scaled(parameter, parameter.high)))
        return np.array(rows, dtype=np.float64).reshape(-1, 2)

    def matrix(self, points: Sequence[Point]) -> np.ndarray:
        """Return the points as ``(points, columns)`` float64.

        A parameter that a point lacks is 0 in all its columns, or just below the range.
        """
        found = np.zeros((len(points), len(self.bounds())))
        for (name, parameter), columns in zip(self.parameters.items(), self.columns.values(), strict=True):
            if isinstance(parameter, Choice):
                places = {value: columns.start + place for place, value in enumerate(parameter.values)}
                for row, point in enumerate(points):
                    if name in point:
                        found[row, places[point[name]]] = 1.0
            else:
                below = _scaled(parameter, parameter.low) - 1.0
                cells = [_scaled(parameter, point[name]) if name in point else below for point in points]
                found[:, columns.start] = cells
        return found


def _scaled(parameter: Parameter, value: Value) -> float:
    """Return a number of a range as it is drawn: logarithmic ranges by their logarithm."""
    assert not isinstance(parameter, Choice)
    assert isinstance(value, int | float)
    scale = math.log if parameter.log else float
    return min(scale(parameter.high), max(scale(parameter.low), scale(value)))


def sampled(count: int, most: int = MOST_POINTS) -> list[int]:
    """Return the places of at most ``most`` of ``count`` points, in order, drawn with a fixed seed."""
    if count <= most:
        return list(range(count))
    return sorted(np.random.default_rng(SEED).choice(count, most, replace=False).tolist())


def grown(matrix: np.ndarray, scores: Sequence[float], *, judged: bool = False) -> RandomForestRegressor:
    """Return a forest that predicts scores from a matrix of points; ``judged`` also gives its out-of-bag score."""
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(n_estimators=TREES, max_depth=DEPTH, random_state=SEED, oob_score=judged)
    return forest.fit(matrix, np.asarray(scores, dtype=np.float64))


def explained_shares(
    parameters: Mapping[str, Parameter], points: Sequence[Point], scores: Sequence[float]
) -> dict[str, float]:
    """Return for each parameter, by name, the share of a forest's variance that its main effect explains (fANOVA).

    Every point must have every parameter.
    """
    encoding = Encoding(parameters)
    forest = grown(encoding.matrix(points), scores)
    shares = [_tree_shares(tree.tree_, encoding) for tree in forest.estimators_]
    means = np.mean([share for share in shares if share is not None], axis=0)
    return dict(zip(parameters, means.tolist(), strict=True))


def _tree_shares(tree: Any, encoding: Encoding) -> list[float] | None:
    """Return the share of each parameter in one tree's variance; ``None`` where it has none."""
    low, high, values = _leaves(tree, encoding.bounds())
    sides = high - low
    volumes = sides.prod(axis=1)
    centred = values - values @ volumes
    variance = float(centred**2 @ volumes)
    if variance <= 0.0:
        return None
    found = []
    for columns in encoding.columns.values():
        own = slice(columns.start, columns.stop)
        rest = volumes / sides[:, own].prod(axis=1)
        marginal = _marginal_variance if columns.stop - columns.start == 1 else _grouped_variance
        found.append(marginal(low[:, own], high[:, own], centred * rest) / variance)
    return found


def _leaves(tree: Any, bounds: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the boxes of the leaves, as shares of the bounds ``(leaves, columns)``, and the leaves' values."""
    begin, extent = bounds[:, 0], bounds[:, 1] - bounds[:, 0]
    low = np.zeros((tree.node_count, len(bounds)))
    high = np.ones_like(low)
    level = np.array([0])
    while len(level := level[tree.feature[level] >= 0]):
        left, right, column = tree.children_left[level], tree.children_right[level], tree.feature[level]
        for child in (left, right):
            low[child], high[child] = low[level], high[level]
        cut = (tree.threshold[level] - begin[column]) / extent[column]
        high[left, column] = low[right, column] = cut
        level = np.concatenate([left, right])
    leaves = tree.feature < 0
    return low[leaves], high[leaves], tree.value[leaves].reshape(-1)


def _marginal_variance(low: np.ndarray, high: np.ndarray, sums: np.ndarray) -> float:
    """Return the variance of a sum of steps over one column: ``sums`` between ``low`` and ``high``, with mean 0."""
    edges, places = np.unique(np.concatenate([low[:, 0], high[:, 0]]), return_inverse=True)
    steps = np.bincount(places, weights=np.concatenate([sums, -sums]))
    return float(np.diff(edges) @ np.cumsum(steps)[:-1] ** 2)


def _grouped_variance(low: np.ndarray, high: np.ndarray, sums: np.ndarray) -> float:
    """Return the same over the columns of a choice together, each of which is cut at a half or not at all.

    Few different boxes occur, so that pairs of them can be summed.
    """
    digits = 2 * (low > 0.0) + (high < 1.0)
    kind = np.int64 if digits.shape[1] <= _MOST_DIGITS else object
    codes = digits.astype(kind) @ np.array([4**place for place in range(digits.shape[1])], dtype=kind)
    _, first, places = np.unique(codes, return_index=True, return_inverse=True)
    totals = np.bincount(places.reshape(-1), weights=sums)
    lows, highs = low[first], high[first]
    shared = np.minimum(highs[:, None], highs[None]) - np.maximum(lows[:, None], lows[None])
    return float(totals @ np.clip(shared, 0.0, None).prod(axis=2) @ totals)
