"""Parallel coordinates: every configuration as one line over the hyperparameters and the accuracy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from results.pictures.colours import BEST, GREY, SHADES
from results.pictures.configurations import FIFTHS, Configurations, fifths, read_all, value_text
from results.record.study import Study
from results.rendering.figures import laid_out, plotly_texts
from spaces.parameters import Choice, Uniform

if TYPE_CHECKING:
    import plotly.graph_objects as go

MANY = 500
"""Configurations from which lines are drawn by WebGL, and curves are thinned."""
ACCURACY = "val_accuracy"
_BAND = 0.7
"""Share of a level's height over which its configurations are spread, the better ones higher."""
_TICKS = 5


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One vertical axis: the levels of a choice from the bottom up, or the bounds of a range with ``levels`` empty."""

    name: str
    levels: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 1.0
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low <= self.high or (self.log and self.low <= 0):
            raise ValueError(f"low <= high, and both above 0 on a log axis, must hold, but got {self}")

    @property
    def ticks(self) -> tuple[tuple[float, str], ...]:
        """Positions in [0, 1] and their texts."""
        if self.levels:
            return tuple(((place + 0.5) / len(self.levels), text) for place, text in enumerate(self.levels))
        if self.low == self.high:
            return ((0.5, f"{self.low:.3g}"),)
        shares = [place / (_TICKS - 1) for place in range(_TICKS)]
        return tuple((share, f"{self.value(share):.3g}") for share in shares)

    def value(self, share: float) -> float:
        """Return the number at a position of a range."""
        if self.log:
            return math.exp(math.log(self.low) + share * (math.log(self.high) - math.log(self.low)))
        return self.low + share * (self.high - self.low)

    def positions(self, numbers: np.ndarray) -> np.ndarray:
        """Return the positions of numbers in a range, ``(rows,)`` float64 in [0, 1]; NaN stays NaN."""
        if self.low == self.high:
            return np.where(np.isnan(numbers), np.nan, 0.5)
        if self.log:
            return np.log(numbers / self.low) / math.log(self.high / self.low)
        return (numbers - self.low) / (self.high - self.low)


@dataclass(frozen=True, kw_only=True, eq=False)
class ParallelCoordinates:
    """Lines of all configurations, the best of each study first.

    ``positions``, ``(rows, axes)`` float64 in [0, 1]: NaN where a parameter does not apply, so that the line has a gap
    there. At a level of a choice the rows are spread, so that every line can be seen. ``accuracy``, ``(rows,)``.
    """

    axes: tuple[Axis, ...]
    positions: np.ndarray
    accuracy: np.ndarray


def parallel_coordinates(studies: Sequence[Configurations]) -> ParallelCoordinates:
    """Return the lines of all configurations; parameters with one value everywhere have no axis.

    Several studies have an axis of their names first.
    """
    accuracy = np.concatenate([study.accuracy for study in studies])
    values = [point for study in studies for point in study.values]
    names = list(dict.fromkeys(name for study in studies for name in study.space.parameters))
    axes, columns = [], []
    if len(studies) > 1:
        axes.append(Axis(name="study", levels=tuple(dict.fromkeys(study.name for study in studies))))
        columns.append(_levels(axes[0], [study.name for study in studies for _ in study.values], accuracy))
    for name in names:
        axis = _axis(name, studies)
        if axis is None:
            continue
        column = [point.get(name, _ABSENT) for point in values]
        axes.append(axis)
        columns.append(_levels(axis, _texts(column), accuracy) if axis.levels else axis.positions(_numbers(column)))
    scores = _score_axis(accuracy)
    positions = np.column_stack([*columns, scores.positions(accuracy)])
    return ParallelCoordinates(axes=(*axes, scores), positions=positions, accuracy=accuracy)


_ABSENT = object()


def _axis(name: str, studies: Sequence[Configurations]) -> Axis | None:
    """Return the axis of a parameter over the spaces that have it; ``None`` where there is but one value."""
    found = [study.space.parameters[name] for study in studies if name in study.space.parameters]
    ranges = [parameter for parameter in found if isinstance(parameter, Uniform)]
    choices = [value for parameter in found if isinstance(parameter, Choice) for value in parameter.values]
    if ranges and all(_is_number(value) for value in choices):
        low, high = min([*(r.low for r in ranges), *choices]), max([*(r.high for r in ranges), *choices])
        return Axis(name=name, low=low, high=high, log=low > 0 and any(r.log for r in ranges)) if low < high else None
    if ranges:
        choices += [point[name] for study in studies for point in study.values if name in point]
    if choices and all(_is_number(value) for value in choices):
        choices = sorted(choices)
    levels = tuple(dict.fromkeys(value_text(value) for value in choices))
    return Axis(name=name, levels=levels) if len(levels) > 1 else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _texts(column: Sequence[Any]) -> list[str | None]:
    return [None if value is _ABSENT else value_text(value) for value in column]


def _numbers(column: Sequence[Any]) -> np.ndarray:
    return np.array([float(value) if _is_number(value) else math.nan for value in column])


def _score_axis(accuracy: np.ndarray) -> Axis:
    known = accuracy[~np.isnan(accuracy)]
    return Axis(name=ACCURACY, low=float(known.min()), high=float(known.max())) if len(known) else Axis(name=ACCURACY)


def _levels(axis: Axis, texts: Sequence[str | None], accuracy: np.ndarray) -> np.ndarray:
    """Return positions at an axis of levels: within its level a better row stands higher, an untrained one lowest."""
    rank = np.argsort(np.argsort(np.nan_to_num(accuracy, nan=-1.0), kind="stable"), kind="stable")
    found = np.full(len(texts), np.nan)
    for place, level in enumerate(axis.levels):
        rows = np.array([row for row, text in enumerate(texts) if text == level], dtype=int)
        order = np.argsort(np.argsort(rank[rows]))
        spread = (order + 0.5) / max(len(rows), 1) - 0.5
        found[rows] = (place + 0.5 + _BAND * spread) / len(axis.levels)
    return found


def plot_parallel_coordinates(study: str | Path | Study | Sequence[str | Path | Study]) -> go.Figure:
    """Return the figure of every configuration of a study, or of several, as lines over the hyperparameters.

    Colours tell the fifths of the accuracy apart; a parameter that does not apply leaves a gap.
    """
    named = [study] if isinstance(study, str | Path | Study) else list(study)
    return draw_parallel_coordinates(parallel_coordinates(read_all(named)))


def draw_parallel_coordinates(data: ParallelCoordinates) -> go.Figure:
    """Draw the lines, the weakest first, with the axes' names above them and the values beside them."""
    import plotly.graph_objects as go

    trace = go.Scattergl if len(data.accuracy) > MANY else go.Scatter
    figure, fifth = go.Figure(), fifths(data.accuracy)
    for shade in range(-1, FIFTHS):
        rows = np.flatnonzero(fifth == shade)
        if len(rows):
            x, y = joined([np.arange(len(data.axes))] * len(rows), list(data.positions[rows]))
            name = ("not trained", *FIFTH_NAMES)[shade + 1]
            line = {"color": (GREY, *SHADES)[shade + 1], "width": 1}
            figure.add_trace(trace(x=x, y=y, mode="lines", line=line, name=name, hoverinfo="skip", connectgaps=False))
    if len(data.accuracy) and not np.isnan(data.accuracy).all():
        best = data.positions[int(np.nanargmax(data.accuracy))]
        line = {"color": BEST, "width": 3}
        figure.add_scatter(x=np.arange(len(data.axes)), y=best, mode="lines+markers", line=line, name="the best")
    for place, axis in enumerate(data.axes):
        _draw_axis(figure, place, axis)
    figure.update_xaxes(visible=False, range=[-0.6, len(data.axes) - 0.4])
    figure.update_yaxes(visible=False, range=[-0.03, 1.12])
    return laid_out(figure, "Every configuration", height=480).update_layout(legend={"orientation": "h", "y": -0.05})


FIFTH_NAMES = ("weakest fifth", "second", "middle", "fourth", "best fifth")


def _draw_axis(figure: go.Figure, place: int, axis: Axis) -> None:
    figure.add_shape(type="line", x0=place, x1=place, y0=0, y1=1, line={"color": "#888", "width": 1})
    figure.add_annotation(x=place, y=1.08, text=f"<b>{plotly_texts([axis.name])[0]}</b>", showarrow=False)
    for position, text in axis.ticks:
        shown = {"showarrow": False, "xanchor": "right", "xshift": -4, "font": {"size": 11}}
        figure.add_annotation(x=place, y=position, text=plotly_texts([text])[0], **shown)


def joined(xs: Sequence[np.ndarray], ys: Sequence[np.ndarray]) -> tuple[list[float | None], list[float | None]]:
    """Return many lines as the coordinates of one trace: a ``None`` after each, and in place of each NaN."""
    x = [value for line in xs for value in (*line.tolist(), None)]
    y = [None if math.isnan(value) else value for line in ys for value in (*line.tolist(), math.nan)]
    return x, y
