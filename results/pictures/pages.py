"""Pages of figures for `comparison` and `importance`, which decide the content."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from results.analysis.comparison import Comparison, band
from results.analysis.importance import Importance
from results.pictures.importances import draw_effects, draw_importances, draw_pairs
from results.rendering.exports import html_table
from results.rendering.figures import figure_html, page, plotly_texts

if TYPE_CHECKING:
    import plotly.graph_objects as go

_AXES = {"epochs": "epochs spent", "seconds": "seconds of training"}


def comparison_page(comparison: Comparison) -> str:
    """Return one self-contained page: the arms against epochs and against seconds, and their table."""
    sections = [
        (f"Best so far against {title}", figure_html(draw_progress(comparison, against), against))
        for against, title in _AXES.items()
    ]
    named = {"Arms": comparison.arms, "Studies": comparison.studies}
    tables = [(heading, html_table(frame, decimals=4)) for heading, frame in named.items()]
    return page("Studies compared", [*sections, *tables])


def draw_progress(comparison: Comparison, against: str) -> go.Figure:
    """Draw each arm's best accuracy so far: the mean of its studies as steps, and a band from the worst to the best."""
    import plotly.graph_objects as go
    from plotly.colors import qualitative

    figure = go.Figure()
    for number, arm in enumerate(comparison.arms["arm"]):
        own = comparison.progress[comparison.progress["arm"] == arm]
        line, colour = band(own, against), qualitative.D3[number % len(qualitative.D3)]
        (name,) = plotly_texts([f"{arm} ({own['study'].nunique()})"])
        shape = {"shape": "hv", "color": colour}
        if own["study"].nunique() > 1:
            edge = {"mode": "lines", "legendgroup": name, "showlegend": False, "hoverinfo": "skip"}
            figure.add_scatter(x=line["at"], y=line["low"], line={**shape, "width": 0}, **edge)
            figure.add_scatter(
                x=line["at"], y=line["high"], line={**shape, "width": 0}, fill="tonexty", opacity=0.2, **edge
            )
        figure.add_scatter(x=line["at"], y=line["mean"], mode="lines", line=shape, name=name, legendgroup=name)
    repeated = " (mean over repeats)" if (comparison.arms["repeats"] > 1).any() else ""
    return figure.update_layout(
        template="plotly_white",
        height=480,
        xaxis_title=_AXES[against],
        yaxis_title=f"best validation accuracy so far{repeated}",
        legend={"orientation": "h", "y": -0.2},
    )


def importance_page(found: Importance) -> str:
    """Return one self-contained page: importances, main effects, and the two strongest parameters together."""
    counted = f"<p>{html.escape(found.counted_text())}. {html.escape(found.explained_text())}.</p>"
    sections = [
        ("Importance (fANOVA)", counted + figure_html(draw_importances(found), "importances")),
        ("Main effects", figure_html(draw_effects(found), "effects") + html_table(found.effects, decimals=4)),
    ]
    if len(found.pairs):
        heading = f"{' and '.join(found.strongest)} together"
        sections.append((heading, figure_html(draw_pairs(found), "pairs")))
    return page(f"What mattered in {found.study}", sections)
