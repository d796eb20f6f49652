"""Learning curves of the stages (paper, Figures 4a and 4b): the data of a figure, then its drawing."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go


@dataclass(frozen=True)
class Curve:
    """Validation accuracy by epoch of one network, and its best epoch (the earlier of two equal ones)."""

    name: str
    epochs: tuple[int, ...]
    accuracy: tuple[float, ...]
    best_epoch: int


def stage_curves(curves: pd.DataFrame, stage: str) -> tuple[Curve, ...]:
    """The curves of one stage, from ``load_stage_curves``; seeds of one variant are told apart by name."""
    found = []
    own = curves[curves["stage"] == stage]
    for (variant, seed), rows in own.groupby(["variant", "seed"], sort=False):
        best = int(rows["epoch"].iloc[int(rows["val_accuracy"].to_numpy().argmax())])
        name = f"{variant}, seed {seed}"
        found.append(Curve(name, tuple(rows["epoch"]), tuple(rows["val_accuracy"]), best))
    return tuple(found)


def draw_curves(curves: tuple[Curve, ...], title: str) -> go.Figure:
    """Accuracy over epochs, the best epoch of each curve marked."""
    figure = go.Figure()
    for curve in curves:
        figure.add_scatter(x=curve.epochs, y=curve.accuracy, name=curve.name, mode="lines")
        best = curve.accuracy[curve.epochs.index(curve.best_epoch)]
        figure.add_scatter(
            x=[curve.best_epoch],
            y=[best],
            mode="markers",
            marker={"size": 10, "symbol": "star"},
            name=f"best: {best:.4f} at {curve.best_epoch}",
        )
    return figure.update_layout(title=title, xaxis_title="epoch", yaxis_title="validation accuracy", height=420)
