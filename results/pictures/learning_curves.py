"""Learning curves of all configurations: validation accuracy by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from results.pictures.colours import BEST, SHADES
from results.pictures.configurations import FIFTHS, Configurations, fifths, read_all
from results.pictures.parallel_coordinates import FIFTH_NAMES, MANY, joined
from results.record.study import Study
from results.rendering.figures import laid_out

if TYPE_CHECKING:
    import plotly.graph_objects as go


@dataclass(frozen=True, kw_only=True, eq=False)
class LearningCurves:
    """Curves of all configurations, in the order of `parallel_coordinates`.

    ``curves``: validation accuracy by epoch, ``(epochs,)`` each; ``shown``, ``(rows,)`` bool: those that are drawn, at
    most ``MANY``; ``accuracy``, ``(rows,)``.
    """

    curves: tuple[np.ndarray, ...]
    shown: np.ndarray
    accuracy: np.ndarray

    @property
    def bounds(self) -> tuple[float, float]:
        """Return the lowest and the highest accuracy of the shown curves, with a little room; (0, 1) without any."""
        scores = [curve for curve, shown in zip(self.curves, self.shown, strict=True) if shown]
        known = np.concatenate([np.empty(0), *scores])
        known = known[~np.isnan(known)]
        if not len(known) or known.min() == known.max():
            return 0.0, 1.0
        room = float(known.max() - known.min()) / 30
        return float(known.min()) - room, float(known.max()) + room

    @property
    def note(self) -> str:
        """Return a sentence on the curves that are left out; empty where all are drawn."""
        trained = sum(len(curve) > 0 for curve in self.curves)
        if (drawn := int(self.shown.sum())) == trained:
            return ""
        return f"{drawn:,} of {trained:,} curves are drawn: evenly by rank, the best and the weakest among them."


def learning_curves(studies: Sequence[Configurations], most: int = MANY) -> LearningCurves:
    """Return the curves of all configurations; of more than ``most``, evenly many of every rank are shown."""
    curves = tuple(curve for study in studies for curve in study.curves)
    accuracy = np.concatenate([study.accuracy for study in studies])
    trained = np.array([row for row, curve in enumerate(curves) if len(curve)], dtype=int)
    order = trained[np.argsort(-np.nan_to_num(accuracy[trained], nan=-1.0), kind="stable")]
    shown = np.zeros(len(curves), dtype=bool)
    chosen = np.unique(np.linspace(0, len(order) - 1, most).round().astype(int)) if len(order) > most else slice(None)
    shown[order[chosen]] = True
    return LearningCurves(curves=curves, shown=shown, accuracy=accuracy)


def plot_learning_curves(study: str | Path | Study | Sequence[str | Path | Study]) -> go.Figure:
    """Return the figure of the learning curves of a study, or of several, coloured by the fifths of the accuracy."""
    named = [study] if isinstance(study, str | Path | Study) else list(study)
    return draw_learning_curves(learning_curves(read_all(named)))


def draw_learning_curves(data: LearningCurves) -> go.Figure:
    """Draw the curves that are shown, the weakest first, and the best in a colour of its own."""
    import plotly.graph_objects as go

    figure, fifth = go.Figure(), fifths(data.accuracy)
    for shade in range(-1, FIFTHS):
        lines = [data.curves[row] for row in np.flatnonzero(data.shown & (fifth == shade))]
        if lines:
            x, y = joined([np.arange(1, len(line) + 1) for line in lines], lines)
            style = {"color": SHADES[max(shade, 0)], "width": 1}
            name = ("no score", *FIFTH_NAMES)[shade + 1]
            figure.add_scatter(x=x, y=y, mode="lines", line=style, name=name, connectgaps=False)
    if len(data.accuracy) and not np.isnan(data.accuracy).all():
        best = data.curves[int(np.nanargmax(data.accuracy))]
        line = {"color": BEST, "width": 3}
        figure.add_scatter(x=np.arange(1, len(best) + 1), y=best, mode="lines", line=line, name="the best")
    figure.update_xaxes(title="epoch").update_yaxes(title="validation accuracy")
    laid_out(figure, "All learning curves", height=480)
    if data.note:
        figure.add_annotation(x=0, y=1.06, xref="paper", yref="paper", text=data.note, showarrow=False)
    return figure.update_layout(legend={"orientation": "h", "y": -0.2})
