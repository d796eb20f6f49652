r"""The sweep over several split seeds: what the schedulers lose, and what luck of the split amounts to.

    python -m tests.benchmarks.split_seeds train.csv --out runs/seeds
    python -m tests.benchmarks.split_seeds train.csv --features fusion --schedulers asha --out runs/fusion \
        --space tests/benchmarks/fusion.toml --search random --trials 48

One study per scheduler and seed in ``--out``, resumed or reused where it exists; all share one Ray.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pandas as pd

from results import load_trials
from results.analysis.comparison import compare
from results.dataframes.frames import ranked
from results.record.stage_records import load_stage_scores
from search.cluster.connection import connected
from search.cluster.environment import settle
from search.studies.sweep import resume_sweep, run_sweep
from spaces import Configuration

SCHEDULERS = ("none", "asha", "halving")
PAPER_BEST = Configuration(hidden_layers=(128, 16), clip_norm=1.5)
"""Table 4's winner: no batch normalisation, dropout .3, learning rate 1e-3, batch 32, Adam."""


def study_row(data: str, directory: Path, settings: dict[str, Any]) -> dict[str, object]:
    """Best accuracy, on held-out rows too where there are some, epochs and seconds of training of a sweep."""
    run = resume_sweep(directory) if directory.exists() else run_sweep(data, out=directory, **settings)
    if not run.complete:
        raise SystemExit(f"interrupted; the same command goes on with {directory}")
    trials = load_trials(directory)
    best = ranked(trials).iloc[0]
    paper = trials.loc[trials["config_id"] == PAPER_BEST.config_id, "last_val_accuracy"]
    scores = load_stage_scores(directory).set_index("side")["accuracy"]
    return {
        "scheduler": settings["scheduler"],
        "seed": settings["seed"],
        "best": best["val_accuracy"],
        **{name: best[f"val_{name}"] for name in ("precision", "recall", "f1")},
        "held_out": scores.get("holdout"),
        "paper_best_last_epoch": paper.iloc[0] if settings["scheduler"] == "none" and len(paper) else None,
        "epochs": int(trials["epochs"].sum()),
        "seconds": compare([directory]).studies["seconds"].iloc[0],  # a study that was resumed counts whole
    }


def studies(asked: argparse.Namespace) -> list[dict[str, object]]:
    """Every scheduler on every seed."""
    shared = {"features": asked.features, "space": asked.space, "search": asked.search, "trials": asked.trials}
    shared |= {"split": asked.split, "holdout": asked.holdout, "reduction_factor": asked.reduction_factor}
    settle()
    with connected():
        return [
            study_row(
                asked.data,
                asked.out / f"{asked.features}-{scheduler}-{seed}",
                {**shared, "scheduler": scheduler, "seed": seed},
            )
            for seed in asked.seeds
            for scheduler in asked.schedulers
        ]


def main() -> None:
    """Run what is missing and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--out", type=Path, default=Path("runs/seeds"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--features", default="audio")
    parser.add_argument("--schedulers", nargs="+", default=list(SCHEDULERS), choices=SCHEDULERS)
    parser.add_argument("--space", default="paper")
    parser.add_argument("--search", default="grid")
    parser.add_argument("--trials", type=int)
    parser.add_argument("--reduction-factor", type=int, default=4)
    parser.add_argument("--split", default="random")
    parser.add_argument("--holdout", type=float, default=0.0)
    frame = pd.DataFrame(studies(parser.parse_args())).dropna(axis=1, how="all")
    print(frame.to_string(index=False))
    best = frame.pivot(index="seed", columns="scheduler", values="best")
    if "none" in best:
        print("\nlost against the exhaustive best, per seed:\n", best.rsub(best["none"], axis=0).round(4))
    summary = frame.groupby("scheduler", sort=False).agg(["mean", "std"]).drop(columns="seed", level=0)
    print("\nmean and standard deviation over seeds:\n", summary.round(4).to_string())


if __name__ == "__main__":
    main()
