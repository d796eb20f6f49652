"""Studies and trials as text for the terminal."""

from __future__ import annotations

import math
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from data.errors import InputError, command
from results.dataframes.frames import load_trials, ranked
from results.record.records import TrialKey
from results.record.study import Study
from results.rendering.sparklines import marks_for, sparklines
from search.scheduling.study_view import stage_to_come
from search.scheduling.untrainable import WAY_OUT, why_untrainable

if TYPE_CHECKING:
    from search.studies.promotion import Incumbent


def top_trials(trials: pd.DataFrame, count: int | None) -> pd.DataFrame:
    """Return the best trials, or all, best first."""
    return ranked(trials) if count is None else ranked(trials).head(count)


def sparklines_of(study: Path, trials: pd.DataFrame) -> list[str]:
    """Return the learning curve of each trial as a few letters that standard output can write, on one scale."""
    with Study.open(study) as opened:
        accuracies = opened.accuracies()
    keys = [TrialKey(*key) for key in zip(trials["config_id"], trials["seed"], strict=True)]
    return sparklines([accuracies.get(key, {}) for key in keys], marks_for(getattr(sys.stdout, "encoding", None)))


def agreement_line(agreement: pd.DataFrame) -> str:
    """Return one line on how alike the seeds rank."""
    spearman, kendall = agreement["spearman"].mean(), agreement["kendall"].mean()
    return (
        f"two seeds rank the configurations alike by {spearman:.2f} (Spearman) and {kendall:.2f} (Kendall), on average"
    )


def incumbent_score(incumbent: Incumbent) -> str:
    """Return the incumbent's score as text; for several seeds, their mean and spread, too."""
    own = f"{incumbent.val_accuracy:.4f} at epoch {incumbent.epoch}"
    if math.isnan(incumbent.spread):
        return own
    mean = f"mean of its seeds {incumbent.mean:.4f}, spread {incumbent.spread:.4f}"
    return f"{mean}; the best of them, seed {incumbent.key.seed}: {own}"


def study_summary(directory: Path) -> dict[str, Any]:
    """Return the summary of a study for ``genresweep status``, as plain values."""
    with Study.open(directory) as study:
        trials, settings = study.trials(), study.settings
        frame, answered, ran_out = load_trials(study), len(study.answered), study.ran_out
        bounded = study.bounded
        incumbent, driver, stage = study.incumbent, study.driver, stage_to_come(settings, study.stages_done())
        source = study.moved.get("data") or study.manifest.data.source
        waiting = settings.suggested is not None and len(trials) + answered < settings.suggested
        waiting = waiting and not ran_out
    best = top_trials(frame, 1).dropna(subset=["val_accuracy"])
    states = Counter(str(trial.state) for trial in trials)
    ended = sum(trial.state.is_final for trial in trials)
    return {
        "study": str(directory),
        "data": source,
        "scheduler": settings.scheduler,
        "search": settings.search,
        "sampler": (settings.sampler or "tpe") if settings.search == "optuna" else None,
        "asked_for": settings.suggested or len(trials),
        "answered": answered,
        "ran_out": ran_out,
        "configurations": len(trials),
        "ended": ended,
        "states": dict(states),
        "epochs": sum(trial.epoch for trial in trials),
        "best_accuracy": None if best.empty else float(best["val_accuracy"].iloc[0]),
        "best_configuration": None if best.empty else str(best["config_id"].iloc[0]),
        "incumbent": incumbent,
        "driver": driver or None,
        "stage": stage,
        "bounded": bounded,
        "complete": ended == len(trials) and incumbent is not None and stage is None and bounded is None,
        "untrainable": why_untrainable(trials) if best.empty and not waiting else None,
    }


def summary_lines(summary: dict[str, Any]) -> list[str]:
    """Return a study's summary as a few lines."""
    states = ", ".join(f"{count} {state}" for state, count in sorted(summary["states"].items()))
    lines = [
        f"{summary['study']}: {summary['ended']} of {summary['configurations']} configurations ended ({states})",
        f"  {summary['data']}, scheduler {summary['scheduler']}, {summary['epochs']:,} epochs trained",
    ]
    way_on = command("resume", summary["study"])
    if summary["sampler"]:
        answered = f", {summary['answered']} answered from the record" if summary["answered"] else ""
        of = f"{summary['configurations']} of {summary['asked_for']}"
        ran_out = "; the space has no other points" if summary["ran_out"] else ""
        lines.append(f"  Optuna ({summary['sampler']}) has suggested {of}{answered}{ran_out}")
    if summary["best_accuracy"] is not None:
        lines.append(f"  best so far {summary['best_accuracy']:.4f} ({summary['best_configuration']})")
    if summary["complete"]:
        lines.append(f"  complete; the incumbent {summary['incumbent']} is in {summary['study']}/best")
    elif summary["untrainable"]:
        lines.append(f"  ended: {summary['untrainable']}. {WAY_OUT}")
    elif summary["driver"]:
        lines.append(f"  being written by {summary['driver']}{_at(summary)}; if that ended: {way_on}")
    elif summary["bounded"]:
        lines.append(f"  ended since {summary['bounded']}; go on with: {way_on}")
    else:
        lines.append(f"  interrupted{_at(summary)}; go on with: {way_on}")
    return lines


def _at(summary: dict[str, Any]) -> str:
    """Return the stage that a whole run is at, once its sweep has ended; empty before, and for a sweep alone."""
    ended = summary["ended"] == summary["configurations"]
    return f" in its stage {summary['stage']}" if summary["stage"] is not None and ended else ""


def studies_in(folder: Path) -> list[Path]:
    """Return the studies of a folder, by name; ``InputError`` where there are none."""
    found = sorted(path.parent for path in folder.glob("[!.]*/manifest.json"))
    if not found:
        raise InputError(f"no studies in {folder}/: start one with `genresweep sweep --data FILE`, or name a directory")
    return found
