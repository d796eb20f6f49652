"""The incumbent: chosen, re-scored from its checkpoint, and handed on as a model directory."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from data.errors import InputError
from data.inputs.features import Features
from data.object_stores import join
from results.dataframes.frames import load_trials, ranked
from results.judging.judgement import Judgement
from results.judging.measures import judge
from results.record.facts import Fact
from results.record.records import CheckpointRef, StageScore, TrialKey, TrialRecord
from results.record.study import Study, StudyError
from search.scheduling.untrainable import WAY_OUT, UntrainableError, why_untrainable
from search.studies.model_directories import architecture_for, features_for, four_scores, write_model
from trainables.checkpoint import MemberSource, load_model, read_members
from trainables.mlp import Architecture
from trainables.model_card import Provenance
from trainables.scoring import best_probabilities, score_best
from trainables.stack.stacked_mlp import unpack
from trainables.stack.state import StackState

_TOLERANCE = 1e-3
"""Largest difference of a re-scored accuracy from the record, or one row; none on the machine that trained it."""


@dataclass(frozen=True)
class Incumbent:
    """The best configuration of a study, at its best epoch; of several repeats the best, chosen by their mean."""

    key: TrialKey
    epoch: int
    val_accuracy: float
    directory: Path
    mean: float
    """Mean validation accuracy over its repeats; of a single one its own."""
    spread: float
    """Standard deviation over its repeats; NaN for a single one."""


def choose_incumbent(trials: pd.DataFrame) -> TrialKey | None:
    """Return the first of ``results.dataframes.frames.ranked``; ``None`` where nothing has been trained to a score."""
    scored = ranked(trials).dropna(subset=["val_accuracy"])
    if scored.empty:
        return None
    return TrialKey(str(scored["config_id"].iloc[0]), int(scored["seed"].iloc[0]))


def promote(study: Study, features: Features) -> Incumbent:
    """Write the incumbent to ``best/``, and its scores and those of its other repeats to the record.

    ``features`` are standardised. Stages that stand on another incumbent are forgotten, so that they are done again.

    Raises ``StudyError`` where a checkpoint does not score as recorded.
    """
    trials = load_trials(study)
    key = choose_incumbent(trials)
    if key is None:
        if (why := why_untrainable(study.trials())) is not None:
            raise UntrainableError(f"{why}.\n{WAY_OUT}")
        raise StudyError(f"no configuration has been trained to a score: there is nothing to promote{_why(study)}")
    own = trials[trials["config_id"] == key.config_id].dropna(subset=["val_accuracy"])
    best_epochs = zip(own["val_accuracy"], own["best_epoch"], strict=True)
    at_best = dict(zip(own["seed"], best_epochs, strict=True))
    repeats = [trial for trial in study.trials() if trial.key.config_id == key.config_id and trial.key.seed in at_best]
    features = features_for(repeats[0].configuration, features)
    scored = [_rescore(study, record, features, *at_best[record.key.seed]) for record in repeats]
    best = next(one for one in scored if one.record.key == key)
    directory = study.directory / "best"
    if _promoted(directory) != (key, best.epoch):
        with study.transaction():  # first: a kill in between may not leave stages of the one before beside this one
            study.forget_stages(("fusion", "transfer"))
    write_model(
        study,
        directory,
        unpack(best.architecture, best.state.best_parameters[0], best.state.best_statistics[0]),
        best.record.configuration,
        features,
        Provenance(config_id=key.config_id, seed=key.seed, epoch=best.epoch, metrics=best.validation),
    )
    with study.transaction():
        study.add_stage_scores("sweep", [score for one in scored for score in one.scores()])
        study.add_judgements(_judgements(best, features))
    study.set_fact(Fact.INCUMBENT, key.config_id)
    mean, spread = own["val_accuracy"].agg(["mean", "std"])
    return Incumbent(key, best.epoch, best.validation["val_accuracy"], directory, mean, spread)


def _promoted(directory: Path) -> tuple[TrialKey, int] | None:
    """Return the configuration and the epoch of a model directory; ``None`` where it cannot be read."""
    try:
        origin = load_model(directory)[1].provenance
    except InputError:
        return None
    if origin.config_id is None or origin.seed is None or origin.epoch is None:
        return None
    return TrialKey(origin.config_id, origin.seed), origin.epoch


def _why(study: Study) -> str:
    """Return the most frequent reason that configurations ended with, and its count; empty where none has one."""
    reasons = Counter(trial.reason for trial in study.trials() if trial.reason)
    return "".join(f" ({count} ended with: {reason})" for reason, count in reasons.most_common(1))


@dataclass(frozen=True)
class _Scored:
    """A repeat of the incumbent, re-scored from its checkpoint."""

    record: TrialRecord
    architecture: Architecture
    state: StackState
    epoch: int
    validation: dict[str, float]
    holdout: list[dict[str, float]]

    def scores(self) -> list[StageScore]:
        """Return the repeat's scores on the validation rows, and on held-out rows if any."""
        sides = [("validation", self.validation), *(("holdout", metrics) for metrics in self.holdout)]
        seed = self.record.key.seed
        return [
            StageScore(variant="incumbent", seed=seed, side=side, epoch=self.epoch, scores=four_scores(metrics))
            for side, metrics in sides
        ]


def _rescore(study: Study, record: TrialRecord, features: Features, accuracy: float, epoch: int) -> _Scored:
    state, architecture = _load(study, record), architecture_for(record.configuration, features)
    (validation,) = score_best(state, architecture, features.x_val, features.y_val)
    tolerance = max(_TOLERANCE, 1.5 / len(features.y_val))
    if not np.isclose(validation["val_accuracy"], accuracy, rtol=0, atol=tolerance):
        raise StudyError(
            f"the checkpoint of {record.key.config_id} scores {validation['val_accuracy']:.6f} on the validation rows, "
            f"but the record says {accuracy:.6f}"
        )
    holdout = score_best(state, architecture, features.x_holdout, features.y_holdout)
    return _Scored(record, architecture, state, int(epoch), validation, holdout)


def _judgements(best: _Scored, features: Features) -> list[Judgement]:
    """Return the judgements of the promoted network on the validation rows, and on held-out rows if any."""
    sides = [
        ("validation", features.x_val, features.y_val),
        ("holdout", features.x_holdout, features.y_holdout),
    ]
    return [
        judge("best", side, features.genres, best_probabilities(best.state, best.architecture, x)[0], y)
        for side, x, y in sides
        if len(y)
    ]


def _load(study: Study, record: TrialRecord) -> StackState:
    if record.checkpoint is None:
        raise StudyError(f"the incumbent {record.key.config_id} has no checkpoint")
    return read_members([member_source(study, record.checkpoint)])


def member_source(study: Study, checkpoint: CheckpointRef) -> MemberSource:
    """Return the file (with its hash) and the row that hold a member's state."""
    return MemberSource(join(study.checkpoints, checkpoint.file), checkpoint.sha256, checkpoint.row)
