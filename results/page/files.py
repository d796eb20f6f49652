"""The files of a report: tables, figures, and the study page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from data.errors import warn
from results.page.context import Context
from results.page.figures import NamedFigure, all_stage_figures, search_figures
from results.page.page import frozen_page
from results.page.sections import page_of
from results.paper.report import Report, report_markdown
from results.rendering.exports import write_file, write_table
from results.rendering.figures import figure_html, page
from results.rendering.svg import NoPicturesError, svg_pictures


def write_report(report: Report, directory: Path, *, svg: bool = False) -> tuple[Path, ...]:
    """Write the scorecard and its companions, ``report.html`` and ``figures/`` into a directory, and return the files.

    With ``svg`` each figure is also a file of its own; where no browser can draw it, a warning says so in one line.
    Raises ``InputError`` where the directory cannot be written to.
    """
    tables = {"scorecard": report.card, "choices": report.choices, "table-2": report.statistics}
    tables |= {"transfer-epochs": report.epochs, "transfer-pairs": report.pairs}
    context = Context.read([study.directory for study in report.studies], report)
    content = page_of(context)
    pages = {kind.name: (kind.title, figures) for kind, figures in all_stage_figures(report)}
    if searched := search_figures(context, content):
        pages = {"search": ("The search", searched), **pages}
    return (
        *(write_table(frame, directory / f"{name}.csv") for name, frame in tables.items() if len(frame)),
        *([write_file(directory / "scorecard.md", report_markdown(report).encode())] if len(report.card) else []),
        write_file(directory / "report.html", frozen_page(content).encode()),
        *(_write_page(directory / "figures" / f"{name}.html", *found) for name, found in pages.items()),
        *(_write_pictures([one for _, own in pages.values() for one in own], directory / "figures") if svg else []),
    )


def _write_page(path: Path, title: str, figures: Sequence[NamedFigure]) -> Path:
    """Write one page of several figures."""
    bodies = [(one.heading, figure_html(one.figure, one.name)) for one in figures]
    return write_file(path, page(title, bodies).encode())


def _write_pictures(figures: Sequence[NamedFigure], directory: Path) -> list[Path]:
    """Write each figure as SVG, or warn and write none."""
    try:
        pictures = svg_pictures({one.name: one.figure for one in figures})
    except NoPicturesError as error:
        warn(str(error))
        return []
    return [write_file(directory / f"{name}.svg", content) for name, content in pictures.items()]
