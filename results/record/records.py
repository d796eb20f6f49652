"""The frozen records of a study: its configurations, decisions, segments and settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, get_type_hints

from spaces import Configuration
from spaces.paper import PAPER

TRANSFER_GENRE = "edm"
"""The paper's sixth genre, which its transfer stage adds (section 4.5)."""


def check_types(record: Any) -> None:
    """Raise ``ValueError`` where a field of a reference or of settings holds a value of another type than declared."""
    for name, expected in _TYPES[type(record)].items():
        value = getattr(record, name)
        if not isinstance(value, expected) and not (expected is float and type(value) is int):
            raise ValueError(f"{name} must be {getattr(expected, '__name__', expected)}, but got {value!r:.80}")


class State(StrEnum):
    """Lifecycle of a configuration.

    ::

        pending -> running -> finished        trained to the end of its budget
                           -> stopped         judged too weak at a rung
                           -> early_stopped   its patience ran out
                           -> diverged        its loss is no longer a number (not retried)
                           -> failed          its training raised (retried once, then alone)
        running -> pending                    between two segments
        failed  -> pending                    by ``resume``, where its worker had died or memory had run out
    """

    PENDING = "pending"
    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"
    EARLY_STOPPED = "early_stopped"
    DIVERGED = "diverged"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """True where no more training will follow, unless the study is extended."""
        return self not in (State.PENDING, State.RUNNING)


@dataclass(frozen=True, order=True)
class TrialKey:
    """The identity of a row: a configuration and its training seed."""

    config_id: str
    seed: int


@dataclass(frozen=True, kw_only=True)
class CheckpointRef:
    """One member's state in a segment checkpoint: file name in the study's ``checkpoints/``, hash, row, epoch."""

    file: str
    sha256: str
    row: int
    epoch: int

    def __post_init__(self) -> None:
        if Path(self.file).name != self.file or self.file.startswith("."):
            raise ValueError(f"a checkpoint's file must be a plain name in the study's folder, but got {self.file!r}")


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """The recorded condition of one configuration."""

    key: TrialKey
    position: int
    """Place in the search space, or in the order of the suggestions, repeats counted; ties go to the earlier."""
    configuration: Configuration
    budget: int
    """Epochs it may train."""
    state: State = State.PENDING
    reason: str | None = None
    epoch: int = 0
    """Epochs trained and committed."""
    checkpoint: CheckpointRef | None = None
    """The newest saved state."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A rung's decision on one configuration; ``cutoff`` is the value its score was compared with (``None``: none)."""

    key: TrialKey
    epoch: int
    score: float | None
    cutoff: float | None
    promoted: bool


@dataclass(frozen=True, kw_only=True)
class CurveRow:
    """One epoch of one configuration; precision, recall and F1 are weighted averages over the genres."""

    key: TrialKey
    epoch: int
    train_loss: float
    val_loss: float
    val_accuracy: float
    val_precision: float
    val_recall: float
    val_f1: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class SegmentRecord:
    """One segment that was trained or failed: its members, first and last epoch, place and duration."""

    segment_id: str
    keys: tuple[TrialKey, ...]
    first_epoch: int
    last_epoch: int
    seconds: float
    host: str
    started: float
    """Seconds since 1970."""
    checkpoint: str | None
    sha256: str | None
    error: str | None = None

    @property
    def ended(self) -> float:
        """Seconds since 1970."""
        return self.started + self.seconds

    def reference(self, row: int) -> CheckpointRef | None:
        """Return the state of its member ``row`` in its checkpoint; ``None`` where it saved none.

        Raises ``ValueError`` where the recorded file is no plain name.
        """
        if self.checkpoint is None or self.sha256 is None:
            return None
        return CheckpointRef(file=self.checkpoint, sha256=self.sha256, row=row, epoch=self.last_epoch)


@dataclass(frozen=True, kw_only=True)
class StageSettings:
    """The stages around the sweep (paper 3.1, 4.2, 4.4, 4.5)."""

    transfer_data: str | None = None
    """Rows of the sixth genre; ``None`` takes those that the source itself holds for it."""
    epochs: int = 100
    """Epochs of the simple network and of the text and fusion networks, as in Figures 4a and 4b."""
    patience: int | None = None
    transfer_epochs: int = 30
    transfer_seeds: int = 5
    freeze: bool = False
    """Train only the output layer of the copied network."""


