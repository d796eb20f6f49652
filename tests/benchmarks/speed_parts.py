"""The parts of ``tests.benchmarks.speed``: what each runs, and the figures that it brings."""

from __future__ import annotations

import argparse
import json
import shutil
import sqlite3
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from data.inputs.features import Features
from results.record.settings import StudySettings
from search.planning.prepared_data import prepare
from spaces import Configuration, load_space
from tests.benchmarks import floor
from tests.benchmarks.measuring import Ended, measured
from tests.benchmarks.tune_common import MARK

Figures = dict[str, Any]

_CONTINUOUS = Path(__file__).with_name("continuous.toml")


@dataclass(frozen=True)
class Setup:
    """What all parts have in common."""

    asked: argparse.Namespace

    @cached_property
    def configurations(self) -> tuple[Configuration, ...]:
        """The whole grid."""
        return load_space(self.asked.space).configurations()

    @cached_property
    def features(self) -> Features:
        return prepare(StudySettings(data=self.asked.data, space=load_space(self.asked.space))).features

    @cached_property
    def arrays(self) -> Path:
        """The features as the Ray Tune scripts read them, ready to train on."""
        path, f = self.asked.out / "arrays.npz", self.features
        np.savez(path, x_train=f.x_train, y_train=f.y_train, x_val=f.x_val, y_val=f.y_val)
        return path.resolve()


@dataclass(frozen=True)
class Part:
    """One row of the benchmark, or a few."""

    says: str
    takes: str
    run: Callable[[Setup], Figures]


def stratified(configurations: Sequence[Configuration], count: int) -> list[Configuration]:
    """A sample that costs what the grid costs: of each shape, normalisation, batch size and optimiser as many.

    What is left to choose, and costs nothing, alternates.
    """
    strata: dict[tuple[object, ...], list[Configuration]] = {}
    for c in configurations:
        strata.setdefault((c.hidden_layers, c.batch_norm, c.batch_size, c.optimizer), []).append(c)
    turns = [
        members[number % len(members)]
        for turn in range(max(map(len, strata.values())))
        for number, members in enumerate(strata.values(), start=3 * turn)
    ]
    return list(dict.fromkeys(turns))[:count]


def count_floor(setup: Setup) -> Figures:
    f, asked = setup.features, setup.asked
    sizes = {"inputs": len(f.names), "classes": len(f.genres), "training": len(f.y_train), "validation": len(f.y_val)}
    operations = floor.grid_operations(setup.configurations, asked.epochs, **sizes)
    rate = floor.matrix_rate(asked.cpus)
    epochs = asked.epochs * len(setup.configurations)
    return {"median": operations / rate, "operations": operations, "rate": rate, "epochs": epochs}


def tune_script(module: str, asha: bool, setup: Setup) -> Figures:
    """One run of a Ray Tune script; over a sample, scaled to the grid.

    Seconds up to a point are counted once: for ``tune_expert`` up to the first epoch, since its workers start once, for
    ``tune_idiomatic`` up to ``fit``, since each trial starts a worker; and so those after ``fit``. What is between
    grows with the optimiser steps.
    """
    asked, grid = setup.asked, setup.configurations
    sample = list(grid) if asked.full else stratified(grid, asked.configurations)
    listed = asked.out / "configurations.json"
    listed.write_text(json.dumps([asdict(configuration) for configuration in sample]))
    command = ["-m", f"tests.benchmarks.{module}", setup.arrays, listed.resolve(), "--epochs", asked.epochs]
    ended = measured([*command, "--cpus", asked.cpus, *(["--asha"] if asha else [])])
    (line,) = [line for line in ended.out.splitlines() if line.startswith(MARK)]
    found = json.loads(line.removeprefix(MARK))
    rows = len(setup.features.y_train)
    ratio = floor.optimiser_steps(grid, rows) / floor.optimiser_steps(sample, rows)
    once = found["first_at"] if module == "tune_expert" else found["fit_at"]
    return {
        "median": ended.seconds + (found["done_at"] - once) * (ratio - 1),
        "seconds": [ended.seconds],
        "counted_once": once + ended.seconds - found["done_at"],
        "scaled_by": ratio,
        "configurations": len(sample),
        "memory": vars(ended.memory),
        **found,
    }


