"""Weights on disk: safetensors and JSON, never pickles; written whole or not at all, and checked before use.

Two kinds: a *segment checkpoint* (one file, every member of a stack, all that is needed to train on) and a
*model directory* (``model.safetensors`` and ``model.json``, one network, all that is needed to predict).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as dump_tensors
from torch import Tensor

from data.errors import InputError
from data.files import read_regular, user_path, write_atomically
from data.object_stores import is_uri, read_file, write_file
from data.run_directories import hint_at_runs
from trainables.mlp import GenreMLP
from trainables.model_card import ModelCard, read_card
from trainables.stack.state import StackState


class CheckpointError(Exception):
    """An error for a checkpoint that is missing, cut short, or not the one that the record names."""


@dataclass(frozen=True)
class MemberSource:
    """The place of one member's state: a segment checkpoint, its content hash, and the row in it."""

    path: str
    """Path or URI of the checkpoint."""
    sha256: str
    row: int


def write_segment(path: str | Path, stacks: Sequence[StackState], members: Sequence[str], epoch: int) -> str:
    """Write the state of a segment after ``epoch``, one stack or several of different architectures.

    ``members`` are the ids of the rows, stack after stack. Returns the SHA-256.
    """
    metadata = {"members": json.dumps(list(members)), "epoch": str(epoch)}
    prefixes = [""] if len(stacks) == 1 else [f"{number}." for number in range(len(stacks))]
    tensors = {
        prefix + name: tensor.cpu()
        for prefix, stack in zip(prefixes, stacks, strict=True)
        for name, tensor in stack.tensors().items()
    }
    return write_file(path, dump_tensors(tensors, metadata))


def verify(path: str | Path, sha256: str) -> bytes:
    """Return the content of a file with this hash, by path or URI; ``CheckpointError`` where it is missing or differs.

    Raises ``OSError`` where an object store does not answer, which says nothing about the checkpoint.
    """
    try:
        content = read_file(path)
    except OSError as error:
        if is_uri(str(path)) and not isinstance(error, FileNotFoundError):
            raise
        raise CheckpointError(f"the checkpoint {path} cannot be read: {error}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise CheckpointError(
            f"the checkpoint {path} is damaged: expected SHA-256 {sha256[:12]}..., "
            f"found {found[:12]}... ({len(content):,} bytes)"
        )
    return content


def read_members(sources: Sequence[MemberSource]) -> StackState:
    """Read the states of some members, one row each, in the given order, from one or more segment checkpoints.

    Raises ``CheckpointError`` where a file is not the one that the record names, or has no such row, or where
    the members are not of one architecture.
    """
    rows = read_each(sources)
    if len({(row.parameters.shape, row.statistics.shape, row.average_parameters is None) for row in rows}) > 1:
        raise CheckpointError(f"{', '.join(sorted({s.path for s in sources}))} hold members of different architectures")
    return StackState.concatenate(rows)


def read_each(sources: Sequence[MemberSource]) -> list[StackState]:
    """Read the states of some members, each alone, of any architectures; every file is read once.

    Raises ``CheckpointError`` where a file is not the one that the record names, or has no such row.
    """
    files: dict[tuple[str, str], list[StackState]] = {}
    for source in sources:
        name = source.path, source.sha256
        if name not in files:
            files[name] = _read_segment(*name)
    return [_row(files[source.path, source.sha256], source) for source in sources]


def _row(stacks: Sequence[StackState], source: MemberSource) -> StackState:
    """Return row ``source.row``, counted through all stacks of a segment."""
    row = source.row
    for stack in stacks:
        if 0 <= row < len(stack):
            return stack.select([row])
        row -= len(stack)
    count = sum(len(stack) for stack in stacks)
    raise CheckpointError(f"the checkpoint {source.path} has {count} rows, none of them {source.row}")


def _read_segment(path: str, sha256: str) -> list[StackState]:
    content = verify(path, sha256)
    try:
        stacks: dict[int, dict[str, Tensor]] = {0: {}}
        for name, tensor in load_tensors(content).items():
            number, _, field = name.rpartition(".")
            stacks.setdefault(int(number or 0), {})[field] = tensor
        return [StackState(**stacks[number]) for number in sorted(stacks)]
    except (SafetensorError, TypeError, ValueError) as error:
        raise CheckpointError(f"the checkpoint {path} is not a segment's: {error}") from error


def save_model(directory: Path, state: Mapping[str, Tensor], card: ModelCard) -> None:
    """Write a model directory: the weights first, then the description that names their hash."""
    content = dump_tensors({name: tensor.contiguous() for name, tensor in state.items()})
    sha256 = write_atomically(directory / "model.safetensors", content)
    write_atomically(directory / "model.json", card.to_json(sha256).encode())


def load_model(directory: str | Path) -> tuple[GenreMLP, ModelCard]:
    """Load the network, in evaluation mode, and the card of a model directory.

    Raises ``InputError`` where the directory holds no model, a newer format, or weights other than those described.
    """
    directory = user_path(directory)
    try:
        card, sha256 = read_card(read_regular(directory / "model.json").decode())
        weights = load_tensors(verify(directory / "model.safetensors", sha256))
        return _network(card, weights).eval(), card
    except OSError as error:
        inside = directory / "best"
        is_study = (inside / "model.json").is_file()
        hint = f"; the study's best model is in {inside}" if is_study else hint_at_runs(directory, "model.json")
        what = f"{Path(error.filename).name}: {error.strerror}" if error.filename else str(error)
        raise InputError(f"{directory} is not a model directory ({what}){hint}") from error
    except (CheckpointError, SafetensorError, InputError) as error:
        raise InputError(f"{directory}: {error}") from error
    except KeyError as error:
        raise InputError(f"{directory}: model.json lacks {error}") from error
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise InputError(f"{directory}: model.json does not describe a model: {error}") from error


def _network(card: ModelCard, weights: Mapping[str, Tensor]) -> GenreMLP:
    """Build the network with these weights, after checking that they have its sizes, since a card may claim any."""
    *hidden, output = card.architecture.layer_sizes
    sizes = {f"hidden.{depth}.0.weight": size for depth, size in enumerate(hidden)}
    sizes["output.weight"] = output
    for name, (inputs, outputs) in sizes.items():
        if name not in weights or tuple(weights[name].shape) != (outputs, inputs):
            raise ValueError(f"model.safetensors holds no {name} of shape ({outputs}, {inputs})")
    network = GenreMLP.build(card.architecture, seed=0, dropout=card.configuration.dropout)
    network.load_state_dict(dict(weights))
    return network
