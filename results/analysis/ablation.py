"""The way to the best: an ablation path from a starting point to the incumbent (Fawcett and Hoos, 2016)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from data.errors import InputError
from results.analysis.counted import Counted, counted
from results.analysis.forest import Encoding, grown, sampled
from results.analysis.rows import AnyStudy, StudyRows, read_rows, written
from spaces import Choice, Configuration, Point, SearchSpace
from spaces.configuration import DEFAULTS
from spaces.paper import BEST, PAPER, PAPER_FULL
from spaces.parameters import Value
from spaces.structure import structured

_EXACT, _SURROGATE = "exact", "surrogate"


@dataclass(frozen=True, kw_only=True, eq=False)
class Ablation:
    """Result of `ablation`.

    ``steps``: one row per point of the way, the starting point first: ``step`` (int64, from 0), ``parameter`` that was
    changed, ``before`` and ``after`` (str, its values; all three empty for the start), ``accuracy`` (float64),
    ``gain`` (float64, over the row before, NaN for the start), ``measured`` (float64, the accuracy that the study has
    of this point after equal training, NaN where it has none) and ``basis``: ``exact`` where ``accuracy`` is that of
    the record, ``surrogate`` where a forest predicts it.
    """

    start: str
    """Where the way begins, in words."""
    steps: pd.DataFrame
    exact: bool
    epochs: int | None
    """Epochs after which configurations are compared; ``None`` for all."""
    fit: float
    """Out-of-bag R² of the forest, at most 1; NaN where none was needed."""


def ablation(study: AnyStudy) -> Ablation:
    """Return the way to the best: from the starting point, change the one parameter that raises accuracy most, and on.

    The way begins at the paper's best configuration where the space is the paper's, otherwise at the hyperparameters'
    defaults as far as the space contains them: the nearest end of a range, the first value of a choice. It ends at the
    incumbent. A parameter is changed once, and only where it applies. Where every
    configuration of a grid has been trained to its end, all accuracies are the record's; otherwise a random forest
    predicts them.

    Raises ``TooFewError``, an ``InputError``, where fewer than four configurations can be compared.
    """
    rows = read_rows(study)
    compared = counted(rows)
    known = dict(zip(compared.ids, compared.scores.tolist(), strict=True))
    assert rows.incumbent is not None, "some configuration has a score"
    best = rows.space.values(rows.trials[rows.incumbent].configuration)
    exact = _is_exhaustive(rows, compared)
    judge, fit = (_record(rows.space, known), math.nan) if exact else _surrogate(rows.space, compared)
    words, start = _start(rows.space)
    path = _path(rows.space, start, best, judge)
    return Ablation(
        start=words,
        steps=_steps(rows.space, path, judge, known, _EXACT if exact else _SURROGATE),
        exact=exact,
        epochs=compared.epochs,
        fit=fit,
    )


def _is_exhaustive(rows: StudyRows, compared: Counted) -> bool:
    if compared.epochs is not None or not rows.space.is_grid or len(compared.ids) != len(rows.repeats):
        return False
    return rows.settings.search == "grid" and len(rows.repeats) == rows.space.size


Judge = Callable[[Sequence[Point]], np.ndarray]
"""Function that returns the accuracy of each point."""


def _record(space: SearchSpace, known: Mapping[str, float]) -> Judge:
    return lambda points: np.array([known[str(_key(space, point))] for point in points])


def _surrogate(space: SearchSpace, compared: Counted) -> tuple[Judge, float]:
    some = sampled(len(compared.values))
    encoding = Encoding(space.parameters)
    matrix = encoding.matrix([compared.values[place] for place in some])
    forest = grown(matrix, compared.scores[some].tolist(), judged=True)
    return (lambda points: forest.predict(encoding.matrix(points))), float(forest.oob_score_)


def _start(space: SearchSpace) -> tuple[str, Point]:
    """Return where the way begins, in words and as a value of every parameter."""
    for paper in (PAPER, PAPER_FULL):
        if dict(space.parameters) == dict(paper.parameters):
            return "the paper's best", {name: getattr(BEST, name) for name in space.parameters}
    return "the defaults", {name: _default(space, name) for name in space.parameters}


def _default(space: SearchSpace, name: str) -> Any:
    parameter, default = space.parameters[name], DEFAULTS.get(name)
    if isinstance(parameter, Choice):
        return next((value for value in parameter.values if value == default), parameter.values[0])
    number = default if isinstance(default, int | float) else parameter.low
    return min(parameter.high, max(parameter.low, number))


def _active(space: SearchSpace, full: Point) -> Point:
    """Return the values of the parameters that apply, of a point with a value for every parameter."""
    point: dict[str, Value] = {}
    for name in space.parameters:
        wanted = space.conditions.get(name, {})
        if all(other in point and point[other] in values for other, values in wanted.items()):
            point[name] = full[name]
    return point


def _path(space: SearchSpace, start: Point, best: Point, judge: Judge) -> list[tuple[str, Point]]:
    """Return the way as the parameter changed and the point reached, beginning with ``""`` and the start."""
    full, path = dict(start), [("", _active(space, start))]
    while True:
        here = path[-1][1]
        choices = [(name, {**full, name: value}) for name, value in best.items() if full[name] != value]
        choices = [(name, point) for name, point in choices if _active(space, point) != here]
        if not choices:
            return path
        scores = judge([_active(space, point) for _, point in choices])
        name, full = choices[int(np.argmax(scores))]
        path.append((name, _active(space, full)))


def _steps(
    space: SearchSpace, path: list[tuple[str, Point]], judge: Judge, known: Mapping[str, float], basis: str
) -> pd.DataFrame:
    accuracy = judge([point for _, point in path])
    befores = [{}, *(point for _, point in path[:-1])]
    return pd.DataFrame(
        {
            "step": np.arange(len(path)),
            "parameter": pd.array([name for name, _ in path], dtype="str"),
            "before": pd.array(
                [_shown(before, name) for (name, _), before in zip(path, befores, strict=True)], dtype="str"
            ),
            "after": pd.array([_shown(point, name) for name, point in path], dtype="str"),
            "accuracy": accuracy,
            "gain": np.diff(accuracy, prepend=np.nan),
            "measured": [known.get(str(_key(space, point)), math.nan) for _, point in path],
            "basis": pd.array([basis] * len(path), dtype="str"),
        }
    )


def _shown(point: Point, name: str) -> str:
    if not name:
        return ""
    if name not in point:
        return "(not active)"
    value = point[name]
    return f"{value:.4g}" if isinstance(value, float) else written(value)


def _key(space: SearchSpace, point: Point) -> str | None:
    """Return the id of the configuration at a point; ``None`` where no configuration may be so."""
    try:
        return Configuration.from_mapping(structured(point)).config_id
    except InputError:
        return None
