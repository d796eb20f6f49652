"""The record of an ensemble: its members with their shares, and the candidates from which they were chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

ENSEMBLE = "ensemble"
"""The name of the ensemble's model directory within its study, and of its judgements."""


@dataclass(frozen=True, kw_only=True)
class EnsembleMember:
    """One network of an ensemble."""

    study: str
    """The name of the study whose sweep trained it."""
    config_id: str
    seed: int
    epoch: int
    """The epoch that the weights are from: its best."""
    share: float
    """The factor of its probabilities in the mixture; those of all members sum to 1."""


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """An ensemble as the record holds it."""

    members: tuple[EnsembleMember, ...]
    """The largest share first."""
    candidates: int
    """Networks among which the members were chosen."""
    left_out: tuple[str, ...]
    """A sentence for each network that was no candidate since its checkpoint is lost or damaged."""
    digests: tuple[str, ...]
    """A hash of each study's networks and their losses when the members were chosen, that of the first study first."""
    sha256: str
    """Hash of the index in its directory, which names the members and their hashes."""

    def __post_init__(self) -> None:
        if not self.members:
            raise ValueError("an ensemble has at least one member, but got none")
        if not self.digests:
            raise ValueError("an ensemble is of at least one study, but got none")

    def to_json(self) -> dict[str, Any]:
        """Return plain values from which ``from_json`` restores this ensemble."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Ensemble:
        """Restore an ensemble from ``to_json``; ``KeyError``, ``TypeError`` or ``ValueError`` for other values."""
        return cls(
            members=tuple(
                EnsembleMember(
                    study=str(one["study"]),
                    config_id=str(one["config_id"]),
                    seed=int(one["seed"]),
                    epoch=int(one["epoch"]),
                    share=float(one["share"]),
                )
                for one in values["members"]
            ),
            candidates=int(values["candidates"]),
            left_out=tuple(str(sentence) for sentence in values["left_out"]),
            digests=tuple(str(digest) for digest in values["digests"]),
            sha256=str(values["sha256"]),
        )
