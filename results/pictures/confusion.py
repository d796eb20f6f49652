"""The confusion matrix, drawn: true genres down, predicted genres across."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.analysis.confusion import Confusion, confusion
from results.analysis.rows import AnyStudy
from results.pictures.style import SCALE, drawn, styled
from results.rendering.figures import plotly_texts

if TYPE_CHECKING:
    import plotly.graph_objects as go

_WRITTEN = 30
"""Most genres whose shares are written into the squares."""


def plot_confusion(study: AnyStudy) -> go.Figure:
    """Draw which genres the promoted network takes for which, as shares of each true genre's rows.

    A study without a promoted network gives a figure that says so. Raises ``InputError`` where there is no study.
    """
    return drawn(study, confusion, draw_confusion)


def draw_confusion(found: Confusion) -> go.Figure:
    """Draw shares in colour, with the numbers of rows where one points at them."""
    import plotly.graph_objects as go

    judged, names = found.judgement, plotly_texts(list(found.judgement.genres))
    shares = found.shares.astype(object).where(found.shares.notna(), None)
    heatmap = go.Heatmap(
        x=names,
        y=names,
        z=shares.to_numpy().tolist(),
        customdata=found.counts.to_numpy().tolist(),
        zmin=0,
        zmax=1,
        colorscale=SCALE,
        colorbar={"title": "share", "tickformat": ".0%"},
        texttemplate="%{z:.0%}" if len(names) <= _WRITTEN else None,
        hovertemplate="%{y} taken for %{x}: %{customdata:,} rows, %{z:.1%}<extra></extra>",
    )
    figure = styled(go.Figure(heatmap), height=200 + 36 * len(names))
    side = "held-out" if judged.side == "holdout" else "validation"
    title = f"predicted, on {judged.rows:,} {side} rows: accuracy {judged.accuracy:.4f}, log loss {judged.log_loss:.4f}"
    figure.update_xaxes(type="category", title=title, automargin=True)
    return figure.update_yaxes(type="category", title="true", autorange="reversed", automargin=True)
