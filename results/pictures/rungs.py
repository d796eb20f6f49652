"""The rung ladder, drawn: who went on at each rung, who was stopped, and what accuracy it took."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.analysis.rows import AnyStudy
from results.analysis.rungs import RungLadder, rung_ladder
from results.pictures.style import BLUE, GREEN, GREY, ORANGE, RED, SKY, drawn, styled

if TYPE_CHECKING:
    import plotly.graph_objects as go


def plot_rungs(study: AnyStudy) -> go.Figure:
    """Draw the ladder of a study's rungs as bars, with the cutoff of each as a line.

    A study that stops nothing early, or has not yet, gives a figure that says so. Raises ``InputError`` where there is
    no study.
    """
    return drawn(study, rung_ladder, draw_rungs)


def draw_rungs(ladder: RungLadder) -> go.Figure:
    """Draw a bar per rung, and one for the end; with accuracy on an axis of its own."""
    from plotly.subplots import make_subplots

    rungs = ladder.rungs
    places = [*(f"epoch {epoch}" for epoch in rungs["epoch"]), "the end"]
    bars = {
        "went on": (GREEN, [*rungs["promoted"], 0]),
        "stopped": (RED, [*rungs["stopped"], 0]),
        "ended by themselves before": (GREY, [*rungs["ended"], ladder.ended_after]),
        "finished": (BLUE, [0] * len(rungs) + [ladder.finished]),
        "waiting or training": (SKY, [0] * len(rungs) + [ladder.unfinished]),
    }
    figure = make_subplots(specs=[[{"secondary_y": True}]])
    for name, (colour, counts) in bars.items():
        if any(counts):
            hover = f"%{{x}}: %{{y}} {name}<extra></extra>"
            figure.add_bar(x=places, y=counts, name=name, marker={"color": colour}, hovertemplate=hover)
    figure.add_scatter(
        x=places[:-1],
        y=[None if cutoff != cutoff else cutoff for cutoff in rungs["cutoff"]],
        name="cutoff",
        mode="lines+markers",
        line={"color": ORANGE},
        marker={"size": 9, "symbol": "diamond"},
        customdata=rungs[["lowest_cutoff", "highest_cutoff"]].fillna(0.0).to_numpy().tolist(),
        hovertemplate="%{x}: cutoff %{y:.4f} (%{customdata[0]:.4f} to %{customdata[1]:.4f})<extra></extra>",
        secondary_y=True,
    )
    styled(figure).update_layout(barmode="stack")
    figure.update_xaxes(title="rung", type="category")
    figure.update_yaxes(title="configurations", secondary_y=False)
    return figure.update_yaxes(title="cutoff (validation accuracy)", tickmode="auto", showgrid=False, secondary_y=True)
