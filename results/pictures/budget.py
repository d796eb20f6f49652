"""The budget correlation, drawn: how well each epoch tells the order at the last one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.analysis.budget import BudgetCorrelation, budget_correlation
from results.analysis.rows import AnyStudy
from results.pictures.style import BLUE, GREEN, GREY, ORANGE, drawn, styled

if TYPE_CHECKING:
    import plotly.graph_objects as go


def plot_budget_correlation(study: AnyStudy) -> go.Figure:
    """Draw the rank correlation of accuracy between every epoch and the last, and how many configurations it is of.

    Where early stopping left survivors alone, the figure says so. A study with fewer than three scores gives a figure
    that says that. Raises ``InputError`` where there is no study.
    """
    return drawn(study, budget_correlation, draw_budget_correlation)


def draw_budget_correlation(found: BudgetCorrelation) -> go.Figure:
    """Draw correlations (left axis) and numbers of configurations (right axis) by epoch."""
    from plotly.subplots import make_subplots

    epochs = found.epochs
    figure = make_subplots(specs=[[{"secondary_y": True}]])
    figure.add_bar(
        x=epochs["epoch"],
        y=epochs["configurations"],
        name="configurations",
        marker={"color": GREY},
        opacity=0.3,
        customdata=epochs["reached"],
        hovertemplate="epoch %{x}: %{y} of %{customdata} that came so far<extra></extra>",
        secondary_y=True,
    )
    for column, name, colour, dash in (
        ("spearman", "Spearman", BLUE, "solid"),
        ("kendall", "Kendall", ORANGE, "dash"),
        ("kept", "best tenth in the better half", GREEN, "dot"),
    ):
        figure.add_scatter(
            x=epochs["epoch"],
            y=[None if value != value else value for value in epochs[column]],
            name=name,
            mode="lines+markers",
            line={"color": colour, "dash": dash},
            hovertemplate=f"epoch %{{x}}: {name} %{{y:.3f}}<extra></extra>",
        )
    styled(figure)
    if found.stopped and epochs["biased"].any():
        text = f"rungs stopped {found.stopped}: what is compared are the survivors, more alike than all would be"
        figure.add_annotation(text=text, x=0, y=-0.3, xref="paper", yref="paper", showarrow=False, xanchor="left")
        figure.update_layout(height=400, margin={"b": 100})
    figure.update_xaxes(title="epoch")
    figure.update_yaxes(title=f"agreement with epoch {found.last}", secondary_y=False)
    return figure.update_yaxes(
        title="configurations", rangemode="tozero", tickmode="auto", showgrid=False, secondary_y=True
    )
