"""Progress in words."""

from __future__ import annotations

import json

from results.record.records import State
from search.scheduling.progress import Best, Progress

_LOST = (State.DIVERGED, State.FAILED)
"""States to name on their own: something went wrong there."""


def work_text(progress: Progress) -> str:
    """Return the epochs that are done and of the plan, and the configurations that have ended."""
    return ", ".join(
        [
            f"{progress.done:,} of {progress.total:,} epochs",
            f"{progress.ended_count}/{progress.configurations} ended",
            *(f"{progress.ended[state]} {state}" for state in _LOST if state in progress.ended),
        ]
    )


def saved_text(progress: Progress) -> str:
    """Return the epochs trained and those that stops have saved; empty where there are none of these."""
    return f"{progress.trained:,} trained, {progress.saved:,} saved by stops" if progress.saved else ""


def rungs_text(progress: Progress) -> str:
    """Return the survivors of each rung, such as ``rung 4: 12 of 48``; empty where no rung has judged any."""
    return ", ".join(f"rung {rung.epoch}: {rung.promoted} of {rung.judged}" for rung in progress.rungs)


def last_rung_text(progress: Progress) -> str:
    """Return the survivors of the highest rung; empty where no rung has judged any."""
    return rungs_text(progress).rpartition(", ")[2]


def best_text(best: Best) -> str:
    """Return the best accuracy so far, and where it was."""
    return f"best {best.val_accuracy:.4f} at epoch {best.epoch}"


def configuration_text(best: Best) -> str:
    """Return the id and the hyperparameters of the best, those at their defaults left out."""
    values = json.loads(best.configuration.to_json())
    shown = ("x".join(map(str, value)) if isinstance(value, list) else value for value in values.values())
    return f"{best.key.config_id}: " + " ".join(f"{name}={value}" for name, value in zip(values, shown, strict=True))


def left_text(progress: Progress) -> str:
    """Return the time left, such as ``about 3 min left``; empty where it is not known, or nothing is left."""
    seconds = progress.seconds_left
    return f"about {duration(seconds)} left" if seconds else ""


def duration(seconds: float) -> str:
    """Return a time in two units at most.

    >>> duration(42.4), duration(150.0), duration(7500.0)
    ('42 s', '3 min', '2 h 5 min')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def stage_progress_text(done: int, total: int, what: str) -> str:
    """Return how far a stage is, such as ``3,200 of 18,411 titles``."""
    return f"{done:,} of {total:,} {what}"


def at_once(slots: int) -> str:
    """Return the number of segments that train at a time."""
    return f"training, {slots} at once" if slots else "waiting for a node that can hold a segment"


def one_line(progress: Progress) -> str:
    """Return all that a line of a log says of a study's progress."""
    best = best_text(progress.best) if progress.best is not None else ""
    return ", ".join(filter(None, [work_text(progress), last_rung_text(progress), best, left_text(progress)]))
