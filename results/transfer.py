"""Transfer against scratch (paper 4.5): how good at the end, and how soon."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from results.stage_record import load_stage_curves

_SHARES = (0.9, 0.95, 0.99)
"""Accuracies to reach, as shares of the mean best accuracy of the networks from scratch."""


def load_transfer(studies: Sequence[str | Path]) -> pd.DataFrame:
    """One row per variant of the transfer stage, over all seeds of all studies.

    Columns: ``variant``, ``seeds``, ``best`` and ``last`` validation accuracy (mean), ``best spread`` and
    ``last spread`` (standard deviation), then ``epochs to .NNN`` (mean over the seeds that reach it) and
    ``reach .NNN`` (how many do) for three accuracies.
    """
    curves = [load_stage_curves(study).assign(study=str(study)) for study in studies]
    frame = pd.concat(curves, ignore_index=True)
    frame = frame[frame["stage"] == "transfer"]
    if frame.empty:
        return pd.DataFrame()
    by_run = frame.groupby(["variant", "study", "seed"], sort=False)["val_accuracy"]
    runs = by_run.agg(best="max", last="last", curve=tuple).reset_index()
    goal = float(runs.loc[runs["variant"] == "scratch", "best"].mean())
    rows = [_row(str(variant), own, goal) for variant, own in runs.groupby("variant", sort=False)]
    return pd.DataFrame(rows)


def _row(variant: str, runs: pd.DataFrame, goal: float) -> dict[str, object]:
    row: dict[str, object] = {
        "variant": variant,
        "seeds": len(runs),
        "best": runs["best"].mean(),
        "best spread": runs["best"].std(),
        "last": runs["last"].mean(),
        "last spread": runs["last"].std(),
    }
    for share in _SHARES:
        accuracy = share * goal
        reached = [epoch for curve in runs["curve"] if (epoch := _first(curve, accuracy)) is not None]
        row[f"epochs to {accuracy:.3f}"] = sum(reached) / len(reached) if reached else None
        row[f"reach {accuracy:.3f}"] = len(reached)
    return row


def _first(curve: Sequence[float], accuracy: float) -> int | None:
    """The first epoch, from 1, of at least this accuracy."""
    return next((epoch for epoch, value in enumerate(curve, start=1) if value >= accuracy), None)
