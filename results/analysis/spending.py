"""How a study spent its time: segments on workers, best accuracy so far, and what it all cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from results.analysis.rows import AnyStudy, StudyRows, TooFewError, read_rows
from results.record.records import State

AWAY = 60.0
"""Seconds without any segment after which training counts as paused: the time until a study resumes is cut out."""


@dataclass(frozen=True)
class Clock:
    """Seconds of training since the first segment began; they stand still while nothing trains."""

    began: float
    """Seconds since 1970."""
    pauses: tuple[tuple[float, float], ...]
    """Begin and end of each pause, in seconds since 1970, in their order."""

    @classmethod
    def of(cls, spans: Iterable[tuple[float, float]]) -> Clock:
        """Return the clock of these begins and ends, in seconds since 1970."""
        ordered = sorted(spans)
        pauses, until = [], float("inf")
        for began, ended in ordered:
            if began - until > AWAY:
                pauses.append((until, began))
            until = ended if until == float("inf") else max(until, ended)
        return cls(ordered[0][0] if ordered else 0.0, tuple(pauses))

    def at(self, moment: float) -> float:
        """Return the seconds of training at a moment outside the pauses, given in seconds since 1970."""
        return moment - self.began - sum(end - begin for begin, end in self.pauses if end <= moment)


def _clock(rows: StudyRows) -> Clock:
    return Clock.of((segment.started, segment.ended) for segment in rows.segments)


@dataclass(frozen=True, kw_only=True, eq=False)
class Timeline:
    """Result of `timeline`, as dataframes with the index 0, 1, ...

    ``segments``: one row per segment, in the order in which they began: ``segment_id``, ``worker`` (str, host and
    process), ``began`` and ``ended`` (float64, seconds of training since the first began), ``first_epoch``,
    ``last_epoch``, ``members`` (int64, configurations in it), ``failed`` (bool), ``error`` (str, its last line, or
    missing).
    ``pauses``: ``at`` (seconds of training) and ``seconds`` (float64): the time over 60 s in which nothing trained,
    between an interruption and the resume, which is cut out of the seconds above.
    """

    segments: pd.DataFrame
    pauses: pd.DataFrame


def timeline(study: AnyStudy) -> Timeline:
    """Return when and where each segment trained; ``TooFewError``, an ``InputError``, where none has ended yet."""
    rows = read_rows(study)
    if not rows.segments:
        raise TooFewError(rows.study, "no segment has ended yet")
    clock = _clock(rows)
    ordered = sorted(rows.segments, key=lambda segment: (segment.started, segment.segment_id))
    segments = pd.DataFrame(
        {
            "segment_id": [segment.segment_id for segment in ordered],
            "worker": [segment.host for segment in ordered],
            "began": [clock.at(segment.started) for segment in ordered],
            "ended": [clock.at(segment.ended) for segment in ordered],
            "first_epoch": [segment.first_epoch for segment in ordered],
            "last_epoch": [segment.last_epoch for segment in ordered],
            "members": [len(segment.keys) for segment in ordered],
            "failed": [segment.error is not None for segment in ordered],
            "error": pd.array([_last_line(segment.error) for segment in ordered], dtype="str"),
        }
    )
    pauses = [(clock.at(begin), end - begin) for begin, end in clock.pauses]
    return Timeline(segments=segments, pauses=pd.DataFrame(pauses, columns=["at", "seconds"], dtype="float64"))


def _last_line(error: str | None) -> str | None:
    return None if error is None else (error.strip().splitlines() or [""])[-1]


def best_so_far(study: AnyStudy) -> pd.DataFrame:
    """Return the best accuracy so far after each segment that was trained, in the order in which they ended.

    Columns: ``epochs`` (int64, trained by all configurations so far), ``seconds`` (float64, of training, pauses cut
    out), ``best`` (float64, validation accuracy; of the mean over its repeats, each at its best epoch so far, where
    configurations have repeats; NaN until one has a score of every repeat) and ``config_id`` (str, or missing, the
    configuration that has it). Raises ``TooFewError``, an ``InputError``, where there is no score.
    """
    rows = read_rows(study)
    if np.isnan(rows.accuracy).all():
        raise TooFewError(rows.study, "no configuration has a score yet")
    clock = _clock(rows)
    reached = np.full(len(rows.trials), np.nan)
    repeats, epochs, best, leader = rows.repeats, 0, float("nan"), None
    found = []
    for segment in (segment for segment in rows.segments if segment.error is None):
        for key in segment.keys:
            place = rows.places[key]
            last = min(segment.last_epoch, rows.trials[place].epoch)
            scores = rows.accuracy[place, segment.first_epoch - 1 : last]
            epochs += len(scores)
            reached[place] = np.fmax(reached[place], np.fmax.reduce(scores, initial=np.nan))
            mean = float(reached[repeats[key.config_id]].mean())
            if mean > best or (mean == mean and best != best):
                best, leader = mean, key.config_id
        found.append((epochs, clock.at(segment.ended), best, leader))
    frame = pd.DataFrame(found, columns=["epochs", "seconds", "best", "config_id"])
    return frame.astype({"epochs": "int64", "seconds": "float64", "best": "float64", "config_id": "str"})


@dataclass(frozen=True, kw_only=True)
class StudyCosts:
    """Result of `study_costs`; with repeats, each counts as a configuration."""

    seconds: float
    """Wall time of training, pauses between an interruption and the resume cut out."""
    worker_seconds: float
    """Seconds of all segments, failed ones included, added up."""
    failed_seconds: float
    """Those of segments that failed."""
    epochs: int
    """Epochs trained, each configuration's counted."""
    saved_epochs: int
    """Epochs that the configurations stopped at a rung would have trained further."""
    segments: int
    failed_segments: int
    workers: int
    """Processes that trained, by host and process."""
    states: tuple[tuple[State, int], ...]
    """Number of configurations in each state that occurs, in the order of ``State``."""


def study_costs(study: AnyStudy) -> StudyCosts:
    """Return what a study has cost so far; all zero before its first segment."""
    rows = read_rows(study)
    clock = _clock(rows)
    failed = [segment for segment in rows.segments if segment.error is not None]
    states = Counter(trial.state for trial in rows.trials)
    stopped = [trial for trial in rows.trials if trial.state is State.STOPPED]
    return StudyCosts(
        seconds=max((clock.at(segment.ended) for segment in rows.segments), default=0.0),
        worker_seconds=sum(segment.seconds for segment in rows.segments),
        failed_seconds=sum(segment.seconds for segment in failed),
        epochs=sum(trial.epoch for trial in rows.trials),
        saved_epochs=sum(trial.budget - trial.epoch for trial in stopped),
        segments=len(rows.segments),
        failed_segments=len(failed),
        workers=len({segment.host for segment in rows.segments}),
        states=tuple((state, states[state]) for state in State if states[state]),
    )
