"""Commands that compare what was recorded: replay, compare, importance, export."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from data.errors import InputError
from results.record.settings import StudySettings
from search.cli import options
from search.cli.console import OUT, frames_json, print_json
from search.replay.stopping_rules import ReplayedScheduler

if TYPE_CHECKING:
    import pandas as pd

    from results.analysis.importance import Importance
    from search.replay.replay import Setting

Table = Annotated[Path | None, typer.Option(help="Write a .csv, .parquet or .json file, too.", metavar="FILE")]
Figure = Annotated[
    Path | None,
    typer.Option(
        help="Write the figures as one page, too: interactive also offline, 5 MB with all that it needs.",
        metavar="FILE.html",
    ),
]


@dataclass(frozen=True, kw_only=True)
class RuleOptions:
    """The scheduler to replay."""

    scheduler: Annotated[
        ReplayedScheduler | None,
        typer.Option(help="Replay this one; without it, a table of all with their usual settings."),
    ] = None
    reduction_factor: options.ReductionFactor = StudySettings.reduction_factor
    grace_period: options.GracePeriod = StudySettings.grace_period

    def settings(self) -> list[Setting] | None:
        """Return the one setting to replay; ``None`` stands for the usual ones."""
        from search.replay.replay import Setting

        if self.scheduler is None:
            return None
        return [Setting.of(self.scheduler.value, self.reduction_factor, self.grace_period)]


@dataclass(frozen=True, kw_only=True)
class OrderOptions:
    """The orders of arrival, and what trains at once in simulated time."""

    orders: Annotated[
        int | None, typer.Option(min=1, help="Random orders of arrival; by default 50, and 200 of one scheduler.")
    ] = None
    seed: Annotated[int, typer.Option(min=0, help="Of the orders of arrival.")] = 0
    workers: Annotated[int, typer.Option(min=1, help="Stacks that train at once, in simulated time.")] = 2
    stack_size: Annotated[int, typer.Option(min=1, help="Configurations that train and report together.")] = 16

    def replayed(self, studies: list[Path], settings: list[Setting] | None) -> pd.DataFrame:
        """Return the rows of ``search.replay.replay.replay``."""
        from search.replay.replay import replay as replay_studies

        return replay_studies(studies, settings, **asdict(self))


@options.with_groups
def replay(
    *,
    studies: Annotated[
        list[Path], typer.Argument(help="One exhaustive study, or several: means over them.", metavar="STUDY...")
    ],
    rule: RuleOptions,
    judge: Annotated[
        list[Path] | None,
        typer.Option(
            help="Another exhaustive study, or several (repeat it): the choice is judged there.", metavar="STUDY"
        ),
    ] = None,
    arrival: OrderOptions,
    tolerance: Annotated[
        float, typer.Option(min=0.0, help="Accuracy that one is ready to lose on average for fewer epochs.")
    ] = 0.001,
    to: Table = None,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """What a scheduler would have saved and lost, from the curves of exhaustive studies, without training."""
    from results.rendering.exports import check_suffix, records_of, write_table
    from search.cli.texts.tables import frame_table, judged_text, replay_text
    from search.replay.replay import judged, summarise

    if to is not None:
        check_suffix(to)
    settings = rule.settings()
    if judge and {path.resolve() for path in judge} & {path.resolve() for path in studies}:
        raise InputError("--judge takes other studies than those that the choice is made on")
    runs = arrival.replayed(studies, settings)
    table, title = summarise(runs), f"{_studies(studies)}, {runs['order'].nunique()} orders of arrival each"
    if judge:
        table = judged(table, summarise(arrival.replayed(judge, settings)))
    if as_json:
        print_json(records_of(table))
    elif judge:
        OUT.print(frame_table(judged_text(table), f"{title}; judged on {_studies(judge)}"))
    else:
        OUT.print(frame_table(replay_text(table), title))
    if settings is None and not as_json:
        _recommend(table, tolerance, judge)
    if to is not None:
        write_table(table, to)
        _say(f"{len(table):,} rows written to {to}", as_json)


def _recommend(table: pd.DataFrame, tolerance: float, judge: list[Path] | None) -> None:
    """Print the setting of the fewest epochs that loses no more than what is tolerated."""
    from search.replay.replay import as_options, recommended

    best = recommended(table, tolerance)
    lines = [f"fewest epochs that lose at most {tolerance:g} on average: {as_options(best)} ({_in_words(best)})"]
    lines += [f"judged on {_studies(judge)}: {_in_words(best, '_judged')}"] if judge else []
    OUT.print("\n".join(lines), markup=False)


def compare(
    studies: Annotated[
        list[Path],
        typer.Argument(help="Studies; those that differ in seed alone are one arm.", metavar="STUDY..."),
    ],
    curves: Annotated[
        bool, typer.Option("--curves", help="Into --to: one row per study and segment, not one per arm.")
    ] = False,
    to: Table = None,
    figure: Figure = None,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Best accuracy so far against epochs and time, and regret against an exhaustive study of the same rows."""
    from results.analysis.comparison import compare as compare_studies
    from results.pictures.pages import comparison_page
    from results.rendering.exports import check_page, check_suffix, write_file, write_table
    from search.cli.texts.tables import arms_text, frame_table

    if curves and to is None:
        raise InputError("--curves says what --to FILE gets: give that, too")
    if to is not None:
        check_suffix(to)
    if figure is not None:
        check_page(figure)
    found = compare_studies(studies)
    if as_json:
        print_json(frames_json(found))
    else:
        OUT.print(frame_table(arms_text(found.arms), _studies(studies)))
    if found.arms["regret"].isna().any():
        _say(
            "no regret where no exhaustive study (--scheduler none) of the same rows, seed and --epochs is among them",
            as_json,
        )
    if to is not None:
        frame = found.progress if curves else found.arms
        write_table(frame, to)
        _say(f"{len(frame):,} rows written to {to}", as_json)
    if figure is not None:
        write_file(figure, comparison_page(found).encode())
        _say(f"figures written to {figure}", as_json)


