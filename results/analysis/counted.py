"""Configurations that can be compared after equal training, and their scores."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from results.analysis.rows import StudyRows, TooFewError, best_scores
from results.record.records import State, TrialRecord
from spaces import Point

FEWEST = 4
"""Fewest configurations that a forest can work with."""
_ENDED = (State.FINISHED, State.EARLY_STOPPED, State.DIVERGED)


@dataclass(frozen=True, kw_only=True, eq=False)
class Counted:
    """Configurations after equal training: their ids, values by parameter, and scores.

    A score is the validation accuracy at the best epoch among the first ``epochs`` (``None``: among all), averaged over
    the repeats.
    """

    ids: tuple[str, ...]
    values: list[Point]
    scores: np.ndarray
    epochs: int | None


@lru_cache(maxsize=4)
def counted(rows: StudyRows, epochs: int | None = None) -> Counted:
    """Return the configurations to compare, after equal training.

    Where no rung stopped any, all their epochs count; otherwise only the first ``epochs`` do: by default as many as the
    first stopped configuration has trained. One that ended earlier by itself (patience, divergence) counts with the
    epochs it has; one with repeats, if each repeat counts.

    Raises ``TooFewError``, an ``InputError``, where fewer than four can be counted.
    """
    stopped = [trial.epoch for trial in rows.trials if trial.state is State.STOPPED]
    if epochs is None and stopped:
        epochs = min(stopped)
    long_enough = np.array([_trained_so_long(trial, epochs) for trial in rows.trials], dtype=bool)
    scores = best_scores(rows.accuracy[:, :epochs])
    if np.isnan(scores).all():
        raise TooFewError(rows.study, "0 configurations can be counted, since none has a score")
    means = rows.means(np.where(long_enough, scores, np.nan))
    kept = np.flatnonzero(~np.isnan(means))
    if len(kept) < FEWEST:
        raise TooFewError(
            rows.study,
            f"{len(kept)} configurations can be counted, and {FEWEST} are the fewest to compare; "
            "train more, or count those that trained less with --epochs",
        )
    ids = tuple(rows.repeats)
    return Counted(
        ids=tuple(ids[place] for place in kept),
        values=[rows.values[place] for place in kept],
        scores=means[kept],
        epochs=epochs,
    )


def _trained_so_long(trial: TrialRecord, epochs: int | None) -> bool:
    return trial.state in _ENDED or (epochs is not None and trial.epoch >= epochs)
