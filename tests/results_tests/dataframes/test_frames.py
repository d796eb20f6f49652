from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from results.dataframes.frames import load_curves, load_trials
from results.record.records import State, TrialKey
from results.record.schema import METRICS
from results.record.study import Study
from spaces.configuration import HYPERPARAMETERS
from tests.results_tests.record.test_study import new_study, row, some_trials

NAN = float("nan")
CURVES = {"config_id": "str", "seed": "Int64", "epoch": "Int64", **dict.fromkeys(METRICS, "float64")}
TRIALS = {
    "config_id": "str",
    "seed": "Int64",
    "state": "str",
    "reason": "str",
    "epochs": "Int64",
    "budget": "Int64",
    "hidden_layers": "str",
    "batch_norm": "bool",
    "dropout": "float64",
    "learning_rate": "float64",
    "batch_size": "Int64",
    "optimizer": "str",
    "clip_norm": "float64",
    "activation": "str",
    "weight_decay": "float64",
    "patience": "Int64",
    "momentum": "float64",
    "label_smoothing": "float64",
    "schedule": "str",
    "schedule_epochs": "Int64",
    "encoding": "str",
    "ema_decay": "float64",
    "weights": "float64",
    "best_epoch": "Int64",
    **dict.fromkeys([m for m in METRICS if m != "seconds"], "float64"),
    "seconds": "float64",
    "last_val_accuracy": "float64",
}


def dtypes(frame: pd.DataFrame) -> dict[str, str]:
    return {str(name): str(kind) for name, kind in frame.dtypes.items()}


def write(study: Study, curves: dict[TrialKey, Iterable[float]]) -> None:
    by_key = {trial.key: trial for trial in study.trials()}
    with study.transaction():
        for key, accuracies in curves.items():
            rows = [row(key, epoch, accuracy) for epoch, accuracy in enumerate(accuracies, start=1)]
            study.add_curves(rows)
            study.update_trials([replace(by_key[key], epoch=len(rows))])


@pytest.mark.parametrize("stage", ["empty", "running", "one of many", "finished"])
def test_columns_and_dtypes_are_as_documented_at_every_stage(tmp_path: Path, stage: str) -> None:
    keys = [trial.key for trial in some_trials()]
    with new_study(tmp_path / "s") as study:
        if stage == "running":
            study.mark_running(keys)
        elif stage == "one of many":
            write(study, {keys[2]: [0.5]})
        elif stage == "finished":
            write(study, {key: [0.5, 0.25] for key in keys})
            with study.transaction():
                study.update_trials([replace(t, state=State.STOPPED, reason="r") for t in study.trials()])
        curves, trials = load_curves(study), load_trials(study)
        assert dtypes(load_curves(tmp_path / "s")) == dtypes(curves)
    assert dtypes(curves) == CURVES
    assert dtypes(trials) == TRIALS
    assert len(trials) == 3 and list(trials.index) == [0, 1, 2]
    assert len(curves) == {"empty": 0, "running": 0, "one of many": 1, "finished": 6}[stage]
    assert [*trials["best_epoch"].isna()] == {
        "empty": [True] * 3,
        "running": [True] * 3,
        "one of many": [True, True, False],
        "finished": [False] * 3,
    }[stage]


def test_a_row_holds_what_the_configuration_is(tmp_path: Path) -> None:
    with new_study(tmp_path / "s") as study:
        trials = load_trials(study)
    assert set(HYPERPARAMETERS) - {"epochs"} <= set(trials.columns)
    assert list(trials["config_id"]) == [trial.key.config_id for trial in some_trials()]
    assert list(trials["hidden_layers"]) == ["8", "9", "10"]
    assert trials["clip_norm"].isna().tolist() == [True, False, False]
    assert trials["patience"].isna().all()
    assert trials["reason"].isna().all()


@pytest.mark.parametrize(
    ("accuracies", "best"),
    [
        ([0.1, 0.3, 0.2], 2),
        ([0.3, 0.3, 0.3], 1),
        ([0.1, 0.3, 0.3], 2),
        ([0.2, NAN], 1),
        ([NAN, 0.2], 2),
        ([0.0, 0.0], 1),
    ],
)
def test_the_best_epoch_is_the_first_of_the_highest_accuracy(
    tmp_path: Path, accuracies: list[float], best: int
) -> None:
    key = some_trials()[1].key
    with new_study(tmp_path / "s") as study:
        write(study, {key: accuracies})
        trial = load_trials(study).set_index("config_id").loc[key.config_id]
    assert trial["best_epoch"] == best
    assert trial["val_accuracy"] == accuracies[best - 1]
    assert trial["epochs"] == len(accuracies)
    assert trial["seconds"] == len(accuracies)
    np.testing.assert_equal(trial["last_val_accuracy"], accuracies[-1])


def test_where_no_epoch_has_a_number_there_is_no_best_one(tmp_path: Path) -> None:
    key = some_trials()[0].key
    with new_study(tmp_path / "s") as study:
        write(study, {key: [NAN]})
        trials, curves = load_trials(study), load_curves(study)
    assert trials["best_epoch"].isna().all()
    assert trials["val_accuracy"].isna().all()
    assert curves["val_accuracy"].isna().tolist() == [True]


def test_numbers_come_back_to_the_bit_and_in_order(tmp_path: Path) -> None:
    first, second, third = (trial.key for trial in some_trials())
    numbers = [0.1 + 0.2, 1 / 3, float(np.nextafter(0.5, 1))]
    with new_study(tmp_path / "s") as study:
        write(study, {third: numbers, first: [0.5], second: [0.25]})
        curves = load_curves(study)
    assert list(curves["config_id"]) == [first.config_id, second.config_id, *[third.config_id] * 3]
    assert list(curves["epoch"]) == [1, 1, 1, 2, 3]
    assert curves["val_accuracy"].tolist() == [0.5, 0.25, *numbers]


def test_one_row_for_each_seed_of_a_configuration(tmp_path: Path) -> None:
    first = some_trials()[0]
    twin = replace(first, key=TrialKey(first.key.config_id, 7))
    with Study.create(tmp_path / "s", new_manifest(), [first, twin]) as study:
        write(study, {first.key: [0.1], twin.key: [0.2, 0.3]})
        trials = load_trials(study)
    assert trials[["seed", "val_accuracy", "epochs"]].to_numpy().tolist() == [[7, 0.3, 2], [42, 0.1, 1]]


def new_manifest():  # type: ignore[no-untyped-def]
    from tests.results_tests.record.test_study import manifest

    return manifest()
