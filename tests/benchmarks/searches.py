r"""Ways to search at the same number of epochs, over several split seeds, beside the exhaustive grid.

    python -m tests.benchmarks.searches train.csv --out runs/searches

Arms: the grid with ASHA, random search and TPE with ASHA and without, and Optuna by itself (``plain_optuna``). Each is
cut off when it has spent ``--epochs`` (600), counted segment by segment, or epoch by epoch. One study per arm and seed
in ``--out``, reused where it exists; a seed's share one Ray. Writes ``searches.csv``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from results.analysis.comparison import NEAR, compare
from results.record.settings import StudySettings
from search.cluster.connection import connected
from search.cluster.environment import settle
from search.cluster.placement import Resources
from search.planning.prepared_data import prepare
from search.studies.sweep import resume_sweep, run_sweep
from tests.benchmarks.measuring import ROOT
from tests.benchmarks.plain_optuna import spent

REFERENCE = "exhaustive grid"
PLAIN = "plain Optuna, TPE, median pruner"


def arms(epochs: int) -> dict[str, dict[str, Any]]:
    """Settings of every arm that genresweep runs; those with ASHA get trials enough to spend their epochs."""
    whole, stopped = epochs // 20, epochs * 2 // 5
    return {
        REFERENCE: {"scheduler": "none"},
        "grid, ASHA": {"scheduler": "asha"},
        "random, ASHA": {"search": "random", "trials": min(stopped, 192), "scheduler": "asha"},
        "random": {"search": "random", "trials": whole, "scheduler": "none"},
        "TPE, ASHA": {"search": "optuna", "trials": min(stopped, 192), "scheduler": "asha"},
        "TPE": {"search": "optuna", "trials": whole, "scheduler": "none"},
    }


def progress_of(data: str, directory: Path, settings: dict[str, Any]) -> pd.DataFrame:
    """``epochs``, ``seconds`` and ``best`` so far of a study, run or gone on with where it is not complete."""
    run = resume_sweep(directory) if directory.exists() else run_sweep(data, out=directory, **settings)
    if not run.complete:
        raise SystemExit(f"interrupted; the same command goes on with {directory}")
    return compare([directory]).progress


def plain_progress(data: str, directory: Path, seed: int, epochs: int, processes: int) -> pd.DataFrame:
    """The same of Optuna by itself, after every epoch, from its journal."""
    journal = directory / "journal.log"
    if not journal.exists() or spent(_plain_study(journal)) < epochs:
        directory.mkdir(parents=True, exist_ok=True)
        features = prepare(StudySettings(data=data, seed=seed)).features
        sides = {name: getattr(features, name) for name in ("x_train", "y_train", "x_val", "y_val")}
        np.savez(directory / "arrays.npz", **sides)
        rest = [directory / "arrays.npz", "paper", journal, seed]
        command = [sys.executable, "-m", "tests.benchmarks.plain_optuna", *map(str, rest)]
        workers = [subprocess.Popen([*command, str(worker), str(epochs)], cwd=ROOT) for worker in range(processes)]
        if any(worker.wait() for worker in workers):
            raise SystemExit("plain Optuna failed")
    study = _plain_study(journal)
    rows = sorted(
        (trial.user_attrs[f"at-{epoch}"], best)
        for trial in study.trials
        for epoch, best in trial.intermediate_values.items()
        if f"at-{epoch}" in trial.user_attrs
    )
    began = min(trial.datetime_start.timestamp() for trial in study.trials if trial.datetime_start)
    frame = pd.DataFrame(rows, columns=["seconds", "best"])
    return frame.assign(seconds=frame["seconds"] - began, best=frame["best"].cummax(), epochs=range(1, len(frame) + 1))


def _plain_study(journal: Path) -> optuna.Study:
    return optuna.load_study(study_name="plain", storage=JournalStorage(JournalFileBackend(str(journal))))


def row(arm: str, seed: int, progress: pd.DataFrame, epochs: int, reference: float) -> dict[str, object]:
    """What an arm had found when its epochs were spent, against the exhaustive best."""
    counted = progress[progress["epochs"] <= epochs] if arm != REFERENCE else progress
    near = counted[counted["best"] >= NEAR * reference].head(1)
    return {
        "arm": arm,
        "seed": seed,
        "best": counted["best"].iloc[-1],
        "regret": reference - counted["best"].iloc[-1],
        "epochs": counted["epochs"].iloc[-1],
        "seconds": counted["seconds"].iloc[-1],
        "near": len(near),
        "epochs_to_near": near["epochs"].iloc[0] if len(near) else None,
    }


def measure(asked: argparse.Namespace) -> pd.DataFrame:
    """One row per arm and seed."""
    rows = []
    for seed in asked.seeds:
        found = {}
        settle()
        with connected(Resources(cpus=asked.cpus)) as places:
            cpus = places.slots().now
            for arm, settings in arms(asked.epochs).items():
                directory = asked.out / f"{arm.replace(', ', '-').replace(' ', '-').lower()}-{seed}"
                found[arm] = progress_of(asked.data, directory, {**settings, "seed": seed})
        found[PLAIN] = plain_progress(asked.data, asked.out / f"plain-{seed}", seed, asked.epochs, cpus)
        reference = found[REFERENCE]["best"].iloc[-1]
        rows += [row(arm, seed, progress, asked.epochs, reference) for arm, progress in found.items()]
    return pd.DataFrame(rows)


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """Means over the seeds, with spreads of the best accuracy and the regret."""
    groups = frame.groupby("arm", sort=False)
    means = groups[["best", "regret", "epochs", "seconds", "epochs_to_near"]].mean()
    means.insert(1, "best_spread", groups["best"].std())
    means.insert(3, "regret_spread", groups["regret"].std())
    return means.assign(near=groups["near"].sum().astype(str) + " of " + groups["near"].count().astype(str))


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--out", type=Path, default=Path("runs/searches"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--epochs", type=int, default=600)
    parser.add_argument("--cpus", type=int)
    asked = parser.parse_args()
    began = time.monotonic()
    frame = measure(asked)
    frame.to_csv(asked.out / "searches.csv", index=False)
    table = summary(frame).round(4)
    print(table.to_string(), f"\n{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
