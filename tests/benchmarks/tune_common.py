"""What the two Ray Tune scripts share: their command line, the grid and scheduler, and the result that they print."""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import psutil
from ray import tune
from ray.tune import Callback
from ray.tune.schedulers import ASHAScheduler

MARK = "result: "


class Clock(Callback):
    """What came when, in seconds since the process began, and what came of it."""

    def __init__(self) -> None:
        self.began = psutil.Process().create_time()
        self.fit: float | None = None
        self.first: float | None = None
        """The first epoch was reported."""
        self.epochs = 0
        self.best = 0.0

    def fitting(self) -> None:
        self.fit = time.time() - self.began

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        self.first = self.first or time.time() - self.began
        self.epochs += 1
        self.best = max(self.best, result["val_accuracy"])


def options(description: str | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("arrays", type=Path, help="npz: x_train, y_train, x_val, y_val")
    parser.add_argument("configurations", type=Path, help="JSON list")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--cpus", type=int)
    parser.add_argument("--asha", action="store_true")
    return parser.parse_args()


def tuner_settings(asked: argparse.Namespace) -> dict[str, Any]:
    """The grid, and Tune's own ASHA where asked for, with genresweep's defaults."""
    configurations = json.loads(asked.configurations.read_text())
    names = configurations[0]
    scheduler = ASHAScheduler(max_t=asked.epochs, grace_period=1, reduction_factor=4) if asked.asha else None
    return {
        "param_space": {"point": tune.grid_search(range(len(configurations))), **_looked_up(configurations, names)},
        "tune_config": tune.TuneConfig(metric="val_accuracy", mode="max", scheduler=scheduler),
    }


def _looked_up(configurations: list[dict[str, Any]], names: dict[str, Any]) -> dict[str, Any]:
    def value(name: str) -> Any:
        return tune.sample_from(lambda config: configurations[config["point"]][name])

    return {name: value(name) for name in names}


def print_result(results: Any, clock: Clock) -> None:
    """One line of JSON; the caller adds the seconds that the process took."""
    if results.errors:
        raise results.errors[0]
    found = {
        "trials": len(results),
        "epochs": clock.epochs,
        "best": clock.best,
        "fit_at": clock.fit,
        "first_at": clock.first,
        "done_at": time.time() - clock.began,
    }
    print(MARK + json.dumps(found), flush=True)
