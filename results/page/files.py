"""The files of a report: tables, figures, and the study page."""

from __future__ import annotations

from pathlib import Path

from results.analysis.learning_curves import FIGURES
from results.page.context import Context
from results.page.page import frozen_page
from results.page.sections import page_of
from results.paper.report import Report, report_markdown, stage_figures
from results.rendering.exports import write_file, write_table
from results.rendering.figures import figure_html, page


def write_report(report: Report, directory: Path) -> tuple[Path, ...]:
    """Write the scorecard and its companions, ``report.html`` and ``figures/`` into a directory, and return the files.

    Raises ``InputError`` where the directory cannot be written to.
    """
    tables = {"scorecard": report.card, "choices": report.choices, "table-2": report.statistics}
    tables |= {"transfer-epochs": report.epochs, "transfer-pairs": report.pairs}
    content = page_of(Context.read([study.directory for study in report.studies], report))
    return (
        *(write_table(frame, directory / f"{name}.csv") for name, frame in tables.items() if len(frame)),
        *([write_file(directory / "scorecard.md", report_markdown(report).encode())] if len(report.card) else []),
        write_file(directory / "report.html", frozen_page(content).encode()),
        *_write_figures(report, directory / "figures"),
    )


def _write_figures(report: Report, directory: Path) -> list[Path]:
    """Write one page for each kind of figure, with one figure for each study that has trained its networks."""
    written = []
    for kind in FIGURES:
        drawn = stage_figures(report, kind)
        bodies = [(study, figure_html(figure, f"{kind.name}-{place}")) for place, (study, figure) in enumerate(drawn)]
        if bodies:
            written.append(write_file(directory / f"{kind.name}.html", page(kind.title, bodies).encode()))
    return written
