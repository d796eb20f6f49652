"""Configurations trained with several seeds: mean, spread, and the agreement of rankings between seeds."""

from __future__ import annotations

import itertools
from pathlib import Path

import pandas as pd

from results.dataframes.frames import load_trials, ranked
from results.record.study import Study
from spaces.configuration import HYPERPARAMETERS

_DESCRIBED = (*(name for name in HYPERPARAMETERS if name != "epochs"), "weights")


def load_repeats(study: str | Path | Study) -> pd.DataFrame:
    """Return one row per configuration, the best mean first; the first row is the one that is promoted.

    Columns: ``config_id`` (str), the hyperparameters and ``weights`` as in ``load_trials``, ``repeats`` and ``scored``
    (Int64, numbers of its seeds and of those with a score); of the validation accuracy at the best epoch ``mean``,
    ``spread`` (standard deviation, NaN for one seed), ``lowest`` and ``highest``; ``mean_rank`` and ``rank_spread`` of
    its ranks among the configurations, seed by seed (1 is best, ties share their mean). All float64. Configurations
    with a repeat that has no score come last. A repeat that a rung stopped counts with the accuracy it had reached.
    """
    trials = load_trials(study)
    trials["rank"] = trials.groupby("seed")["val_accuracy"].rank(ascending=False)
    by_configuration = trials.groupby("config_id", sort=False)
    described = by_configuration[list(_DESCRIBED)].first()
    accuracy, rank = by_configuration["val_accuracy"], by_configuration["rank"]
    frame = described.assign(
        repeats=by_configuration.size().astype("Int64"),
        scored=accuracy.count().astype("Int64"),
        mean=accuracy.mean(),
        spread=accuracy.std(),
        lowest=accuracy.min(),
        highest=accuracy.max(),
        mean_rank=rank.mean(),
        rank_spread=rank.std(),
    )
    order = ranked(trials)["config_id"].drop_duplicates()
    return frame.loc[order].reset_index()


def seed_agreement(study: str | Path | Study) -> pd.DataFrame:
    """Return how similarly two seeds rank the configurations, one row per pair of seeds.

    Columns: ``seed``, ``other`` and ``configurations`` (Int64, those with a score for both), ``spearman`` and
    ``kendall`` (float64, rank correlations of the validation accuracy; 1: the same order; NaN below two
    configurations). Where rungs stop configurations early, much of the agreement is about which were stopped.
    """
    trials = load_trials(study)
    wide = trials.pivot(index="config_id", columns="seed", values="val_accuracy")
    rows = []
    for seed, other in itertools.combinations(wide.columns, 2):
        both = wide[[seed, other]].dropna()
        correlations = {
            name: both[seed].corr(both[other], method=name, min_periods=2) for name in ("spearman", "kendall")
        }
        rows.append({"seed": seed, "other": other, "configurations": len(both), **correlations})
    frame = pd.DataFrame(rows, columns=["seed", "other", "configurations", "spearman", "kendall"])
    whole = dict.fromkeys(("seed", "other", "configurations"), "Int64")
    return frame.astype(whole | {"spearman": "float64", "kendall": "float64"})
