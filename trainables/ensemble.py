"""Ensembles on disk: model directories whose networks' probabilities are mixed by recorded shares.

``members/NAME/`` are ordinary model directories; ``ensemble.json`` names them, with their shares and the hashes of
their descriptions, and is written last, in one step.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import InputError
from data.files import read_regular, user_path, write_atomically
from trainables.checkpoint import load_model
from trainables.mlp import GenreMLP
from trainables.model_card import ModelCard

FORMAT = 1
INDEX = "ensemble.json"
_FOLDER = "members"


class NewerFormatError(InputError):
    """An error for an ensemble that a newer version wrote: it may be sound, and is not to be replaced."""


@dataclass(frozen=True)
class Member:
    """A network of a model directory, and the share of its probabilities in the prediction."""

    network: GenreMLP
    card: ModelCard
    share: float


def load_members(directory: str | Path) -> tuple[Member, ...]:
    """Load the networks of a model directory: those of an ensemble with their shares, else the one that it holds.

    Raises ``InputError`` where the directory holds no model or a damaged one, ``NewerFormatError`` where a newer
    version wrote it.
    """
    directory = user_path(directory)
    if not (directory / INDEX).is_file() and not (directory / _FOLDER).is_dir():
        return (Member(*load_model(directory), 1.0),)
    try:
        members = tuple(_members(directory, json.loads(read_regular(directory / INDEX))))
    except NewerFormatError:
        raise
    except KeyError as error:
        raise InputError(f"{directory}: {INDEX} lacks {error}{_WAY_OUT}") from error
    except (OSError, TypeError, ValueError, RecursionError, InputError) as error:
        raise InputError(f"{directory} holds no sound ensemble: {error}{_WAY_OUT}") from error
    (first, *others) = members
    if any(other.card.genres != first.card.genres for other in others):
        raise InputError(f"{directory} holds no sound ensemble: its members have different genres{_WAY_OUT}")
    return members


_WAY_OUT = "; `genresweep ensemble STUDY` writes it anew"


def _members(directory: Path, document: Any) -> list[Member]:
    """Return the members that an index names; ``ValueError`` or ``InputError`` where they are not those."""
    if not isinstance(document, dict):
        raise ValueError(f"{INDEX} must be a table, but is {document!r:.20}")
    if document["format"] != FORMAT:
        raise NewerFormatError(
            f"{directory}: expected an ensemble of format {FORMAT}, found {document['format']!r:.20}: a newer version "
            "of genresweep wrote it; use that one"
        )
    entries = document["members"]
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError("its members must be a list of tables")
    if len({entry["name"] for entry in entries}) < len(entries):
        raise ValueError("it names a member twice")
    found = [_member(directory, **{part: entry[part] for part in ("name", "share", "sha256")}) for entry in entries]
    if not math.isclose(sum(member.share for member in found), 1.0, rel_tol=0, abs_tol=1e-9):
        raise ValueError("the shares of the members must sum to 1")
    return found


def _member(directory: Path, name: object, share: object, sha256: object) -> Member:
    if not isinstance(name, str) or Path(name).name != name or name in (".", ".."):
        raise ValueError(f"a member's name must be that of one folder, but got {name!r:.80}")
    if not isinstance(share, float) or not 0 < share <= 1:
        raise ValueError(f"a share must be above 0 and at most 1, but got {share!r:.80}")
    place = directory / _FOLDER / name
    if _card_hash(place) != sha256:
        raise ValueError(f"the member {name} is not the one that was chosen")
    return Member(*load_model(place), share)


def _card_hash(directory: Path) -> str:
    return hashlib.sha256(read_regular(directory / "model.json")).hexdigest()


def index_hash(directory: Path) -> str | None:
    """Return the SHA-256 of an ensemble's index; ``None`` where there is none."""
    try:
        return hashlib.sha256(read_regular(directory / INDEX)).hexdigest()
    except (OSError, InputError):
        return None


def save_ensemble(directory: Path, shares: Mapping[str, float], write_member: Callable[[str, Path], None]) -> str:
    """Write an ensemble; until its index is there, in one step, an earlier one stays whole.

    ``shares``: the share of each member by its name; ``write_member(name, directory)`` writes the model directory.
    Returns the SHA-256 of the index. Raises ``OSError`` where the place cannot be written.
    """
    entries = []
    for name, share in shares.items():
        draft = directory / _FOLDER / f".{name}.tmp"
        shutil.rmtree(draft, ignore_errors=True)
        write_member(name, draft)
        sha256 = _card_hash(draft)
        place = draft.with_name(f"{name}-{sha256[:8]}")  # another content is another folder
        if _holds(place, sha256):
            shutil.rmtree(draft)
        else:
            shutil.rmtree(place, ignore_errors=True)
            draft.rename(place)
        entries.append({"name": place.name, "share": share, "sha256": sha256})
    document = {"format": FORMAT, "members": entries}
    found = write_atomically(directory / INDEX, (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode())
    _remove_strays(directory, {str(entry["name"]) for entry in entries})
    return found


def _holds(place: Path, sha256: str) -> bool:
    """Return True where a folder holds the whole model with this hash of its description."""
    try:
        return _card_hash(place) == sha256 and load_model(place) is not None
    except (OSError, InputError):
        return False


def _remove_strays(directory: Path, kept: Collection[str]) -> None:
    """Delete folders beside the members of an ensemble, such as a command that was killed leaves."""
    for other in (directory / _FOLDER).iterdir():
        if other.name not in kept and other.is_dir() and not other.is_symlink():
            shutil.rmtree(other)
