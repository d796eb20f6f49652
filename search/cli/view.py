"""Commands that read: status, trials, describe, predict, report, doctor."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from data.errors import InputError, naming_option, warn
from data.files import user_path
from data.run_directories import RUNS
from search.cli import options
from search.cli.console import ERR, OUT, frames_json, print_json

_WIDTH = 16


def status(
    study: Annotated[Path | None, typer.Argument(help="A study; without it, all in runs/.", metavar="[STUDY]")] = None,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """How far a study is, also while it runs."""
    from search.cli.texts.status import studies_in, study_summary, summary_lines
    from search.cluster.leftovers import leftover_sessions

    summaries = []
    for path in [study] if study else studies_in(RUNS):
        try:
            summaries.append(study_summary(path))
        except InputError as error:
            if study:
                raise
            ERR.print(str(error), markup=False)
    if as_json:
        print_json(summaries)
        return
    for summary in summaries:
        OUT.print("\n".join(summary_lines(summary)), markup=False)
    if (left := leftover_sessions()).folders:
        warn(f"{len(left)} sessions of Ray that have ended hold {left.megabytes:.1f} MB: genresweep doctor names them")


def trials(
    study: options.StudyArgument,
    top: Annotated[int | None, typer.Option(min=1, help="Only the best N.", metavar="N")] = None,
    curves: Annotated[bool, typer.Option("--curves", help="One row per epoch instead.")] = False,
    repeats: Annotated[
        bool, typer.Option("--repeats", help="One row per configuration instead: mean and spread over its seeds.")
    ] = False,
    to: Annotated[
        Path | None, typer.Option(help="Write a .csv, .parquet or .json file instead.", metavar="FILE")
    ] = None,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """The trials of a study as a table, best first, their learning curves, or their repeats."""
    from results.dataframes.frames import load_curves, load_trials
    from results.dataframes.repeats import load_repeats, seed_agreement
    from results.rendering.exports import records_of, write_table
    from search.cli.texts.status import agreement_line, sparklines_of, top_trials
    from search.cli.texts.tables import repeats_table, trials_table

    if curves and repeats:
        raise InputError("--curves and --repeats exclude each other")
    chosen = load_repeats(study)[:top] if repeats else top_trials(load_trials(study), top)
    frame = chosen
    if curves:
        every = load_curves(study)
        frame = chosen[["config_id", "seed"]].merge(every, on=["config_id", "seed"])[every.columns]
    if to is not None:
        write_table(frame, to)
    if as_json:
        print_json(records_of(frame))
    elif to is not None:
        OUT.print(f"{len(frame):,} rows written to {to}", highlight=False, markup=False)
    elif curves:
        OUT.print(frame.to_string(index=False), highlight=False, markup=False)
    elif repeats:
        OUT.print(repeats_table(chosen, str(study), OUT.width))
        agreement = seed_agreement(study)
        if not agreement.empty:
            OUT.print(agreement_line(agreement), highlight=False)
    else:
        OUT.print(trials_table(chosen, str(study), OUT.width, sparklines_of(study, chosen)))


def describe(
    data: options.Data = "synthetic",
    mapping: options.MappingFile = None,
    to: Annotated[
        Path | None,
        typer.Option(help="Folder of the tables and figures; runs/description-TABLE by default.", metavar="DIR"),
    ] = None,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """The variables, the genres, Table 2 and the correlations of a table of tracks, here and as files."""
    from data.tables.tracks import load_tracks
    from results.paper.description import describe as describe_tracks
    from results.paper.description import write_description
    from search.cli.texts.report import print_description

    described = describe_tracks(load_tracks(data, mapping=mapping, require_genre=False))
    directory = to or RUNS / f"description-{_stem(data)}"
    with written_first(lambda: write_description(described, directory), "--to", "the description") as paths:
        if not as_json:
            print_description(described)
    if as_json:
        print_json(frames_json(described) | {"written": [str(path) for path in paths]})
        return
    OUT.print(f"{len(paths)} files written to {directory}", markup=False)


@contextmanager
def written_first(write: Callable[[], Sequence[Path]], option: str, what: str) -> Iterator[Sequence[Path]]:
    """Run the body after writing files, even where that fails: the reader of what it prints may end.

    Raises the ``InputError`` of ``write`` in the end, with the option that gives ``what`` is written another place.
    """
    problem: InputError | None = None
    paths: tuple[Path, ...] = ()
    try:
        with naming_option(option, what):
            paths = tuple(write())
    except InputError as error:
        problem = error
    yield paths
    if problem is not None:
        raise problem


def _stem(data: str) -> str:
    """Return a table's name without its folder and suffix, as the name of a folder."""
    return re.sub(r"[^\w-]+", "-", Path(data).stem).strip("-") or "table"


