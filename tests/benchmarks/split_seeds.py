"""The sweep over several split seeds: what the schedulers lose, and what luck of the split amounts to.

    python -m tests.benchmarks.split_seeds train.csv --out runs/seeds

One study per scheduler and seed in ``--out``, resumed or reused where it exists; all share one Ray.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from results import load_trials
from search.cluster import connected
from search.sweep import resume_sweep, run_sweep
from spaces import Configuration

SCHEDULERS = ("none", "asha", "halving")
PAPER_BEST = Configuration(hidden_layers=(128, 16), clip_norm=1.5)
"""Table 4's winner: no batch normalisation, dropout .3, learning rate 1e-3, batch 32, Adam."""


def study_rows(data: str, out: Path, seed: int, features: str, schedulers: Sequence[str]) -> list[dict[str, object]]:
    """One row per scheduler: best accuracy, epochs, wall seconds."""
    rows = []
    for scheduler in schedulers:
        directory = out / f"{features}-{scheduler}-{seed}"
        run = (
            resume_sweep(directory)
            if directory.exists()
            else run_sweep(data, out=directory, scheduler=scheduler, seed=seed, features=features)
        )
        if not run.complete:
            raise SystemExit(f"interrupted; the same command goes on with {directory}")
        trials = load_trials(directory)
        best = trials.loc[trials["val_accuracy"].idxmax()]
        paper = trials.set_index("config_id").loc[PAPER_BEST.config_id]
        rows.append(
            {
                "scheduler": scheduler,
                "seed": seed,
                "best": best["val_accuracy"],
                "precision": best["val_precision"],
                "recall": best["val_recall"],
                "f1": best["val_f1"],
                "paper_best_last_epoch": paper["last_val_accuracy"] if scheduler == "none" else None,
                "epochs": int(trials["epochs"].sum()),
                "seconds": run.seconds,
            }
        )
    return rows


def main() -> None:
    """Run what is missing and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--out", type=Path, default=Path("runs/seeds"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--features", default="audio")
    parser.add_argument("--schedulers", nargs="+", default=list(SCHEDULERS), choices=SCHEDULERS)
    asked = parser.parse_args()
    with connected():
        rows = [
            row
            for seed in asked.seeds
            for row in study_rows(asked.data, asked.out, seed, asked.features, asked.schedulers)
        ]
    frame = pd.DataFrame(rows)
    print(frame.to_string(index=False))
    best = frame.pivot(index="seed", columns="scheduler", values="best")
    if "none" in best:
        print("\nlost against the exhaustive best, per seed:\n", best.rsub(best["none"], axis=0).round(4))
    summary = frame.groupby("scheduler", sort=False).agg(["mean", "std"]).drop(columns="seed", level=0)
    print("\nmean and standard deviation over seeds:\n", summary.round(4).to_string())


if __name__ == "__main__":
    main()