def importance(
    study: options.StudyArgument,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Compare after so many epochs; by default as many as all have trained."),
    ] = None,
    to: Table = None,
    pairs: Annotated[
        Path | None,
        typer.Option(help="Write the two strongest together to a .csv, .parquet or .json file, too.", metavar="FILE"),
    ] = None,
    figure: Figure = None,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Which hyperparameters mattered: mean accuracy by value, importance by fANOVA, the two strongest together."""
    from results.analysis.importance import importance as find_importance
    from results.pictures.pages import importance_page
    from results.rendering.exports import check_page, check_suffix, write_file, write_table

    for wanted in filter(None, (to, pairs)):
        check_suffix(wanted)
    if figure is not None:
        check_page(figure)
    found = find_importance(study, epochs)
    if as_json:
        print_json(frames_json(found))
    else:
        _print_importance(found)
    for frame, path in ((found.effects, to), (found.pairs, pairs)):
        if path is not None:
            write_table(frame, path)
            _say(f"{len(frame):,} rows written to {path}", as_json)
    if figure is not None:
        write_file(figure, importance_page(found).encode())
        _say(f"figures written to {figure}", as_json)


def export(
    study: options.StudyArgument,
    to: Annotated[Path, typer.Option(help="A new Optuna storage (SQLite), for optuna-dashboard.", metavar="FILE.db")],
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """A study as an Optuna storage: one trial per configuration, with its learning curve."""
    from results.handover.optuna_export import export_to_optuna, storage_url

    count = export_to_optuna(study, to)
    if as_json:
        print_json({"trials": count, "storage": storage_url(to), "written": [str(to)]})
        return
    look = shlex.join(["optuna-dashboard", storage_url(to)])
    OUT.print(
        f"{count:,} trials written to {to}; look at them with: {look} (pip install optuna-dashboard)",
        markup=False,
    )


def _print_importance(found: Importance) -> None:
    from search.cli.texts.tables import frame_table

    OUT.print(found.counted_text(), markup=False)
    OUT.print(found.explained_text(), markup=False)
    OUT.print(frame_table(found.effects, "main effects", decimals=4))
    if len(found.pairs):
        named = found.pairs.rename(columns=dict(zip(("first", "second"), found.strongest, strict=True)))
        OUT.print(frame_table(named, "the two strongest together", decimals=4))


def _say(text: str, as_json: bool) -> None:
    """Print a line for people, where standard output is not JSON."""
    if not as_json:
        OUT.print(text, markup=False)


def _in_words(row: pd.Series, end: str = "") -> str:
    values = {name: row[f"{name}{end}"] for name in ("epochs", "saved", "regret", "rank")}
    return "{epochs:.0f} epochs, {saved:.0%} saved, {regret:.4f} lost, rank {rank:.1f}".format(**values)


def _studies(studies: list[Path]) -> str:
    return "1 study" if len(studies) == 1 else f"{len(studies)} studies"
