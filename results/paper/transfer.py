"""Transfer against scratch (paper 4.5): epochs until each reaches an accuracy, and its final accuracy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from data.errors import InputError
from results.paper.study_group import Recorded, by_split, read_studies

SHARES = (0.9, 0.95, 0.99)
"""Default accuracies to reach, as shares of the mean best accuracy from scratch, to three decimals."""
ENOUGH_RUNS = 5
"""Pairs of runs below which a comparison is only a hint."""
_RUN = ["split", "study", "seed"]


def load_transfer(studies: Sequence[str | Path], accuracies: Sequence[float] | None = None) -> pd.DataFrame:
    """Return the epochs to an accuracy, one row per split, accuracy and variant, over all seeds of all studies.

    Columns: ``split``, ``accuracy``, ``variant`` (of the transfer stage), ``median``, ``low`` and ``high`` (quartiles)
    of the epochs until the validation accuracy was first reached, ``reached`` and ``runs``. A run that never reaches
    it counts as infinity, so that failing runs do not help a variant; quartiles are values of runs, never between two.
    ``accuracies`` default to `SHARES` of the accuracy that networks from scratch reach on that split.

    Raises ``InputError`` where the studies cannot be compared (see `read_studies`), or an accuracy is not in (0, 1].
    """
    return epochs_to_reach(transfer_runs(read_studies(studies)), accuracies)


def load_transfer_pairs(studies: Sequence[str | Path], accuracies: Sequence[float] | None = None) -> pd.DataFrame:
    """Return the epochs to an accuracy as pairs, one row per split, study, seed and accuracy.

    A pair is two networks that share everything but their initial weights. Columns: those four, ``transfer`` and
    ``scratch`` (epochs until it was reached, infinity for never), ``saved`` (scratch minus transfer; NaN where neither
    reached it).
    """
    return paired(transfer_runs(read_studies(studies)), accuracies)


def transfer_runs(studies: Sequence[Recorded]) -> pd.DataFrame:
    """Return one row per split, study, seed and variant: ``best``, ``last`` accuracy, and ``curve`` from epoch 1."""
    columns = [*_RUN, "variant", "best", "last", "curve"]
    found = []
    for split, own in by_split(studies).items():
        for study in own:
            curves = study.curves[study.curves["stage"] == "transfer"]
            runs = curves.groupby(["seed", "variant"], sort=False)["val_accuracy"]
            frame = runs.agg(best="max", last="last", curve=tuple).reset_index()
            found.append(frame.assign(split=split, study=str(study.directory))[columns])
    return pd.concat(found, ignore_index=True)


def final_scores(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the mean and spread of the ``best`` and the ``last`` accuracy, and ``runs``, per split and variant.

    ``ahead`` is the mean over pairs of the best accuracy minus that of scratch, ``ahead spread`` its deviation.
    """
    rows = []
    for (split, variant), own in runs.groupby(["split", "variant"], sort=False):
        scratch = runs[(runs["split"] == split) & (runs["variant"] == "scratch")]
        ahead = own.set_index(_RUN)["best"] - scratch.set_index(_RUN)["best"]
        rows.append(
            {
                "split": split,
                "variant": variant,
                "best": own["best"].mean(),
                "best spread": own["best"].std(),
                "last": own["last"].mean(),
                "last spread": own["last"].std(),
                "ahead": float("nan") if variant == "scratch" else ahead.mean(),
                "ahead spread": float("nan") if variant == "scratch" else ahead.std(),
                "runs": len(own),
            }
        )
    return pd.DataFrame(rows)


def epochs_to_reach(runs: pd.DataFrame, accuracies: Sequence[float] | None = None) -> pd.DataFrame:
    """Return the frame of `load_transfer` for runs that are already read."""
    rows = []
    for split, own in runs.groupby("split", sort=False):
        for accuracy in _accuracies(own, accuracies):
            for variant, same in own.groupby("variant", sort=False):
                epochs = [first_epoch(curve, accuracy) for curve in same["curve"]]
                low, median, high = (quantile(epochs, share) for share in (0.25, 0.5, 0.75))
                reached = sum(math.isfinite(epoch) for epoch in epochs)
                rows.append((split, accuracy, variant, median, low, high, reached, len(epochs)))
    columns = ["split", "accuracy", "variant", "median", "low", "high", "reached", "runs"]
    return pd.DataFrame(rows, columns=columns)


def paired(runs: pd.DataFrame, accuracies: Sequence[float] | None = None) -> pd.DataFrame:
    """Return the frame of `load_transfer_pairs` for runs that are already read."""
    rows = []
    for split, own in runs.groupby("split", sort=False):
        for accuracy in _accuracies(own, accuracies):
            for (study, seed), pair in own.groupby(["study", "seed"], sort=False):
                curves = dict(zip(pair["variant"], pair["curve"], strict=True))
                if {"transfer", "scratch"} <= set(curves):
                    transfer, scratch = (first_epoch(curves[name], accuracy) for name in ("transfer", "scratch"))
                    rows.append((split, study, seed, accuracy, transfer, scratch, scratch - transfer))
    columns = ["split", "study", "seed", "accuracy", "transfer", "scratch", "saved"]
    return pd.DataFrame(rows, columns=columns)


def epochs_saved(pairs: pd.DataFrame) -> pd.DataFrame:
    """Summarise the pairs as the epochs saved per split and accuracy.

    Columns: ``split``, ``accuracy``, ``median``, ``low`` and ``high`` of the epochs saved, and the numbers of pairs:
    ``sooner``, ``alike``, ``later`` (transfer against scratch), and ``neither`` where none reached it. The quartiles
    leave the last out.
    """
    rows = []
    for (split, accuracy), own in pairs.groupby(["split", "accuracy"], sort=False):
        saved = list(own["saved"].dropna())
        quartiles = {name: quantile(saved, share) for name, share in (("median", 0.5), ("low", 0.25), ("high", 0.75))}
        counts = {"sooner": sum(s > 0 for s in saved), "alike": saved.count(0), "later": sum(s < 0 for s in saved)}
        rows.append({"split": split, "accuracy": accuracy, **quartiles, **counts, "neither": len(own) - len(saved)})
    return pd.DataFrame(rows)


def first_epoch(curve: Sequence[float], accuracy: float) -> float:
    """Return the first epoch, from 1, with at least this accuracy; infinity where there is none."""
    return next((float(epoch) for epoch, value in enumerate(curve, start=1) if value >= accuracy), math.inf)


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share of the values do not exceed; NaN without values."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)), 1) - 1] if ordered else math.nan


def _accuracies(runs: pd.DataFrame, asked: Sequence[float] | None) -> list[float]:
    if asked:
        wrong = [accuracy for accuracy in asked if not 0 < accuracy <= 1]
        if wrong:
            raise InputError(f"an accuracy to reach must be above 0 and at most 1, but got {wrong[0]}")
        return sorted(set(asked))
    goal = runs.loc[runs["variant"] == "scratch", "best"].mean()
    return sorted({round(share * goal, 3) for share in SHARES} - {0.0}) if math.isfinite(goal) else []
