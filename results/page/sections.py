"""The sections of the study page, in the order in which a person asks, and the content of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from data.errors import InputError
from results.analysis.learning_curves import FIGURES
from results.analysis.rows import StudyRows
from results.page.context import Context
from results.page.ensemble import the_ensemble
from results.page.explorer import explorer_of
from results.page.overview import provenance, what_came_out
from results.page.payload import Block, Figure, Note, Page, Section, Table
from results.paper.report import baseline_grid, stage_figures, titled_tables
from results.pictures.ablation import plot_ablation
from results.pictures.budget import plot_budget_correlation
from results.pictures.confusion import plot_confusion
from results.pictures.importances import plot_importances, plot_interaction, plot_main_effects
from results.pictures.rungs import plot_rungs
from results.pictures.spending import plot_best_so_far, plot_timeline

if TYPE_CHECKING:
    import plotly.graph_objects as go


@dataclass(frozen=True)
class Kind:
    """A section before it has content; without content it is left out."""

    id: str
    heading: str
    blocks: Callable[[Context], Iterable[Block]]


Draw = Callable[[StudyRows], "go.Figure"]


def _pictures(**pictures: Draw) -> Callable[[Context], Iterator[Block]]:
    """Return a function that draws these pictures of each study, by title; those of further studies are folded."""

    def blocks(context: Context) -> Iterator[Block]:
        for place, rows in enumerate(context.rows):
            for name, draw in pictures.items():
                title = name.replace("_", " ")
                title = f"{title}, {context.studies[place].name}" if context.several else title
                try:
                    yield Figure.of(title, draw(rows), folded=place > 0)
                except InputError as error:
                    yield Note(text=f"{title}: not drawn. {error}")

    return blocks


def _every_configuration(context: Context) -> Iterator[Block]:
    if any(len(study.trials) for study in context.studies):
        yield explorer_of(context.studies)


def _confusion(context: Context) -> Iterator[Block]:
    if any(one.model == "best" for rows in context.rows for one in rows.judgements):
        yield from _pictures(Confusion=plot_confusion)(context)


def _stages(*names: str) -> Callable[[Context], Iterator[Block]]:
    """Return a function that gives the curves of these figures."""

    def blocks(context: Context) -> Iterator[Block]:
        for kind in FIGURES:
            if kind.name in names:
                drawn = stage_figures(context.report, kind)
                for place, (directory, figure) in enumerate(drawn):
                    title = f"{kind.title}, {directory}" if context.several else kind.title
                    yield Figure.of(title, figure, folded=place > 0)

    return blocks


def _baselines(context: Context) -> Iterator[Block]:
    yield from _stages("simple")(context)
    for study in context.report.studies:
        grid = baseline_grid(study)
        if len(grid):
            yield Table.of(f"{study.directory.name}: grids of the baselines", grid)


def _scorecard(context: Context) -> Iterator[Block]:
    for heading, frame, decimals, notes in titled_tables(context.report):
        if heading != "Table 2":
            yield Table.of(heading, frame, decimals=decimals, notes=notes)
    for study in context.report.studies:
        if len(study.stages):
            yield Table.of(f"{study.directory.name}: stages", study.stages, decimals=2)


def _description(context: Context) -> Iterator[Block]:
    for heading, frame, decimals, notes in titled_tables(context.report):
        if heading == "Table 2":
            yield Table.of(f"{heading}, the paper's beside ours", frame, decimals=decimals, notes=notes)


_WHAT_MATTERED = _pictures(
    Importance=plot_importances, Main_effects=plot_main_effects, The_two_strongest_together=plot_interaction
)
SECTIONS: tuple[Kind, ...] = (
    Kind("outcome", "What came out", what_came_out),
    Kind("configurations", "Every configuration", _every_configuration),
    Kind("rungs", "Who went on", _pictures(Rungs=plot_rungs)),
    Kind("importance", "What mattered", _WHAT_MATTERED),
    Kind("stopping", "Is early stopping sound here?", _pictures(Agreement_with_the_last_epoch=plot_budget_correlation)),
    Kind("way", "The way to the best", _pictures(Ablation=plot_ablation)),
    Kind("time", "How it spent its time", _pictures(Workers=plot_timeline, Best_so_far=plot_best_so_far)),
    Kind("ensemble", "Ensemble and trees", the_ensemble),
    Kind("confusion", "Which genres it takes for which", _confusion),
    Kind("baselines", "Baselines", _baselines),
    Kind("fusion", "Text and audio together", _stages("figure-4a", "figure-4b")),
    Kind("transfer", "Transfer to six genres", _stages("transfer")),
    Kind("data", "The data", _description),
    Kind("scorecard", "Scorecard", _scorecard),
    Kind("provenance", "Provenance", provenance),
)


def page_of(context: Context, made: Mapping[str, Section] = MappingProxyType({})) -> Page:
    """Return the page of these studies; sections without content are left out.

    ``made`` are sections by their ids that are taken as they are, since making them takes long.
    """
    found = [made.get(kind.id) or section_of(kind, context) for kind in SECTIONS]
    names = ", ".join(study.name for study in context.studies)
    first = context.studies[0]
    about = f"{first.settings.search} search of the space {first.space.name} on {first.settings.features}"
    return Page(
        title=names,
        subtitle=f"{about}, scheduler {first.settings.scheduler}",
        state=context.state,
        sections=tuple(section for section in found if section.blocks),
    )


def section_of(kind: Kind, context: Context) -> Section:
    """Return a section with its content, which may be none."""
    return Section(id=kind.id, heading=kind.heading, blocks=tuple(kind.blocks(context)))