@dataclass(frozen=True, kw_only=True)
class StudySettings:
    """Settings of a study. Two studies with equal settings on equal data have equal curves."""

    data: str
    """``--data`` as given, a path made absolute."""
    mapping: str | None = None
    space: str = PAPER.to_toml()
    """TOML of the search space."""
    search: str = "grid"
    trials: int | None = None
    """Configurations of a random or an Optuna search; ``None`` for a grid."""
    sampler: str | None = None
    """Sampler of an Optuna search: ``tpe`` (also for ``None``), ``random``, ``gp`` or ``cmaes``."""
    repeats: int = 1
    """Rows of each configuration, trained with the seeds ``seed``, ``seed + 1`` and so on; the split is ``seed``'s."""
    features: str = "audio"
    text_model: str | None = None
    """A folder or a name of the sentence model that reads titles; ``None`` for the packaged one."""
    scheduler: str = "asha"
    reduction_factor: int = 4
    grace_period: int = 1
    epochs: int = 20
    seed: int = 42
    split: str = "random"
    holdout: float = 0.0
    stack_size: int | None = None
    """Most members of a stack; ``None`` chooses by the machine."""
    device: str = "cpu"
    """``cpu`` or ``cuda``: dropout noise and arithmetic differ between them, so a study keeps its own."""
    storage: str | None = None
    """Folder or URI of the study's checkpoints and copies of its record; ``None`` stands for its own directory."""
    stages: StageSettings | None = None
    """Stages that ``genresweep run`` adds around the sweep; ``None`` for a sweep alone."""
    held_genre: str | None = None
    """Genre whose rows are kept back for the transfer stage: ``edm`` where there are stages, else none."""

    def __post_init__(self) -> None:
        if self.stages is not None and self.held_genre is None:
            object.__setattr__(self, "held_genre", TRANSFER_GENRE)

    def to_json(self) -> str:
        """Return all settings as plain JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @property
    def suggested(self) -> int | None:
        """Number of rows that an Optuna search will have; ``None`` where all rows exist from the start."""
        return self.trials * self.repeats if self.search == "optuna" and self.trials else None

    @classmethod
    def from_mapping(cls, values: dict[str, Any]) -> StudySettings:
        """Build settings from the parsed output of ``to_json``; settings that an older study lacks keep their defaults.

        A study that does not name its held genre is an older one; those held back edm, with stages or without.
        """
        stages = values.get("stages")
        known = {"held_genre": TRANSFER_GENRE, **values}
        settings = cls(**{**known, "stages": StageSettings(**stages) if stages else None})
        for part in (settings, *([settings.stages] if settings.stages else [])):
            check_types(part)
            _check_values(vars(part))
        if settings.trials is None and settings.search != "grid":
            raise ValueError(f"--search {settings.search} needs --trials, the number of configurations")
        return settings


_TYPES: Mapping[type, Mapping[str, Any]] = {
    record: get_type_hints(record) for record in (CheckpointRef, StageSettings, StudySettings)
}
_NAMES = {
    "search": ("grid", "random", "optuna"),
    "sampler": ("tpe", "random", "gp", "cmaes", None),
    "features": ("audio", "text", "fusion"),
    "scheduler": ("asha", "halving", "none"),
    "split": ("random", "track", "album"),
    "device": ("cpu", "cuda"),
}
_LEAST = {
    **dict.fromkeys(("trials", "repeats", "grace_period", "epochs", "stack_size"), 1),
    **dict.fromkeys(("patience", "transfer_epochs", "transfer_seeds"), 1),
    **{"reduction_factor": 2, "seed": 0, "holdout": 0},
}


def _check_values(values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if name in _NAMES and value not in _NAMES[name]:
            raise ValueError(f"{name} must be one of {', '.join(map(str, _NAMES[name]))}, but got {value!r:.80}")
        unused = name in ("reduction_factor", "grace_period") and values.get("scheduler") == "none"
        if name in _LEAST and not unused and value is not None and not value >= _LEAST[name]:
            raise ValueError(f"{name} must be at least {_LEAST[name]}, but got {value!r:.80}")
