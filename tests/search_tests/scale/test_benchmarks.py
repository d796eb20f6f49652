"""The parts of the speed benchmark that need no Ray; nothing here asserts a time."""

from __future__ import annotations

import argparse
import copy
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
import torch

from search.suggestions.optuna_space import OptunaSpace
from spaces import Configuration, load_space
from tests.benchmarks import floor, plain_optuna, searches, speed_parts, tune_expert, tune_idiomatic
from tests.benchmarks.speed_parts import PARTS, Setup, stratified
from tests.benchmarks.speed_tables import TARGETS, TIMED, print_tables
from trainables.mlp import Architecture
from trainables.stack.batches import TrainingData
from trainables.stack.state import StackState
from trainables.training import train_segment

GRID = load_space("paper").configurations()
PART = {"median": 60.0, "seconds": [59.0, 60.0, 61.0], "epochs": 3840, "configurations": 192}


def test_the_sample_costs_what_the_grid_costs() -> None:
    sample = stratified(GRID, 24)
    dear = Counter((c.hidden_layers, c.batch_norm, c.batch_size, c.optimizer) for c in sample)
    assert set(dear.values()) == {1} and len(dear) == 24
    for cheap in ("dropout", "learning_rate", "clip_norm"):
        assert len({getattr(c, cheap) for c in sample}) == 2, cheap
    assert 8 * floor.optimiser_steps(sample, 17_142) == floor.optimiser_steps(GRID, 17_142)
    assert set(stratified(GRID, 192)) == set(GRID)


def test_operations_are_counted_from_the_products_alone() -> None:
    """14 x 10 and 10 x 5 weights: forward 280 + 100, gradients of weights as much, of the hidden layer's input 100."""
    configuration = Configuration(hidden_layers=(10,), batch_size=16)
    assert floor.network_operations(configuration, 14, 5) == (380 + 380 + 100, 380)
    assert floor.epoch_operations(configuration, 14, 5, training=33, validation=7) == 32 * 860 + 7 * 380


def test_the_paper_grid_takes_about_a_teraflop() -> None:
    found = floor.grid_operations(GRID, 20, inputs=14, classes=5, training=17_142, validation=4_286)
    assert found == pytest.approx(1.0e12, rel=0.1)


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 5, 330)
    x = (rng.normal(size=(330, 14)) + y[:, None]).astype(np.float32)
    return {"x_train": x[:300], "y_train": y[:300], "x_val": x[300:], "y_val": y[300:]}


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_the_experts_script_learns_and_restores(
    arrays: dict[str, np.ndarray], tmp_path: Path, optimizer: str, batch_norm: bool
) -> None:
    config = asdict(
        Configuration(hidden_layers=(16, 16), optimizer=optimizer, batch_norm=batch_norm, learning_rate=1e-2)
    )
    config["clip_norm"] = 1.0
    torch.manual_seed(0)
    trainer = tune_expert.Trainer.__new__(tune_expert.Trainer)
    trainer.setup(config, arrays)
    first = trainer.step()
    last = [trainer.step() for _ in range(20)][-1]
    assert last["val_loss"] < first["val_loss"]
    trainer.save_checkpoint(str(tmp_path))
    weights = copy.deepcopy(trainer.network.state_dict())
    assert trainer.reset_config(config)
    trainer.load_checkpoint(str(tmp_path))
    assert all((weights[name] == value).all() for name, value in trainer.network.state_dict().items())


