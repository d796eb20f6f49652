"""The curves of an exhaustive study, as `search.replay.replay` needs them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from data.errors import InputError, command
from results.dataframes.frames import load_curves, load_trials
from results.record.records import State, TrialKey
from results.record.study import Study


@dataclass(frozen=True, kw_only=True, eq=False)
class RecordedSweep:
    """The ``n`` configurations of an exhaustive study, and their curves of up to ``e`` epochs."""

    study: str
    keys: tuple[TrialKey, ...]
    positions: dict[TrialKey, int]
    budgets: dict[TrialKey, int]
    lengths: np.ndarray
    """Epochs until each configuration ended, by its budget or by itself: ``(n,)`` integers."""
    accuracy: np.ndarray
    """Validation accuracies, ``(n, e)``; NaN where there is none."""
    seconds: np.ndarray
    """Seconds of each epoch, ``(n, e)``; 0 where there is no epoch."""
    weights: np.ndarray
    """Size of each network, ``(n,)``."""

    def __post_init__(self) -> None:
        n, shape = len(self.keys), self.accuracy.shape
        if shape[0] != n or self.seconds.shape != shape or self.lengths.shape != (n,) or not n:
            raise ValueError(f"one row for each of {n} configurations must hold, however: {shape}")

    @classmethod
    def load(cls, directory: str | Path) -> RecordedSweep:
        """Load the curves of a study; ``InputError`` where it stopped any configuration early, or is not complete."""
        with Study.open(directory) as study:
            _check_exhaustive(study)
            records = {trial.key: trial for trial in study.trials() if trial.epoch > 0}
            curves, trials = load_curves(study), load_trials(study)
        keys, width = tuple(records), int(curves["epoch"].max())
        row = {key: place for place, key in enumerate(keys)}
        rows = [row[TrialKey(*key)] for key in zip(curves["config_id"], curves["seed"], strict=True)]
        columns = curves["epoch"].to_numpy(dtype=int) - 1
        accuracy, seconds = np.full((len(keys), width), np.nan), np.zeros((len(keys), width))
        accuracy[rows, columns] = curves["val_accuracy"]
        seconds[rows, columns] = curves["seconds"]
        weights = trials.set_index(["config_id", "seed"])["weights"]
        return cls(
            study=str(directory),
            keys=keys,
            positions={key: record.position for key, record in records.items()},
            budgets={key: record.budget for key, record in records.items()},
            lengths=np.array([record.epoch for record in records.values()]),
            accuracy=accuracy,
            seconds=seconds,
            weights=np.array([weights[key.config_id, key.seed] for key in keys]),
        )

    @cached_property
    def best(self) -> np.ndarray:
        """Best accuracy up to each epoch, ``(n, e)``; -inf before the first number."""
        return np.maximum.accumulate(np.nan_to_num(self.accuracy, nan=-np.inf), axis=1)

    @cached_property
    def places(self) -> np.ndarray:
        """Places of configurations stopped at an epoch, ``(n, e)``, ranked as the product's incumbents; lowest is best.

        Ties go to the earlier epoch, then to the smaller network, then to the order of the search space.
        """
        rows = np.indices(self.best.shape)[0]
        positions = np.array([self.positions[key] for key in self.keys])
        ties = (positions[rows], self.weights[rows], _first_of_best(self.best), -self.best)
        order = np.lexsort([values.ravel() for values in ties])
        places = np.empty(order.size, dtype=int)
        places[order] = np.arange(order.size)
        return places.reshape(self.best.shape)

    @cached_property
    def ranks(self) -> np.ndarray:
        """Ranks of the configurations, ``(n,)``: 1 for the one that the exhaustive study itself promotes."""
        return np.argsort(np.argsort(self.places[np.arange(len(self.keys)), self.lengths - 1])) + 1


def _first_of_best(best: np.ndarray) -> np.ndarray:
    """Return, for each epoch, the first one with the best accuracy up to then."""
    rises = best[:, 1:] > best[:, :-1]
    firsts = np.where(rises, np.arange(1, best.shape[1]), 0)
    return np.maximum.accumulate(np.pad(firsts, ((0, 0), (1, 0))), axis=1)


def _check_exhaustive(study: Study) -> None:
    states = [trial.state for trial in study.trials()]
    if study.settings.scheduler != "none" or State.STOPPED in states:
        raise InputError(
            f"{study.directory} stopped configurations early ({study.settings.scheduler}): a replay needs the whole "
            "curves of an exhaustive study, from `genresweep sweep --scheduler none`"
        )
    if study.settings.repeats > 1:
        raise InputError(
            f"{study.directory} has several seeds of each configuration: a replay takes studies of one seed"
        )
    left = sum(not state.is_final for state in states)
    if left:
        raise InputError(
            f"{study.directory} is not complete: {left} of {len(states)} configurations have not ended; "
            f"go on with `{command('resume', study.directory)}`"
        )
    if math.isnan(study.best_accuracy()):
        raise InputError(f"{study.directory} holds no score: nothing to replay")