def sweep(setup: Setup, *options: object, repeats: int | None = None) -> Figures:
    """The genresweep command, a few times; the studies are deleted."""
    asked = setup.asked
    folder = asked.out / "study"
    runs = []
    for _ in range(repeats or asked.repeats):
        shutil.rmtree(folder, ignore_errors=True)
        command = ["-m", "search.cli", "sweep", "--out", folder.resolve(), "--quiet", "--json", "--cpus", asked.cpus]
        # the options given last win
        ended = measured([*command, "--data", asked.data, "--space", asked.space, "--epochs", asked.epochs, *options])
        runs.append({**record_of(folder, ended), "memory": vars(ended.memory), "seconds": ended.seconds})
        print(f"  {ended.seconds:.1f} s", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    named = ("first_epoch", "training", "after_training", "worker_seconds")
    medians = {name: statistics.median(run[name] for run in runs) for name in named}
    return {
        "median": statistics.median(run["seconds"] for run in runs),
        "seconds": [run["seconds"] for run in runs],
        **medians,
        **{name: runs[-1][name] for name in ("epochs", "segments", "best", "checkpoint_megabytes", "row_epochs")},
        "memory": _peaks(runs),
    }


def _peaks(runs: Sequence[Figures]) -> Figures:
    """The most memory that any run took, place by place."""
    return {place: max(run["memory"][place] for run in runs) for place in runs[0]["memory"]}


def record_of(study: Path, ended: Ended) -> Figures:
    """What the study's record says of its time. The first trained epoch ends when its first stack's has."""
    connection = sqlite3.connect(f"{(study / 'study.db').resolve().as_uri()}?mode=ro", uri=True)
    try:
        rows = connection.execute(
            "SELECT started, seconds, last_epoch - first_epoch + 1 FROM segments WHERE error IS NULL"
        ).fetchall()
        epochs, best, spent = connection.execute(
            "SELECT count(*), max(val_accuracy), sum(seconds) FROM curves"
        ).fetchone()
    finally:
        connection.close()
    training_rows = json.loads((study / "manifest.json").read_text())["data"]["training_rows"]
    begin, end = min(row[0] for row in rows), max(row[0] + row[1] for row in rows)
    return {
        "first_epoch": min(started + seconds / epochs for started, seconds, epochs in rows) - ended.began,
        "training": end - begin,
        "after_training": ended.began + ended.seconds - end,
        "worker_seconds": spent,
        "segments": len(rows),
        "epochs": epochs,
        "best": best,
        "row_epochs": training_rows * epochs,
        "checkpoint_megabytes": sum(path.stat().st_size for path in (study / "checkpoints").iterdir()) / 1e6,
    }


def random_search(setup: Setup) -> Figures:
    options = ["--search", "random", "--trials", setup.asked.trials, "--scheduler", "asha"]
    return {**sweep(setup, "--space", _CONTINUOUS, *options, repeats=1), "configurations": setup.asked.trials}


def cost_in_rows(setup: Setup) -> Figures:
    """Twelve configurations of the grid on tables of several lengths, in each about as many rows times epochs.

    So what a worker needs for its first epoch, whatever the table, weighs the same in each; ``--epochs`` is not used.
    """
    rounds, longest = setup.asked.repeats, max(setup.asked.table_rows)
    found: dict[str, list[Figures]] = {str(rows): [] for rows in setup.asked.table_rows}
    for _ in range(rounds):  # in turn, since a machine's speed may differ from minute to minute
        for rows, runs in found.items():
            options = ["--data", f"synthetic:{rows}", "--epochs", round(longest / int(rows)), "--scheduler", "none"]
            ran = sweep(setup, *options, "--search", "random", "--trials", 12, repeats=1)
            runs.append({**ran, "seconds_per_row_epoch": ran["worker_seconds"] / ran["row_epochs"]})
    tables = {rows: _middle(runs, "seconds_per_row_epoch") for rows, runs in found.items()}
    each = [figures["seconds_per_row_epoch"] for figures in tables.values()]
    return {"tables": tables, "largest_over_smallest": max(each) / min(each)}


def _middle(runs: Sequence[Figures], name: str) -> Figures:
    """The run whose figure of this name is the (upper) median, with the figures of all and the peak of their memory."""
    ordered = sorted(runs, key=lambda run: float(run[name]))
    of_all = [run[name] for run in runs]
    return {**ordered[len(ordered) // 2], f"{name}_of_all": of_all, "memory": _peaks(runs)}


def speed_up(setup: Setup) -> Figures:
    """The exhaustive grid on one worker and on all."""
    found = {
        str(cpus): sweep(setup, "--scheduler", "none", "--cpus", cpus, repeats=1) for cpus in (1, setup.asked.cpus)
    }
    one, all_of_them = found["1"], found[str(setup.asked.cpus)]
    return {
        "workers": found,
        "speed_up_of_training": one["training"] / all_of_them["training"],
        "speed_up_of_the_command": one["median"] / all_of_them["median"],
    }


def feature_copies(setup: Setup) -> Figures:
    workers = (1, setup.asked.cpus)
    return {
        "workers": {
            str(count): json.loads(measured(["-m", "tests.benchmarks.copies", "--workers", count]).out)
            for count in workers
        }
    }


def titles(setup: Setup) -> Figures:
    """Vectors of all titles. Training alone needs none of them."""
    tables = [setup.asked.data, *([setup.asked.transfer_data] if setup.asked.transfer_data else [])]
    ended = measured(["-m", "tests.benchmarks.titles", *tables])
    return {**json.loads(ended.out), "memory": vars(ended.memory)}


def latency(setup: Setup) -> Figures:
    """Commands that should answer at once."""
    folder = setup.asked.out / "study"
    sweep_command = ["-m", "search.cli", "sweep", "--data", "synthetic:1000", "--search", "random", "--trials", 4]
    shutil.rmtree(folder, ignore_errors=True)
    measured([*sweep_command, "--epochs", 1, "--quiet", "--out", folder.resolve()])
    found = {}
    for name, arguments in {"help": ["--help"], "status": ["status", folder], "trials": ["trials", folder]}.items():
        found[name] = statistics.median(measured(["-m", "search.cli", *arguments]).seconds for _ in range(3))
    shutil.rmtree(folder, ignore_errors=True)
    return found


def on_gpu(setup: Setup) -> Figures:
    """The grid once by each number of processes to a GPU, then ASHA by as many as were fastest."""
    import torch

    if not torch.cuda.is_available():
        return {"skipped": "no CUDA device on this machine, or a build of torch without CUDA"}
    grid = {
        str(processes): sweep(setup, *_sharing(processes), "--scheduler", "none", repeats=1)
        for processes in (1, 2, 4, 8)
        if processes <= setup.asked.cpus
    }
    fastest = min(grid, key=lambda processes: float(grid[processes]["median"]))
    asha = sweep(setup, *_sharing(int(fastest)), "--scheduler", "asha")
    return {"device": torch.cuda.get_device_name(), "processes": grid, "fastest": fastest, "asha": asha}


def _sharing(processes: int) -> tuple[object, ...]:
    return "--device", "cuda", "--gpus-per-segment", 1 / processes


PARTS: dict[str, Part] = {
    "floor": Part("(d) operations counted, over the machine's matrix-product rate", "5 s", count_floor),
    "exhaustive": Part(
        "(b) genresweep, the grid to the end", "3 x 1 minute", lambda s: sweep(s, "--scheduler", "none")
    ),
    "asha": Part("(c) genresweep with ASHA", "3 x 25 s", lambda s: sweep(s, "--scheduler", "asha")),
    "halving": Part("(c) genresweep with halving", "3 x 30 s", lambda s: sweep(s, "--scheduler", "halving")),
    "expert": Part(
        "(a') Ray Tune, an expert's script", "2 minutes, --full 16", partial(tune_script, "tune_expert", False)
    ),
    "expert-asha": Part(
        "(a') the same with Tune's ASHA", "20 s, --full 2 minutes", partial(tune_script, "tune_expert", True)
    ),
    "idiomatic": Part(
        "(a) Ray Tune as documented", "5 minutes, --full 40", partial(tune_script, "tune_idiomatic", False)
    ),
    "idiomatic-asha": Part(
        "(a) the same with Tune's ASHA", "3 minutes, --full 24", partial(tune_script, "tune_idiomatic", True)
    ),
    "random": Part("10,000 random configurations with ASHA", "8 minutes", random_search),
    "rows": Part("cost in rows: synthetic tables of 20,000 to 1 million", "3 x 2 minutes", cost_in_rows),
    "workers": Part("speed-up from one worker to all", "3 minutes", speed_up),
    "copies": Part("copies of the features on a node", "40 s", feature_copies),
    "titles": Part("vectors of all titles of --data and --transfer-data, cold and cached", "1 minute", titles),
    "latency": Part("how soon --help, status and trials answer", "30 s", latency),
    "gpu": Part("the grid and ASHA with --device cuda, 1 to 8 processes to a GPU; skipped without", "minutes", on_gpu),
}
