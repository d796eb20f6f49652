"""The frozen records of a study: its configurations, decisions and segments."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from spaces import Configuration


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
        for name, expected in (("file", str), ("sha256", str), ("row", int), ("epoch", int)):
            if not isinstance(value := getattr(self, name), expected):
                raise ValueError(f"{name} must be {expected.__name__}, but got {value!r:.80}")
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
class StageEpoch:
    """One epoch of a network of a stage, with the metrics of `CurveRow`."""

    variant: str
    seed: int
    epoch: int
    train_loss: float
    val_loss: float
    val_accuracy: float
    val_precision: float
    val_recall: float
    val_f1: float
    seconds: float


@dataclass(frozen=True)
class GridScore:
    """The cross-validated accuracy of one point of a baseline's grid."""

    point: Mapping[str, float]
    mean: float
    std: float
    """Standard deviation over the folds."""


@dataclass(frozen=True)
class StageProgress:
    """The number of a stage's pieces of work that are done, the number there are, and their name, such as epochs."""

    done: int
    total: int
    what: str


@dataclass(frozen=True)
class Tuning:
    """The choice of a baseline's hyperparameters: the point that was taken, and the scores of its grid."""

    point: Mapping[str, float]
    grid: tuple[GridScore, ...] = ()
    """Empty in a study that kept only the point."""

    def to_json(self) -> str:
        """Return the point and the grid as JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | None) -> Tuning:
        """Return what ``to_json`` wrote; no point and no grid where the text holds none."""
        try:
            found = json.loads(text or "{}")
            grid = [GridScore(dict(one["point"]), one["mean"], one["std"]) for one in found.get("grid") or ()]
            return cls(dict(found.get("point") or {}), tuple(grid))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return cls({})


@dataclass(frozen=True, kw_only=True)
class ModelScores:
    """The scores of a stage's model, each in [0, 1]; all but the first are weighted averages over the genres."""

    accuracy: float
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, kw_only=True)
class StageScore:
    """The scores of a stage's model on the rows of one side."""

    variant: str
    seed: int
    side: str
    """``validation`` or ``holdout``."""
    epoch: int | None
    """The best on the validation rows; ``None`` for a baseline."""
    scores: ModelScores
    tuning: Tuning | None = None
    """``None`` where no grid was searched."""