def predict(
    model: Annotated[
        Path, typer.Argument(help="A model directory: best/, ensemble/ or one of stages/.", metavar="MODEL")
    ],
    tracks: Annotated[str, typer.Argument(help="A table of tracks, without genres or with.", metavar="TRACKS")],
    out: Annotated[Path, typer.Option("--out", "-o", help="A .csv, .parquet or .json file to write.", metavar="FILE")],
    mapping: options.MappingFile = None,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Genres for new tracks: the same rows in the same order, with all their columns and one probability per genre."""
    from results.rendering.exports import check_suffix, write_table
    from trainables.inference import predict_table

    check_suffix(out)
    if out.exists() and user_path(tracks).exists() and out.samefile(user_path(tracks)):
        raise InputError(f"-o {out} is the table of tracks itself, which would be lost: give another name")
    if out.resolve().is_relative_to(user_path(model).resolve()):
        raise InputError(
            f"-o {out} lies in the model's own directory, whose files it could replace: give another place"
        )
    predicted = predict_table(model, tracks, mapping)
    write_table(predicted, out)
    if as_json:
        print_json({"rows": len(predicted), "written": [str(out)]})
        return
    OUT.print(f"{len(predicted):,} rows written to {out}", markup=False)


def report(
    studies: Annotated[
        list[Path],
        typer.Argument(help="One study, or several of different seeds, splits or features.", metavar="STUDY..."),
    ],
    to: Annotated[
        Path | None, typer.Option(help="Folder of the report; the first study's by default.", metavar="DIR")
    ] = None,
    accuracy: Annotated[
        list[float] | None,
        typer.Option(help="Time transfer to this accuracy; may be repeated.", metavar="A"),
    ] = None,
    svg: Annotated[bool, typer.Option("--svg", help="Write every figure as SVG, too; needs a Chromium.")] = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """The paper's numbers beside ours, averaged over the studies; also as Markdown, CSV, HTML and figures."""
    from results.page.files import write_report
    from results.paper.report import build_report
    from search.cli.texts.report import print_report, print_written

    built = build_report(studies, accuracy)
    with written_first(lambda: write_report(built, to or studies[0], svg=svg), "--to", "the report") as paths:
        if not as_json:
            print_report(built)
    if as_json:
        print_json(frames_json(built) | {"written": [str(path) for path in paths]})
        return
    print_written(paths)


def doctor(as_json: options.Json = False, debug: options.Debug = False) -> None:
    """What this machine grants, and what will not work, with the fix beside it: before hours are spent."""
    from search.cluster import doctor as machine

    checks = machine.examine()
    if as_json:
        print_json(machine.as_json(checks))
    else:
        for check in checks:
            line = f"{check.state:<6}{check.name:<{_WIDTH}}{check.found}"
            OUT.print(line, markup=False, highlight=False, soft_wrap=True)
            if check.fix is not None:
                OUT.print(f"{'':<{6 + _WIDTH}}-> {check.fix}", markup=False, highlight=False, soft_wrap=True)
    if not machine.can_sweep(checks):
        raise typer.Exit(2)
