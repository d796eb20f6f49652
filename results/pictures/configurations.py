"""The configurations of one or several studies, read once for the pictures and tables that show them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from results.dataframes.frames import load_curves, ranked, trials_beside
from results.dataframes.parameters import plain_value, space_of
from results.record.settings import StudySettings
from results.record.study import Study
from spaces import Point, SearchSpace

FIFTHS = 5
"""Groups of equally many configurations, by accuracy, that pictures tell apart by colour."""


@dataclass(frozen=True, eq=False)
class Configurations:
    """All configurations of one study, the best first, as `results.dataframes.frames.ranked` orders them.

    ``trials`` is `load_trials` in that order; ``values`` holds for each row the parameters of the space that apply to
    it; ``curves`` the validation accuracy of each row by epoch, ``(epochs,)`` float64, the first epoch first.
    """

    name: str
    settings: StudySettings
    space: SearchSpace
    trials: pd.DataFrame
    values: tuple[Point, ...]
    curves: tuple[np.ndarray, ...]

    @classmethod
    def read(cls, study: str | Path | Study) -> Configurations:
        """Read a study, also while it is being written.

        Raises ``InputError`` where it is no study, or its record is damaged.
        """
        if not isinstance(study, Study):
            with Study.open(study) as opened:
                return cls.read(opened)
        with study.snapshot():
            table = load_curves(study)
            trials = ranked(trials_beside(study, table)).reset_index(drop=True)
        space = space_of(study)
        # read after the trials: a study that grows meanwhile has all of these, and perhaps more
        points = {(trial.key.config_id, trial.key.seed): trial.configuration for trial in study.trials()}
        curves = _curves(table)
        keys = list(zip(trials["config_id"].astype(str), trials["seed"].astype(int), strict=True))
        return cls(
            name=study.directory.resolve().name,
            settings=study.settings,
            space=space,
            trials=trials,
            values=tuple(space.values(points[key]) for key in keys),
            curves=tuple(
                curves.get(key, np.empty(0))[: int(epochs)] for key, epochs in zip(keys, trials["epochs"], strict=True)
            ),
        )

    @property
    def accuracy(self) -> np.ndarray:
        """Return the best validation accuracy of each row, ``(rows,)`` float64; NaN before a first epoch."""
        return self.trials["val_accuracy"].to_numpy(dtype=np.float64)


def _curves(table: pd.DataFrame) -> dict[tuple[str, int], np.ndarray]:
    """Return the validation accuracies of each configuration; its rows stand one below the other."""
    keys = list(zip(table["config_id"].tolist(), table["seed"].tolist(), strict=True))
    starts = [row for row, key in enumerate(keys) if row == 0 or key != keys[row - 1]]
    parts = np.split(table["val_accuracy"].to_numpy(dtype=np.float64), starts[1:])
    return dict(zip([keys[row] for row in starts], parts, strict=False))


def read_all(studies: Sequence[str | Path | Study]) -> tuple[Configurations, ...]:
    """Read the configurations of several studies, each as `Configurations.read` does."""
    return tuple(Configurations.read(study) for study in studies)


def fifths(accuracy: np.ndarray) -> np.ndarray:
    """Return the fifth of each accuracy, ``(rows,)`` int64: 0 the weakest, 4 the best, -1 for NaN."""
    known = np.sort(accuracy[~np.isnan(accuracy)])
    below = np.searchsorted(known, accuracy, side="left")
    found = np.minimum(below * FIFTHS // max(len(known), 1), FIFTHS - 1)
    return np.where(np.isnan(accuracy), -1, found)


def value_text(value: Any) -> str:
    """Return a hyperparameter's value as a space's TOML would have it: ``0.3``, ``true``, ``none``, ``128-16``."""
    value = plain_value(value)
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else str(value)
