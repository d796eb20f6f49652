"""Learning curves of the stages (paper, Figures 4a and 4b): the data of a figure and its drawing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from results.rendering.figures import laid_out

if TYPE_CHECKING:
    import plotly.graph_objects as go


_PANELS = ("validation accuracy", "loss: training dotted, validation solid")


@dataclass(frozen=True)
class FigureKind:
    """The networks that one figure shows."""

    name: str
    """Name of the figure's file."""
    title: str
    stage: str
    variants: tuple[str, ...]


FIGURES = (
    FigureKind("simple", "Simple network (4.2)", "simple", ("simple",)),
    FigureKind("figure-4a", "Figure 4a: text only", "fusion", ("text",)),
    FigureKind("figure-4b", "Figure 4b: audio + text", "fusion", ("scratch", "warm", "swept")),
    FigureKind("transfer", "Five to six genres (4.5)", "transfer", ("transfer", "scratch")),
)


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One network by epoch: validation accuracy, both losses, and its best epoch (the earlier of two equal ones)."""

    variant: str
    seed: int
    epochs: tuple[int, ...]
    accuracy: tuple[float, ...]
    train_loss: tuple[float, ...]
    val_loss: tuple[float, ...]
    best_epoch: int

    @property
    def name(self) -> str:
        """Variant and seed, as text."""
        return f"{self.variant}, seed {self.seed}"

    def at_best(self, values: Sequence[float]) -> float:
        """Return the value at the best epoch."""
        return values[self.epochs.index(self.best_epoch)]


def stage_curves(curves: pd.DataFrame, kind: FigureKind) -> tuple[Curve, ...]:
    """Return the curves of one figure, from ``load_stage_curves``; networks without any score are left out."""
    own = curves[(curves["stage"] == kind.stage) & curves["variant"].isin(kind.variants)]
    groups = own.sort_values("epoch").groupby(["variant", "seed"], sort=False)
    found = [_curve(rows) for _, rows in groups if rows["val_accuracy"].notna().any()]
    return tuple(sorted(found, key=lambda curve: (kind.variants.index(curve.variant), curve.seed)))


def _curve(rows: pd.DataFrame) -> Curve:
    best = int(np.nanargmax(rows["val_accuracy"].to_numpy(dtype=np.float64)))
    return Curve(
        variant=str(rows["variant"].to_numpy()[0]),
        seed=int(rows["seed"].to_numpy()[0]),
        epochs=tuple(rows["epoch"].to_numpy().tolist()),
        accuracy=tuple(rows["val_accuracy"]),
        train_loss=tuple(rows["train_loss"]),
        val_loss=tuple(rows["val_loss"]),
        best_epoch=int(rows["epoch"].to_numpy()[best]),
    )


def draw_curves(curves: tuple[Curve, ...], title: str) -> go.Figure:
    """Draw accuracy (left) and losses (right) by epoch, with each network's best epoch marked in both.

    Each variant has one colour and one entry in the legend, which shows and hides all its seeds.
    """
    from plotly.colors import qualitative
    from plotly.subplots import make_subplots

    figure = make_subplots(rows=1, cols=2, subplot_titles=_PANELS)
    variants = list(dict.fromkeys(curve.variant for curve in curves))
    known: set[str] = set()
    for curve in curves:
        colour = qualitative.D3[variants.index(curve.variant) % len(qualitative.D3)]
        _draw(figure, curve, colour, in_legend=curve.variant not in known)
        known.add(curve.variant)
    figure.update_xaxes(title="epoch")
    return laid_out(figure, title, height=460).update_layout(legend={"orientation": "h", "y": -0.2})


def _draw(figure: go.Figure, curve: Curve, colour: str, *, in_legend: bool) -> None:
    """Draw a network's three lines and two marks into the figure; training loss is dotted."""
    shared = {"legendgroup": curve.variant, "name": curve.variant, "x": curve.epochs, "mode": "lines"}
    solid, dotted = {"color": colour, "width": 1.5}, {"color": colour, "width": 1.5, "dash": "dot"}
    best = f"{curve.name}: best {curve.at_best(curve.accuracy):.4f} at epoch {curve.best_epoch}"
    hover = {"hovertemplate": f"{curve.name}, epoch %{{x}}: %{{y:.4f}}<extra></extra>"}
    figure.add_scatter(**shared, **hover, y=curve.accuracy, line=solid, showlegend=in_legend, row=1, col=1)
    for losses, line in ((curve.train_loss, dotted), (curve.val_loss, solid)):
        figure.add_scatter(**shared, **hover, y=losses, line=line, showlegend=False, row=1, col=2)
    for column, values in ((1, curve.accuracy), (2, curve.val_loss)):
        figure.add_scatter(
            x=[curve.best_epoch],
            y=[curve.at_best(values)],
            mode="markers",
            marker={"size": 11, "symbol": "star", "color": colour, "line": {"width": 1, "color": "black"}},
            name=best,
            hovertemplate=f"{best}<extra></extra>",
            legendgroup=curve.variant,
            showlegend=False,
            row=1,
            col=column,
        )
