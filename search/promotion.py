"""The incumbent: chosen, re-scored from its checkpoint, and handed on as a model directory."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from data.features import Features
from results.frames import load_trials
from results.record import CheckpointRef, TrialKey, TrialRecord
from results.study import Study, StudyError
from trainables.batches import Rows
from trainables.checkpoint import MemberSource, ModelCard, read_members, save_model
from trainables.metrics import evaluate
from trainables.mlp import Architecture
from trainables.stacked_mlp import StackedMLP, unpack
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
    """Best validation accuracy at the best epoch; ties go to the earlier epoch, then the smaller network.

    ``trials`` is the frame of ``load_trials``. ``None`` where nothing has been trained.
    """
    scored = trials.dropna(subset=["val_accuracy"])
    if scored.empty:
        return None
    ranked = scored.assign(weights=scored["hidden_layers"].map(_hidden_weights)).sort_values(
        ["val_accuracy", "best_epoch", "weights"], ascending=[False, True, True], kind="stable"
    )
    best = ranked.iloc[0]
    return TrialKey(str(best["config_id"]), int(best["seed"]))


def promote(study: Study, features: Features) -> Incumbent:
    """Write the incumbent to ``best/``; raises ``StudyError`` where its checkpoint does not score as recorded."""
    trials = load_trials(study)
    key = choose_incumbent(trials)
    if key is None:
        raise StudyError("no configuration has been trained to a score: there is nothing to promote")
    row = _row(trials, key)
    record = next(trial for trial in study.trials() if trial.key == key)
    state, architecture = _load(study, record, features)
    scored = _rescore(state, architecture, features)
    if abs(scored - row["val_accuracy"]) > _TOLERANCE:
        raise StudyError(
            f"the checkpoint of {key.config_id} scores {scored:.6f} on the validation rows, "
            f"but the record says {row['val_accuracy']:.6f}"
        )
    provenance = {
        "study": study.directory.name,
        "config_id": key.config_id,
        "seed": key.seed,
        "epoch": int(row["best_epoch"]),
        "metrics": {name: float(value) for name, value in row.items() if name.startswith("val_")},
        "data": study.manifest.data["source"],
        "synthetic": study.manifest.data["synthetic"],
        "versions": {"genresweep": version("genresweep"), "torch": torch.__version__},
    }
    card = ModelCard(
        architecture=architecture,
        configuration=record.configuration,
        genres=features.genres,
        feature_kind=features.kind,
        scaler=features.scaler.to_json(),
        fingerprint=features.fingerprint,
        provenance=provenance,
    )
    best = unpack(architecture, state.best_parameters[0], state.best_statistics[0])
    save_model(study.directory / "best", best, card)
    study.set_fact("incumbent", key.config_id)
    return Incumbent(key, int(row["best_epoch"]), scored, study.directory / "best")


def _row(trials: pd.DataFrame, key: TrialKey) -> dict[str, Any]:
    found = trials[(trials["config_id"] == key.config_id) & (trials["seed"] == key.seed)]
    return {str(name): value for name, value in found.iloc[0].items()}


def _load(study: Study, record: TrialRecord, features: Features) -> tuple[StackState, Architecture]:
    if record.checkpoint is None:
        raise StudyError(f"the incumbent {record.key.config_id} has no checkpoint")
    state = read_members([member_source(study, record.checkpoint)])
    return state, Architecture.of(record.configuration, len(features.names), len(features.genres))


def member_source(study: Study, checkpoint: CheckpointRef) -> MemberSource:
    """Where a member's state stands on this machine."""
    return MemberSource(str(study.checkpoints / checkpoint.file), checkpoint.sha256, checkpoint.row)


@torch.inference_mode()
def _rescore(state: StackState, architecture: Architecture, features: Features) -> float:
    rows = Rows.of(features.x_val, features.y_val, len(features.genres), torch.float32, torch.device("cpu"))
    stack = StackedMLP(architecture, state.best_parameters, state.best_statistics, torch.zeros(1))
    return float(evaluate(stack, rows)["val_accuracy"][0])


def _hidden_weights(hidden_layers: str) -> int:
    widths = [int(width) for width in hidden_layers.split("-")]
    return widths[0] + sum(a * b for a, b in itertools.pairwise(widths))
