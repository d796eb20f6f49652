"""Weights on disk: safetensors and JSON, never pickles; written whole or not at all, checked before they are trusted.

Two kinds: a *segment checkpoint* (one file, every member of a stack, all that is needed to train on) and a *model
directory* (``model.safetensors`` and ``model.json``, one network, all that is needed to predict).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load as load_tensors
from safetensors.torch import save as dump_tensors
from torch import Tensor

from data.errors import InputError
from spaces import Configuration
from trainables.mlp import Architecture, GenreMLP
from trainables.state import StackState

MODEL_FORMAT = 1


class CheckpointError(Exception):
    """A checkpoint that is missing, cut short, or not what the record says it is."""


@dataclass(frozen=True)
class MemberSource:
    """Where one member's state stands: a segment checkpoint, its content hash, and the row in it."""

    path: str
    sha256: str
    row: int


def write_atomically(path: Path, content: bytes) -> str:
    """Write a file under a temporary name, flush it to disk, then rename it; returns its SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return hashlib.sha256(content).hexdigest()


def write_segment(path: Path, state: StackState, members: Sequence[str], epoch: int) -> str:
    """Write the state of a stack after ``epoch``; ``members`` are the ids of its rows. Returns the SHA-256."""
    metadata = {"members": json.dumps(list(members)), "epoch": str(epoch)}
    return write_atomically(path, dump_tensors({n: t.cpu() for n, t in state.tensors().items()}, metadata))


def verify(path: str | Path, sha256: str) -> bytes:
    """The content of a file with this hash; raises ``CheckpointError`` where it is missing or another."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise CheckpointError(f"the checkpoint {path} cannot be read: {error}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise CheckpointError(
            f"the checkpoint {path} is damaged: expected SHA-256 {sha256[:12]}..., "
            f"found {found[:12]}... ({len(content):,} bytes)"
        )
    return content


def read_members(sources: Sequence[MemberSource]) -> StackState:
    """The states of some members, one row each, in the order asked for, from one or more segment checkpoints.

    Raises ``CheckpointError`` where a file is not the one that the record names.
    """
    files: dict[str, StackState] = {}
    for source in sources:
        if source.path not in files:
            try:
                files[source.path] = StackState(**load_tensors(verify(source.path, source.sha256)))
            except (SafetensorError, TypeError) as error:
                raise CheckpointError(f"the checkpoint {source.path} is not a segment's: {error}") from error
    rows = [files[source.path].select([source.row]) for source in sources]
    return StackState.concatenate(rows)


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What a model directory says of its network: enough to predict, and where it came from."""

    architecture: Architecture
    configuration: Configuration
    genres: tuple[str, ...]
    """Label order: output ``i`` is ``genres[i]``."""
    feature_kind: str
    """``audio``, ``text`` or ``fusion``."""
    scaler: Mapping[str, Any]
    """``data.FeatureScaler`` as JSON; its names are the inputs in order."""
    fingerprint: str
    """Of the features that it was trained on."""
    provenance: Mapping[str, Any]
    """Study, configuration id, seed, epoch, metrics, versions."""

    def __post_init__(self) -> None:
        if len(self.genres) != self.architecture.output_size:
            raise ValueError(
                f"one genre per output must hold, but got {len(self.genres)} genres and "
                f"{self.architecture.output_size} outputs"
            )

    def to_json(self, weights_sha256: str) -> str:
        """The content of ``model.json``."""
        document = {
            "format": MODEL_FORMAT,
            "weights_sha256": weights_sha256,
            "architecture": self.architecture.to_json(),
            "configuration": json.loads(self.configuration.to_json()),
            "genres": list(self.genres),
            "feature_kind": self.feature_kind,
            "scaler": dict(self.scaler),
            "fingerprint": self.fingerprint,
            "provenance": dict(self.provenance),
        }
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def save_model(directory: Path, state: Mapping[str, Tensor], card: ModelCard) -> None:
    """Write a model directory: the weights first, then the description that names their hash."""
    content = dump_tensors({name: tensor.contiguous() for name, tensor in state.items()})
    sha256 = write_atomically(directory / "model.safetensors", content)
    write_atomically(directory / "model.json", card.to_json(sha256).encode())


def load_model(directory: Path) -> tuple[GenreMLP, ModelCard]:
    """The network, in evaluation mode, and the card of a model directory.

    Raises ``InputError`` where the directory holds no model, a newer format, or weights other than described.
    """
    try:
        document = json.loads((directory / "model.json").read_text(encoding="utf-8"))
        if document["format"] != MODEL_FORMAT:
            raise InputError(
                f"{directory}: expected a model of format {MODEL_FORMAT}, found {document['format']}; "
                "a newer genresweep wrote it"
            )
        card = ModelCard(
            architecture=Architecture(**document["architecture"]),
            configuration=Configuration.from_mapping(document["configuration"]),
            genres=tuple(document["genres"]),
            feature_kind=document["feature_kind"],
            scaler=document["scaler"],
            fingerprint=document["fingerprint"],
            provenance=document["provenance"],
        )
        weights = load_tensors(verify(directory / "model.safetensors", document["weights_sha256"]))
        network = GenreMLP.build(card.architecture, seed=0, dropout=card.configuration.dropout)
        network.load_state_dict(weights)
    except FileNotFoundError as error:
        raise InputError(f"{directory} is not a model directory: {error.filename} is missing") from error
    except (CheckpointError, SafetensorError) as error:
        raise InputError(f"{directory}: {error}") from error
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{directory}: model.json and model.safetensors do not agree: {error}") from error
    return network.eval(), card


def member_ids(path: Path) -> tuple[str, ...]:
    """The ids of the rows of a segment checkpoint, read from its header alone."""
    with safe_open(path, framework="pt") as file:
        return tuple(json.loads((file.metadata() or {})["members"]))


def best_state(state: StackState, architecture: Architecture, row: int) -> dict[str, Tensor]:
    """The ``state_dict`` of a member at its best epoch."""
    from trainables.stacked_mlp import unpack

    return unpack(architecture, state.best_parameters[row], state.best_statistics[row])


def torch_versions() -> dict[str, str]:
    """What a checkpoint's numbers depend on besides the code."""
    return {"torch": torch.__version__}
