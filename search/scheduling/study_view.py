"""A study as a reader finds it: its condition, its progress and the stage it is at, from the record alone."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from results.record.places import driver_lives
from results.record.records import StageProgress
from results.record.settings import StudySettings
from results.record.study import Study
from search.scheduling.progress import Progress, ProgressCounter
from search.scheduling.untrainable import why_untrainable

STAGE_NAMES = ("description", "embeddings", "baselines", "simple", "sweep", "fusion", "transfer")
"""Stages of a whole run, in the order in which they run."""


class Condition(StrEnum):
    """The condition of a study."""

    RUNNING = "running"
    """Its driver runs, or runs on another machine, from which nobody here can tell."""
    FINISHED = "finished"
    """All is done, and the incumbent promoted."""
    INTERRUPTED = "interrupted"
    """Its driver is gone, and work is left."""
    BOUNDED = "bounded"
    """A bound of its last command ended that, and work is left."""
    UNTRAINABLE = "untrainable"
    """Every configuration has ended without a score."""


@dataclass(frozen=True, kw_only=True)
class StudyView:
    """A study as it is at one moment."""

    directory: Path
    condition: Condition
    driver: str
    """The process that writes it, as the record names it; empty where there is none."""
    silent: float
    """Seconds since the record last changed."""
    progress: Progress
    bounded: str | None = None
    """The bound that ended its last command, as a sentence."""
    stages_done: tuple[str, ...] = ()
    """Committed stages of a whole run; empty for a sweep alone."""
    stage: str | None = None
    """The stage that is next or runs; ``None`` for a sweep alone, and where all are done."""
    stage_progress: StageProgress | None = None
    """How far that stage is, some seconds old; ``None`` where it has told nothing."""

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return {
            "study": str(self.directory),
            "condition": str(self.condition),
            "driver": self.driver or None,
            "bounded": self.bounded,
            "silent_seconds": round(self.silent, 1),
            "stage": self.stage,
            "stages_done": list(self.stages_done),
            "stage_progress": self.stage_progress and asdict(self.stage_progress),
            **self.progress.to_json(),
        }


def view_study(directory: Path) -> StudyView:
    """Return a study as it is now, read in one moment; a driver that writes it is not kept waiting.

    Raises ``InputError`` where there is no study, or its record makes no sense.
    """
    silent = _seconds_since_change(directory)
    with Study.open(directory) as study:
        with study.snapshot():
            driver, incumbent, done, bounded = study.driver, study.incumbent, study.stages_done(), study.bounded
            trials, progress, within = study.trials(), ProgressCounter(study).progress, study.stage_progress
        next_stage = stage_to_come(study.settings, done)
    lives = driver_lives(directory, driver)
    ended = incumbent is not None and progress.done == progress.total and next_stage is None
    complete = ended and bounded is None
    if lives is not False and not (complete and lives is None):
        condition = Condition.RUNNING
    elif complete:
        condition = Condition.FINISHED
    elif bounded is not None:
        condition = Condition.BOUNDED
    elif progress.best is None and progress.done == progress.total and why_untrainable(trials):
        condition = Condition.UNTRAINABLE
    else:
        condition = Condition.INTERRUPTED
    return StudyView(
        directory=directory,
        condition=condition,
        driver=driver,
        silent=silent,
        progress=progress,
        bounded=bounded if condition is Condition.BOUNDED else None,
        stages_done=tuple(name for name in STAGE_NAMES if name in done),
        stage=next_stage,
        stage_progress=within if condition is Condition.RUNNING else None,
    )


def stage_to_come(settings: StudySettings, done: Collection[str]) -> str | None:
    """Return the first stage of a whole run that is not ``done``; ``None`` for a sweep, and where all are."""
    names = STAGE_NAMES if settings.stages is not None else ()
    return next((name for name in names if name not in done), None)


def _seconds_since_change(directory: Path) -> float:
    """Return the seconds since the record was last written; 0 where its files come and go just now."""
    changed = []
    for name in ("study.db", "study.db-wal"):
        try:
            changed.append((directory / name).stat().st_mtime)
        except OSError:
            continue
    return max(0.0, time.time() - max(changed, default=time.time()))
