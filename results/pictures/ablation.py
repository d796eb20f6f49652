"""The way to the best, drawn: one step per parameter that was changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.analysis.ablation import Ablation, ablation
from results.analysis.rows import AnyStudy
from results.pictures.style import BLUE, GREEN, RED, drawn, styled
from results.rendering.figures import plotly_texts

if TYPE_CHECKING:
    import plotly.graph_objects as go


def plot_ablation(study: AnyStudy) -> go.Figure:
    """Draw the way from the paper's best, or the defaults, to the best configuration, one changed parameter a step.

    Accuracies are those of the record where a grid was trained whole, otherwise those of a surrogate, which the axis
    says. A study with too few configurations gives a figure that says so. Raises ``InputError`` where there is no
    study.
    """
    return drawn(study, ablation, draw_ablation)


def draw_ablation(found: Ablation) -> go.Figure:
    """Draw the accuracy after each step from top to bottom, gains and losses in colours of their own."""
    import plotly.graph_objects as go

    steps = found.steps
    changes = steps[["parameter", "before", "after"]].to_numpy().tolist()
    texts = [f"{name}: {before} to {after}" if name else found.start for name, before, after in changes]
    labels = plotly_texts([f"{place}. {text}" if place else text for place, text in enumerate(texts)])
    colours = [BLUE if gain != gain else GREEN if gain >= 0 else RED for gain in steps["gain"]]
    figure = go.Figure(
        go.Scatter(
            x=steps["accuracy"],
            y=labels,
            mode="lines+markers+text",
            line={"color": BLUE, "shape": "vh", "width": 1.5},
            marker={"size": 11, "color": colours},
            text=["" if gain != gain else f"{gain:+.4f}" for gain in steps["gain"]],
            textposition="middle right",
            cliponaxis=False,
            hovertemplate="%{y}: %{x:.4f}<extra></extra>",
        )
    )
    styled(figure, height=140 + 36 * len(steps)).update_layout(showlegend=False, margin={"r": 70})
    figure.update_yaxes(autorange="reversed", automargin=True, type="category")
    return figure.update_xaxes(title=_axis(found))


def _axis(found: Ablation) -> str:
    if found.exact:
        return "validation accuracy, as recorded"
    until = "" if found.epochs is None else f" up to epoch {found.epochs}"
    return f"validation accuracy{until}, predicted by a random forest (R² {found.fit:.2f} out of bag)"
