"""The description of a network in its model directory: all that prediction needs, and its origin."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from data.errors import InputError
from data.inputs.encoding import scaler_from_json
from data.inputs.features import FEATURE_KINDS, Scaler
from data.titles.text_model import TextModelRecord
from spaces import Configuration
from trainables.mlp import Architecture

MODEL_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """The origin of a network; what a stage or an older version does not know is ``None``."""

    study: str | None = None
    config_id: str | None = None
    """The configuration of a sweep that was promoted."""
    stage: str | None = None
    variant: str | None = None
    """The network of a stage, among those that it compares."""
    seed: int | None = None
    epoch: int | None = None
    """The epoch that the weights are from, at least 1."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Validation metrics of that epoch, named as in ``load_curves``."""
    held_genres: tuple[str, ...] = ()
    """Genres that the study kept for its transfer stage."""
    data: str | None = None
    """The table's path, or ``synthetic``."""
    synthetic: bool | None = None
    versions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        texts = (self.study, self.config_id, self.stage, self.variant, self.data)
        tables = ((self.metrics, int | float), (self.versions, str))
        if not all(isinstance(text, str | None) for text in texts):
            raise ValueError(f"names in the provenance must be text, but got {texts}")
        if not all(type(number) in (int, type(None)) for number in (self.seed, self.epoch)):
            raise ValueError(f"seed and epoch must be whole numbers, but got {self.seed} and {self.epoch}")
        if not all(isinstance(table, Mapping) for table, _ in tables) or not all(
            isinstance(value, kind) for table, kind in tables for value in table.values()
        ):
            raise ValueError("metrics must be a table of numbers, and versions one of texts")
        if not all(isinstance(genre, str) for genre in self.held_genres):
            raise ValueError(f"held_genres must be text, but got {self.held_genres}")

    def to_json(self) -> dict[str, Any]:
        """Return what is known, as plain values from which ``from_json`` restores this provenance."""
        known = {part.name: getattr(self, part.name) for part in fields(self)}
        plain = {name: value for name, value in known.items() if value is not None}
        return plain | {
            "metrics": dict(self.metrics),
            "held_genres": list(self.held_genres),
            "versions": dict(self.versions),
        }

    @classmethod
    def from_json(cls, values: object) -> Provenance:
        """Restore a provenance from ``to_json``, without the fields of another version.

        Raises:
            ValueError: a field of the wrong type.
        """
        if not isinstance(values, Mapping) or not isinstance(values.get("held_genres", []), list):
            raise ValueError("provenance must be a table, and held_genres in it a list")
        known = {part.name: values[part.name] for part in fields(cls) if part.name in values}
        return cls(**known | {"held_genres": tuple(values.get("held_genres", ()))})


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """The description of a network in its model directory: all that prediction needs, and its origin."""

    architecture: Architecture
    configuration: Configuration
    genres: tuple[str, ...]
    """Label order: output ``i`` is ``genres[i]``."""
    feature_kind: str
    """``audio``, ``text`` or ``fusion``."""
    scaler: Scaler
    fingerprint: str
    """Fingerprint of the features that it was trained on."""
    provenance: Provenance
    text_model: TextModelRecord | None = None
    """The sentence model for the text inputs; ``None`` without any, and in older models."""

    def __post_init__(self) -> None:
        if len(self.genres) != self.architecture.output_size:
            raise ValueError(
                f"one genre per output must hold, but got {len(self.genres)} genres and "
                f"{self.architecture.output_size} outputs"
            )
        texts = (*self.genres, self.fingerprint)
        if not all(isinstance(text, str) for text in texts):
            raise ValueError(f"genres and fingerprint must be text, but got {texts}")
        if self.feature_kind not in FEATURE_KINDS:
            raise ValueError(f"feature_kind must be one of {', '.join(FEATURE_KINDS)}, but got {self.feature_kind!r}")
        if len(self.inputs) != self.architecture.input_size:
            raise ValueError(
                f"one name per input must hold, but got {len(self.inputs)} names and "
                f"{self.architecture.input_size} inputs"
            )

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the network's inputs, in order."""
        return self.scaler.names

    def to_json(self, weights_sha256: str) -> str:
        """Return the content of ``model.json``."""
        document = {
            "format": MODEL_FORMAT,
            "weights_sha256": weights_sha256,
            "architecture": self.architecture.to_json(),
            "configuration": json.loads(self.configuration.to_json()),
            "genres": list(self.genres),
            "feature_kind": self.feature_kind,
            "scaler": self.scaler.to_json(),
            "fingerprint": self.fingerprint,
            "provenance": self.provenance.to_json(),
            "text_model": None if self.text_model is None else self.text_model.to_json(),
        }
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def read_card(text: str) -> tuple[ModelCard, str]:
    """Read the card in ``model.json``, and the SHA-256 of its weights.

    Raises:
        InputError: a format of a newer version.
        KeyError, TypeError, ValueError: not the content of a card.
    """
    document = json.loads(text)
    if document["format"] != MODEL_FORMAT:
        raise InputError(
            f"expected a model of format {MODEL_FORMAT}, found {document['format']}; a newer genresweep wrote it"
        )
    architecture, genres, sha256 = document["architecture"], document["genres"], document["weights_sha256"]
    lists = (genres, architecture["hidden_layers"])
    if not all(isinstance(values, list) for values in lists) or not isinstance(sha256, str):
        raise ValueError("genres and hidden_layers must be lists, and weights_sha256 text")
    if not isinstance(document["scaler"], Mapping):
        raise ValueError("scaler must be a table")
    named = document.get("text_model")
    card = ModelCard(
        architecture=Architecture(**architecture),
        configuration=Configuration.from_mapping(document["configuration"]),
        genres=tuple(genres),
        feature_kind=document["feature_kind"],
        scaler=scaler_from_json(document["scaler"]),
        fingerprint=document["fingerprint"],
        provenance=Provenance.from_json(document["provenance"]),
        text_model=None if named is None else TextModelRecord.from_json(named),
    )
    return card, sha256
