"""Model directories of a study: ``best/`` and those of the stages, all described alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor

from data.inputs.encoding import encode_features
from data.inputs.features import Features
from results.record.records import ModelScores
from results.record.schema import SCORES
from results.record.study import Study
from spaces import Configuration
from trainables.checkpoint import save_model
from trainables.mlp import Architecture
from trainables.model_card import ModelCard, Provenance


def architecture_for(configuration: Configuration, features: Features) -> Architecture:
    """Return the architecture of a configuration on these features."""
    return Architecture.of(configuration, len(features.names), len(features.genres))


def features_for(configuration: Configuration, features: Features) -> Features:
    """Return standardised features in the encoding that a configuration asks for."""
    return encode_features(features, configuration.encoding)


def write_model(
    study: Study,
    directory: Path,
    state: Mapping[str, Tensor],
    configuration: Configuration,
    features: Features,
    origin: Provenance,
) -> None:
    """Write the weights with all that predicting needs, and their origin, which the study's own facts complete."""
    card = ModelCard(
        architecture=architecture_for(configuration, features),
        configuration=configuration,
        genres=features.genres,
        feature_kind=features.kind,
        scaler=features.scaler,
        fingerprint=features.fingerprint,
        text_model=features.text_model.record if features.text_model else None,
        provenance=replace(
            origin,
            study=study.directory.name,
            held_genres=tuple(genre for genre in held_genres(study) if genre not in features.genres),
            data=study.manifest.data.source,
            synthetic=study.manifest.data.synthetic,
            versions={"genresweep": version("genresweep"), "torch": torch.__version__},
        ),
    )
    save_model(directory, state, card)


def held_genres(study: Study) -> list[str]:
    """Return the genres that a study keeps for its transfer stage; an older one records only its settings."""
    data, held = study.manifest.data, study.settings.held_genre
    if data.transfer_genres is not None:
        return list(data.transfer_genres)
    return [held] if held and data.transfer_fingerprint else []


def four_scores(metrics: Mapping[str, float]) -> ModelScores:
    """Return accuracy, precision, recall and F1 from metrics named as in ``load_curves``."""
    return ModelScores(**{name: float(metrics[f"val_{name}"]) for name in SCORES})
