"""Budget correlation: how well the accuracy at each epoch tells the accuracy at the last one."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd

from results.analysis.rows import AnyStudy, TooFewError, read_rows

FEWEST = 3
"""Fewest configurations whose order can agree or not."""
TOP = 0.1
"""Share of the configurations that count as the best."""


@dataclass(frozen=True, kw_only=True, eq=False)
class BudgetCorrelation:
    """Result of `budget_correlation`.

    ``epochs``: one row per epoch up to ``last``: ``epoch``, ``reached`` (configurations with an accuracy there) and
    ``configurations`` (those of them that also have one at the last epoch) (int64); ``spearman`` and ``kendall``
    (float64, rank correlation of their accuracies with those at the last epoch, NaN where all are equal); ``kept``
    (float64, share of the final best tenth that is in the better half at this epoch); ``biased`` (bool: some that
    reached this epoch did not reach the last; where rungs stopped them, those left are the survivors, alike, and the
    correlation is lower than it would be over all).
    """

    epochs: pd.DataFrame
    last: int
    top: int
    """Number of configurations in the best tenth."""
    stopped: int
    """Configurations that a rung stopped."""


def budget_correlation(study: AnyStudy) -> BudgetCorrelation:
    """Return the rank correlation of the validation accuracy between every epoch and the last.

    The last epoch is the latest that three configurations have reached. A configuration with repeats counts once, by
    their mean. Raises ``TooFewError``, an ``InputError``, where fewer than three have a score.
    """
    rows = read_rows(study)
    accuracy = rows.means(rows.accuracy)
    reached = (~np.isnan(accuracy)).sum(axis=0) if len(accuracy) else np.zeros(0)
    enough = np.flatnonzero(reached >= FEWEST)
    if not len(enough):
        raise TooFewError(rows.study, f"fewer than {FEWEST} configurations have a score, so no order can be compared")
    last = int(enough[-1])
    final = accuracy[:, last]
    found = [_epoch(epoch + 1, accuracy[:, epoch], final) for epoch in range(last + 1)]
    return BudgetCorrelation(
        epochs=pd.DataFrame(found),
        last=last + 1,
        top=math.ceil(TOP * int(reached[last])),
        stopped=rows.stopped,
    )


def _epoch(epoch: int, accuracy: np.ndarray, final: np.ndarray) -> dict[str, object]:
    from scipy.stats import kendalltau, spearmanr

    both = ~np.isnan(accuracy) & ~np.isnan(final)
    here, there = accuracy[both], final[both]
    reached = int((~np.isnan(accuracy)).sum())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of equal accuracies: the correlation is NaN
        spearman = spearmanr(here, there).statistic if both.sum() > 1 else math.nan
        kendall = kendalltau(here, there).statistic if both.sum() > 1 else math.nan
    return {
        "epoch": epoch,
        "reached": reached,
        "configurations": int(both.sum()),
        "spearman": float(spearman),
        "kendall": float(kendall),
        "kept": _kept(here, there),
        "biased": reached > int(both.sum()),
    }


def _kept(here: np.ndarray, there: np.ndarray) -> float:
    """Return the share of the best tenth ``there`` that is in the better half ``here``; of ties the earlier is better.

    >>> _kept(np.array([0.3, 0.2, 0.1, 0.0]), np.array([0.1, 0.2, 0.9, 0.3]))
    0.0
    """
    if not len(here):
        return math.nan
    best = np.argsort(-there, kind="stable")[: math.ceil(TOP * len(there))]
    half = np.argsort(-here, kind="stable")[: math.ceil(len(here) / 2)]
    return float(np.isin(best, half).mean())
