"""The figures of a report by the names of their files: those of the search, and those of the stages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from results.analysis.learning_curves import FIGURES, FigureKind
from results.page.context import Context
from results.page.payload import Figure, Page
from results.paper.report import Report, stage_figures
from results.pictures.learning_curves import draw_learning_curves, learning_curves
from results.pictures.parallel_coordinates import draw_parallel_coordinates, parallel_coordinates
from results.pictures.style import HEIGHT
from results.rendering.figures import plotly_texts

if TYPE_CHECKING:
    import plotly.graph_objects as go

_STAGES = ("baselines", "fusion", "transfer")
"""Sections whose figures are those of the stages."""
_TITLE = 40
"""Height of a title in pixels."""


@dataclass(frozen=True, eq=False)
class NamedFigure:
    """A figure, its heading, and the name of its file without a suffix."""

    name: str
    heading: str
    figure: go.Figure


def search_figures(context: Context, page: Page) -> list[NamedFigure]:
    """Return the figures of the search: the two of every configuration, and those that the page of it holds."""
    found = []
    if any(len(study.trials) for study in context.studies):
        parallel = draw_parallel_coordinates(parallel_coordinates(context.studies))
        curves = draw_learning_curves(learning_curves(context.studies))
        found += [("Every configuration", parallel), ("All learning curves", curves)]
    found += [_titled(block) for block in _figures_on(page)]
    return [NamedFigure(_file_name(heading), heading, figure) for heading, figure in found]


def all_stage_figures(report: Report) -> Iterator[tuple[FigureKind, list[NamedFigure]]]:
    """Yield each kind of figure of the stages that any study has, with one figure for each that has it."""
    for kind in FIGURES:
        drawn = stage_figures(report, kind)
        names = [f"{kind.name}-{place + 1}" if len(drawn) > 1 else kind.name for place in range(len(drawn))]
        if drawn:
            yield kind, [NamedFigure(name, *found) for name, found in zip(names, drawn, strict=True)]


def _figures_on(page: Page) -> Iterator[Figure]:
    for section in page.sections:
        if section.id not in _STAGES:
            yield from (block for block in section.blocks if isinstance(block, Figure))


def _titled(block: Figure) -> tuple[str, go.Figure]:
    """Return the heading of a figure of the page, and the figure on white, with the heading as its title."""
    import plotly.graph_objects as go

    title = {"text": plotly_texts([block.title])[0], "x": 0.01, "yref": "container", "y": 0.99, "yanchor": "top"}
    figure = go.Figure(block.figure).update_layout(title=title, template="none", paper_bgcolor="white")
    height, top = figure.layout.height or HEIGHT, figure.layout.margin.t or 0
    figure.update_layout(height=height + _TITLE, margin_t=top + _TITLE)
    return block.title, figure.update_xaxes(automargin=True).update_yaxes(automargin=True)


def _file_name(heading: str) -> str:
    return re.sub(r"[^\w.-]+", "-", heading.lower()).strip("-.")
