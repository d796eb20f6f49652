"""What all pictures share: a neutral style that a page can theme, colours, and the figure of what has no data yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from results.analysis.rows import AnyStudy, StudyRows, TooFewError, read_rows
from results.rendering.figures import plotly_texts

if TYPE_CHECKING:
    import plotly.graph_objects as go

BLUE, ORANGE, GREEN, RED, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
"""Colours of Okabe and Ito, which the colour-blind tell apart."""
GREY = "#888888"
SCALE = "Cividis"
"""Scale of numbers in colour, which the colour-blind read as others do."""
HEIGHT = 360
"""Height of a figure in pixels; its width is that of its place."""
_CLEAR = "rgba(0,0,0,0)"

Data = TypeVar("Data")


def styled(figure: go.Figure, height: int = HEIGHT) -> go.Figure:
    """Return the figure with the shared layout: no background, no title, no width of its own."""
    return figure.update_layout(
        template="none",
        height=height,
        paper_bgcolor=_CLEAR,
        plot_bgcolor=_CLEAR,
        margin={"t": 40, "r": 20, "b": 60, "l": 70},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )


def empty_figure(sentence: str) -> go.Figure:
    """Return a figure that holds a sentence alone."""
    import plotly.graph_objects as go

    (text,) = plotly_texts([sentence])
    middle = {"x": 0.5, "y": 0.5, "xref": "paper", "yref": "paper", "showarrow": False}
    figure = styled(go.Figure(), height=160).add_annotation(text=text, **middle)
    return figure.update_xaxes(visible=False).update_yaxes(visible=False)


def drawn(study: AnyStudy, data: Callable[[StudyRows], Data], draw: Callable[[Data], go.Figure]) -> go.Figure:
    """Return the drawing of a study's data, or a figure that says why there is too little of it."""
    rows = read_rows(study)
    try:
        return draw(data(rows))
    except TooFewError as error:
        return empty_figure(f"{error.sentence[:1].upper()}{error.sentence[1:]}.")
