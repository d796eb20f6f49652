"""Closing output of a command that trains: the best, the counts, the incumbent, and after a run the scorecard."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from data.errors import command
from results.judging.ensemble import ENSEMBLE
from results.judging.trees import XGBOOST
from results.record.study import Study
from search.cli.console import ERR, OUT, print_json
from search.cli.progress.telling import EventLines, interrupted
from search.scheduling.events import StudyFinished

if TYPE_CHECKING:
    from results.judging.judgement import Judgement
    from search.studies.sweep import SweepResult

_SAID = 3
"""Most networks of which it is said that they were left out of the ensemble."""


def finish(result: SweepResult, as_json: bool, json_events: bool) -> None:
    """Print how a sweep ended; an interrupted one ends the command with code 130."""
    if as_json:
        print_json(_to_json(result))
    if json_events:
        done = result.complete or result.bounded is not None
        ended = StudyFinished(result=_to_json(result)) if done else interrupted(result.directory)
        EventLines(sys.stdout)(ended)
    if not result.complete and result.bounded is None:
        ERR.print(f"interrupted; go on with: {command('resume', result.directory)}", highlight=False, markup=False)
        raise typer.Exit(130)
    if as_json or json_events:
        _write_stages(result.directory)
        return
    _print_best(result)
    _print_counts(result)
    _print_stages(result.directory)


def _to_json(result: SweepResult) -> dict[str, Any]:
    best = result.incumbent
    return {
        "study": str(result.directory),
        "complete": result.complete,
        "bounded": result.bounded,
        "states": {str(state): count for state, count in result.states.items()},
        "epochs": result.epochs,
        "seconds": result.seconds,
        "incumbent": best
        and {
            "config_id": best.key.config_id,
            "seed": best.key.seed,
            "epoch": best.epoch,
            "val_accuracy": best.val_accuracy,
            "directory": str(best.directory),
            "mean": best.mean,
            "spread": None if math.isnan(best.spread) else best.spread,
        },
        "ensemble": result.ensemble and result.ensemble.to_json(),
    }


def _print_best(result: SweepResult) -> None:
    from results.dataframes.frames import load_trials
    from results.dataframes.repeats import load_repeats
    from search.cli.texts.status import top_trials
    from search.cli.texts.tables import repeats_table, trials_table

    if result.incumbent is not None and not math.isnan(result.incumbent.spread):
        best = load_repeats(result.directory).head(5)
        OUT.print(repeats_table(best, f"the best {len(best)}, by the mean of their seeds", OUT.width))
    else:
        best = top_trials(load_trials(result.directory), 5)
        OUT.print(trials_table(best, f"the best {len(best)}", OUT.width))


def _print_counts(result: SweepResult) -> None:
    from search.cli.texts.status import incumbent_score

    states = ", ".join(f"{count} {state}" for state, count in result.states.items() if count)
    trained = f"{result.epochs:,} epochs by this command" if result.epochs else "nothing was left to train"
    said = f"{states}; {trained}, in {result.seconds:.0f} s"
    if result.incumbent is not None:
        score = incumbent_score(result.incumbent)
        said += f"\nthe incumbent {result.incumbent.key.config_id} ({score}) is in {result.incumbent.directory}"
    if result.ensemble is not None:
        said += f"\n{ensemble_text(result.directory)}"
    if result.bounded is not None:
        said += f"\nended since {result.bounded}; go on with: {command('resume', result.directory)}"
    OUT.print(said, highlight=False, markup=False)


def ensemble_text(study: Path) -> str:
    """Return sentences about the ensemble of a study, beside its incumbent; empty where it has none."""
    with Study.open(study) as opened:
        ensemble, judgements = opened.ensemble, {(one.model, one.side): one for one in opened.judgements}
    if ensemble is None:
        return ""
    members = len(ensemble.members)
    said = f"the ensemble of {members} network{'s' if members > 1 else ''}, chosen among {ensemble.candidates}, is in "
    said += str(Path(study) / ENSEMBLE)
    said += _sides(ENSEMBLE, judgements)
    return said + "".join(f"\n  left out: {sentence}" for sentence in ensemble.left_out[:_SAID])


def trees_text(study: Path) -> str:
    """Return sentences about the trees tuned beside a study, which has some, and its incumbent."""
    with Study.open(study) as opened:
        trees, judgements = opened.trees, {(one.model, one.side): one for one in opened.judgements}
    assert trees is not None
    points = f"{trees.points:,} random point{'s' if trees.points > 1 else ''}"
    said = f"XGBoost, the most accurate of {points} in {trees.core_seconds:.0f} core-seconds"
    return said + _sides(XGBOOST, judgements)


def _sides(model: str, judgements: Mapping[tuple[str, str], Judgement]) -> str:
    """Return a line for each side of the rows on which a model was judged."""
    said = ""
    for side, name in (("validation", "validation"), ("holdout", "held-out")):
        own, best = judgements.get((model, side)), judgements.get(("best", side))
        if own is not None:
            said += f"\n  {own.rows:,} {name} rows: {_judged(own, best)}"
    return said


def _judged(own: Judgement, best: Judgement | None) -> str:
    """Return a judgement in words, that of the incumbent beside it."""
    parts = {"accuracy": "the incumbent's ", "log_loss": "", "calibration_error": ""}
    return ", ".join(
        f"{part.replace('_', ' ')} {getattr(own, part):.4f}"
        + (f" ({said}{getattr(best, part):.4f})" if best is not None else "")
        for part, said in parts.items()
    )


def _write_stages(study: Path) -> None:
    """Write, after a whole run, the report, and print nothing."""
    from results.page.files import write_report
    from results.paper.report import build_report
    from results.record.stage_records import load_stages

    if not load_stages(study).empty:
        write_report(build_report([study]), study)


def _print_stages(study: Path) -> None:
    """Print, after a whole run, each stage's costs and the scorecard, and write that beside the study's figures."""
    from results.page.files import write_report
    from results.paper.report import build_report
    from results.record.stage_records import load_stages
    from search.cli.texts.report import print_report, print_written
    from search.cli.texts.tables import stages_table

    stages = load_stages(study)
    if not stages.empty:
        OUT.print(stages_table(stages))
        report = build_report([study])
        paths = write_report(report, study)  # first: the reader of the printed text may end early
        print_report(report)
        print_written(paths)