def test_the_documented_script_reports_every_epoch_with_a_checkpoint(
    arrays: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    reports: list[dict[str, float]] = []

    def report(metrics: dict[str, float], checkpoint: Any) -> None:
        assert (Path(checkpoint.path) / "checkpoint.pt").is_file()
        reports.append(metrics)

    monkeypatch.setattr(tune_idiomatic.tune, "report", report)
    monkeypatch.setattr(tune_idiomatic.tune, "get_checkpoint", lambda: None)
    torch.manual_seed(0)
    configuration = Configuration(hidden_layers=(16,), batch_norm=True, learning_rate=1e-2)
    config = {**asdict(configuration), "clip_norm": 1.0}
    tune_idiomatic.train(config, arrays, epochs=3)
    assert len(reports) == 3 and reports[-1]["val_accuracy"] > 0.2


def test_tables_show_what_is_there_and_say_what_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    memory = dict.fromkeys(("total", "driver", "workers", "ray", "object_store"), 1000.0)
    ours = {**PART, "memory": memory, "first_epoch": 11.0, "training": 45.0, "after_training": 2.0}
    ours |= {"segments": 31, "checkpoint_megabytes": 20.0, "best": 0.57}
    expert = {**PART, "median": 660.0, "memory": memory, "scaled_by": 8.0, "configurations": 24, "counted_once": 12.0}
    print_tables({"machine": {"cpus": 2}, "parts": {"exhaustive": ours, "expert": expert, "gpu": {"skipped": "none"}}})
    said = capsys.readouterr().out
    assert "11.00" in said and "met" in said and "not measured" in said
    assert "24 configurations" in said and "gpu: skipped" in said
    assert set(TIMED) <= set(PARTS) and len({says for says, *_ in TARGETS}) == len(TARGETS)


def test_a_gpu_is_shared_by_as_many_processes_as_are_fastest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[float, str]] = []

    def sweep(setup: Setup, *options: Any, repeats: int | None = None) -> dict[str, float]:
        share, scheduler = options[options.index("--gpus-per-segment") + 1], options[options.index("--scheduler") + 1]
        asked.append((share, scheduler))
        return {"median": {1: 30.0, 0.5: 20.0, 0.25: 25.0}[share]}

    monkeypatch.setattr(speed_parts, "sweep", sweep)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
    found = speed_parts.on_gpu(Setup(argparse.Namespace(cpus=4)))
    assert asked == [(1, "none"), (0.5, "none"), (0.25, "none"), (0.5, "asha")]
    print_tables({"machine": {"cpus": 4}, "parts": {"gpu": found}})
    assert "1: 30.0 s, 2: 20.0 s, 4: 25.0 s; ASHA by 2: 20.0 s" in capsys.readouterr().out


def test_rows_cost_what_the_middle_one_of_three_rounds_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spent = iter([2.0, 2.2, 9.0, 2.4, 2.0, 2.3, 1.0, 9.0, 2.5])
    monkeypatch.setattr(
        speed_parts,
        "sweep",
        lambda *_, **__: {"worker_seconds": next(spent), "row_epochs": 1e6, "median": 30.0, "memory": {"total": 1e3}},
    )
    asked = argparse.Namespace(repeats=3, table_rows=[20_000, 200_000, 1_000_000])
    found = speed_parts.cost_in_rows(Setup(asked))
    assert found["largest_over_smallest"] == pytest.approx(2.5 / 2.0)
    print_tables({"machine": {"cpus": 2}, "parts": {"rows": found}})
    assert "1,000,000 rows: 2.50 us of a worker per row and epoch (9.00, 2.30, 2.50)" in capsys.readouterr().out


def test_plain_optuna_sees_the_curves_that_genresweep_trains(
    arrays: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plain_optuna, "EPOCHS", 4)
    data = TrainingData.of(*arrays.values(), 5)
    space = OptunaSpace(load_space("paper"), ordinal=False)
    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.NopPruner())
    study.optimize(lambda trial: plain_optuna.objective(trial, space, data, seed=3), n_trials=1)
    asked = space.suggestion(optuna.trial.FixedTrial(study.trials[0].params))
    state = StackState.initial(Architecture.of(asked, 14, 5), 1, 3)
    at_once = train_segment([asked], state, data, seed=3, first_epoch=1, last_epoch=4)
    curve = [epoch.val_accuracy for epoch in at_once.members[0].epochs]
    assert list(study.trials[0].intermediate_values.values()) == list(np.maximum.accumulate(curve))
    assert plain_optuna.spent(study) == 4


def test_an_arm_is_cut_off_when_its_epochs_are_spent() -> None:
    progress = pd.DataFrame({"epochs": [20, 60, 100], "seconds": [1.0, 2.0, 3.0], "best": [0.4, 0.5, 0.6]})
    cut = searches.row("TPE", 1, progress, 60, reference=0.5)
    assert (cut["best"], cut["regret"], cut["epochs"], cut["seconds"]) == (0.5, 0.0, 60, 2.0)
    assert (cut["near"], cut["epochs_to_near"]) == (1, 60)
    assert searches.row(searches.REFERENCE, 1, progress, 60, reference=0.6)["best"] == 0.6
    never = searches.row("TPE", 2, progress, 60, reference=0.7)
    table = searches.summary(pd.DataFrame([cut, never]))
    assert table.loc["TPE", "near"] == "1 of 2"
    assert table.loc["TPE", "regret"] == pytest.approx(0.1)
