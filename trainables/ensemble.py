"""Ensembles on disk: model directories whose networks' probabilities are mixed by recorded shares.

``members/NAME/`` are ordinary model directories; ``ensemble.json`` names them, with their shares and the hashes of
their descriptions, and is written last: without it there is no ensemble.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Callable, Mapping
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


@dataclass(frozen=True)
class Member:
    """A network of a model directory, and the share of its probabilities in the prediction."""

    network: GenreMLP
    card: ModelCard
    share: float


def load_members(directory: str | Path) -> tuple[Member, ...]:
    """Load the networks of a model directory: those of an ensemble with their shares, else the one that it holds.

    Raises ``InputError`` where the directory holds no model, or one that is damaged or of a newer version.
    """
    directory = user_path(directory)
    if not (directory / INDEX).is_file():
        return (Member(*load_model(directory), 1.0),)
    try:
        members = tuple(_members(directory, json.loads(read_regular(directory / INDEX))))
    except KeyError as error:
        raise InputError(f"{directory}: {INDEX} lacks {error}{_WAY_OUT}") from error
    except (OSError, TypeError, ValueError, InputError) as error:
        raise InputError(f"{directory} holds no sound ensemble: {error}{_WAY_OUT}") from error
    (first, *others) = members
    if any(other.card.genres != first.card.genres for other in others):
        raise InputError(f"{directory} holds no sound ensemble: its members have different genres{_WAY_OUT}")
    return members


_WAY_OUT = "; `genresweep ensemble STUDY` writes it anew"


def _members(directory: Path, document: Any) -> list[Member]:
    """Return the members that an index names; ``ValueError`` or ``InputError`` where they are not those."""
    if document["format"] != FORMAT:
        raise InputError(f"expected an ensemble of format {FORMAT}, found {document['format']}: a newer version's")
    found = []
    for entry in document["members"]:
        name, share = entry["name"], entry["share"]
        if not isinstance(name, str) or Path(name).name != name or name in (".", ".."):
            raise ValueError(f"a member's name must be that of one folder, but got {name!r:.80}")
        if type(share) is not float or not 0 < share <= 1:
            raise ValueError(f"a share must be above 0 and at most 1, but got {share!r:.80}")
        place = directory / _FOLDER / name
        if _card_hash(place) != entry["sha256"]:
            raise ValueError(f"the member {name} is not the one that was chosen")
        found.append(Member(*load_model(place), share))
    if not math.isclose(sum(member.share for member in found), 1.0, rel_tol=0, abs_tol=1e-9):
        raise ValueError("the shares of the members must sum to 1")
    return found


def _card_hash(directory: Path) -> str:
    return hashlib.sha256(read_regular(directory / "model.json")).hexdigest()


def save_ensemble(directory: Path, shares: Mapping[str, float], write_member: Callable[[str, Path], None]) -> None:
    """Write an ensemble in place of an earlier one; a kill in between leaves none, or a whole one.

    ``shares``: the share of each member by its name; ``write_member(name, directory)`` writes the model directory.
    """
    (directory / INDEX).unlink(missing_ok=True)
    entries = []
    for name, share in shares.items():
        place = directory / _FOLDER / name
        write_member(name, place)
        entries.append({"name": name, "share": share, "sha256": _card_hash(place)})
    for other in (directory / _FOLDER).iterdir():
        if other.name not in shares and other.is_dir():
            shutil.rmtree(other)
    document = {"format": FORMAT, "members": entries}
    write_atomically(directory / INDEX, (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode())
