"""Interactive figures: plain data, its drawing with Plotly, and self-contained pages.

The code that makes the data decides what is shown; this module only draws it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import plotly.graph_objects as go

_ANNOTATED_COLUMNS = 20
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; }
body { max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
section { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; }
th, td { border-bottom: 1px solid #ddd; padding: .25rem .6rem; text-align: left; white-space: nowrap; }
td { font-variant-numeric: tabular-nums; }
"""


@dataclass(frozen=True, kw_only=True)
class PieData:
    """Shares of a whole; ``values`` are counts, in the order of ``labels``."""

    title: str
    labels: tuple[str, ...]
    values: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.values) or any(value < 0 for value in self.values):
            raise ValueError(f"one count from 0 for each label must hold, but got {self}")


@dataclass(frozen=True, kw_only=True, eq=False)
class HeatmapData:
    """A square of correlations, ``(n, n)`` in [-1, 1] or NaN, with ``n`` labels for rows and columns."""

    title: str
    labels: tuple[str, ...]
    values: np.ndarray

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.labels), len(self.labels)):
            raise ValueError(f"{len(self.labels)} labels need as many rows, however: {self.values.shape}")


def draw_pie(data: PieData) -> go.Figure:
    """Draw the pie in the order given (largest share first), with counts on hovering."""
    import plotly.graph_objects as go

    pie = go.Pie(
        labels=plotly_texts(data.labels),
        values=list(data.values),
        sort=False,
        direction="clockwise",
        textinfo="label+percent",
        hovertemplate="%{label}: %{value:,} tracks (%{percent})<extra></extra>",
    )
    return laid_out(go.Figure(pie), data.title, height=480)


def draw_heatmap(data: HeatmapData) -> go.Figure:
    """Draw the correlations in colour, with the numbers in the cells where there are few."""
    import plotly.graph_objects as go

    labels = plotly_texts(data.labels)
    values = [[None if np.isnan(value) else float(value) for value in row] for row in data.values]
    heatmap = go.Heatmap(
        x=labels,
        y=labels,
        z=values,
        zmin=-1,
        zmax=1,
        colorscale="RdBu_r",
        xgap=1,
        ygap=1,
        texttemplate="%{z:.2f}" if len(labels) <= _ANNOTATED_COLUMNS else None,
        hovertemplate="%{y} and %{x}: %{z:.3f}<extra></extra>",
    )
    figure = laid_out(go.Figure(heatmap), data.title, height=220 + 36 * len(labels))
    figure.update_xaxes(type="category", tickangle=-45, automargin=True)
    figure.update_yaxes(type="category", autorange="reversed", automargin=True)
    return figure


def plotly_texts(texts: Sequence[str]) -> list[str]:
    """Return texts that Plotly shows unchanged; it would read ``<b>`` and ``<a>`` in them as markup."""
    return [html.escape(text, quote=False) for text in texts]


def figure_html(figure: go.Figure, name: str) -> str:
    """Return a figure as a fragment of a page (see `page`); its id there is the letters and digits of ``name``."""
    return figure.to_html(
        full_html=False,
        include_plotlyjs=False,
        div_id=re.sub(r"[^\w-]", "-", name),
        config={"displaylogo": False, "responsive": True},
    )


def page(title: str, sections: Sequence[tuple[str, str]]) -> str:
    """Return one self-contained HTML page: it holds plotly.js once and fetches nothing.

    ``sections`` are headings (any text) and bodies (HTML that is already safe).
    """
    from plotly.offline import get_plotlyjs

    bodies = "".join(f"<section>\n<h2>{html.escape(heading)}</h2>\n{body}\n</section>\n" for heading, body in sections)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n"
        f"<script>{get_plotlyjs()}</script>\n</head>\n<body>\n<h1>{html.escape(title)}</h1>\n{bodies}</body>\n</html>\n"
    )


def laid_out(figure: go.Figure, title: str, height: int) -> go.Figure:
    """Return the figure with the layout that all figures share."""
    return figure.update_layout(
        title=plotly_texts([title])[0], template="plotly_white", height=height, margin={"t": 60, "r": 20}
    )
