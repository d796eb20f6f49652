"""The incumbent: chosen, re-scored from its checkpoint, and handed on as a model directory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.features import Features
from results.frames import load_trials, ranked
from results.record import CheckpointRef, TrialKey, TrialRecord
from results.study import Study, StudyError
from search.models import architecture_for, features_for, four_scores, write_model
from trainables.checkpoint import MemberSource, read_members
from trainables.stacked_mlp import unpack
from trainables.stages import score_best
from trainables.state import StackState

_TOLERANCE = 1e-3
"""Largest difference of a re-scored accuracy from the record; on the machine that trained it there is none."""


@dataclass(frozen=True)
class Incumbent:
    """The best configuration of a study, at its best epoch."""

    key: TrialKey
    epoch: int
    val_accuracy: float
    directory: Path


def choose_incumbent(trials: pd.DataFrame) -> TrialKey | None:
    """The first of ``results.frames.ranked``; ``None`` where nothing has been trained to a score."""
    scored = ranked(trials.dropna(subset=["val_accuracy"]))
    if scored.empty:
        return None
    return TrialKey(str(scored["config_id"].iloc[0]), int(scored["seed"].iloc[0]))


def promote(study: Study, features: Features) -> Incumbent:
    """Write the incumbent to ``best/`` and its scores to the record; ``features`` are standardised.

    Raises ``StudyError`` where its checkpoint does not score as recorded.
    """
    trials = load_trials(study)
    key = choose_incumbent(trials)
    if key is None:
        raise StudyError("no configuration has been trained to a score: there is nothing to promote")
    row = _row(trials, key)
    record = next(trial for trial in study.trials() if trial.key == key)
    features = features_for(record.configuration, features)
    state, architecture = _load(study, record), architecture_for(record.configuration, features)
    (validation,) = score_best(state, architecture, features.x_val, features.y_val)
    if not np.isclose(validation["val_accuracy"], row["val_accuracy"], rtol=0, atol=_TOLERANCE):
        raise StudyError(
            f"the checkpoint of {key.config_id} scores {validation['val_accuracy']:.6f} on the validation rows, "
            f"but the record says {row['val_accuracy']:.6f}"
        )
    holdout = score_best(state, architecture, features.x_holdout, features.y_holdout)
    epoch, directory = int(row["best_epoch"]), study.directory / "best"
    write_model(
        study,
        directory,
        unpack(architecture, state.best_parameters[0], state.best_statistics[0]),
        record.configuration,
        features,
        config_id=key.config_id,
        seed=key.seed,
        epoch=epoch,
        metrics=validation,
    )
    sides = [("validation", validation), *(("holdout", metrics) for metrics in holdout)]
    with study.transaction():
        study.write_rows(
            "stage_scores",
            [("sweep", "incumbent", key.seed, side, epoch, *four_scores(m).values(), "{}") for side, m in sides],
        )
    study.set_fact("incumbent", key.config_id)
    return Incumbent(key, epoch, validation["val_accuracy"], directory)


def _row(trials: pd.DataFrame, key: TrialKey) -> dict[str, Any]:
    found = trials[(trials["config_id"] == key.config_id) & (trials["seed"] == key.seed)]
    return {str(name): value for name, value in found.iloc[0].items()}


def _load(study: Study, record: TrialRecord) -> StackState:
    if record.checkpoint is None:
        raise StudyError(f"the incumbent {record.key.config_id} has no checkpoint")
    return read_members([member_source(study, record.checkpoint)])


def member_source(study: Study, checkpoint: CheckpointRef) -> MemberSource:
    """Where a member's state stands on this machine."""
    return MemberSource(str(study.checkpoints / checkpoint.file), checkpoint.sha256, checkpoint.row)
