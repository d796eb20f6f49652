"""What a sweep's driver and its workers say to each other: a task goes out, a report comes back, both as JSON.

::

    SegmentTask | Pause  ->  Trained | Failed | Fatal

Ray Tune carries the text of either. Imports neither torch nor Ray.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from spaces import Configuration

_MESSAGE = "message"


@dataclass(frozen=True, kw_only=True)
class MemberCheckpoint:
    """The place of a member's newest state: a file in the study's folder of checkpoints, its hash, a row in it."""

    file: str
    sha256: str
    row: int


@dataclass(frozen=True, kw_only=True)
class Member:
    """One configuration of a segment."""

    config_id: str
    configuration: Configuration
    source: MemberCheckpoint | None
    """``None`` before the first epoch."""


@dataclass(frozen=True, kw_only=True)
class SegmentTask:
    """Order to train these members through the epochs ``first_epoch`` to ``last_epoch``, both included."""

    segment_id: str
    members: tuple[Member, ...]
    first_epoch: int
    last_epoch: int
    seed: int

    def __post_init__(self) -> None:
        lost = [member.config_id for member in self.members if self.first_epoch > 1 and member.source is None]
        if lost:
            raise ValueError(f"members that go on after epoch {self.first_epoch - 1} need a source: {lost}")


@dataclass(frozen=True)
class Pause:
    """Order to wait, where there is nothing to train for a moment."""

    seconds: float = 0.2


class Ending(StrEnum):
    """Why a member ends by itself; the values are those of the states that it then has in the record."""

    EARLY_STOPPED = "early_stopped"
    DIVERGED = "diverged"


@dataclass(frozen=True, kw_only=True)
class EpochMetrics:
    """Results of one member in one epoch; precision, recall and F1 are weighted averages, as in the paper."""

    epoch: int
    train_loss: float
    val_loss: float
    val_accuracy: float
    val_precision: float
    val_recall: float
    val_f1: float
    seconds: float
    """Wall time of the stack's epoch, shared among its members."""

    def to_json(self) -> dict[str, float]:
        """Return plain values by name."""
        return asdict(self)


@dataclass(frozen=True)
class MemberResult:
    """One member's results in a segment: its epochs, and the reason why it ended before the segment (or ``None``)."""

    epochs: tuple[EpochMetrics, ...]
    ending: Ending | None


@dataclass(frozen=True, kw_only=True)
class Trained:
    """Report of a segment that was trained: the members' results in the task's order, and their checkpoint."""

    members: tuple[MemberResult, ...]
    checkpoint: str
    """File name in the study's folder of checkpoints."""
    sha256: str
    seconds: float
    started: float
    """Seconds since 1970."""
    node: str
    """Ray's id of the node."""
    host: str
    """Host and process."""


class FailureKind(StrEnum):
    """What has kept a segment from being trained, set where that happened."""

    RAISED = "raised"
    """The training raised."""
    OUT_OF_MEMORY = "out_of_memory"
    """The machine or its GPU had too little memory."""
    WORKER_DIED = "worker_died"
    """The worker ended without a report, or its node left before its report could be trusted."""

    @property
    def is_machines_fault(self) -> bool:
        """True where the training may succeed on a sound machine, or with more memory."""
        return self is not FailureKind.RAISED


@dataclass(frozen=True)
class Failed:
    """Report of a segment that could not be trained; one of its members may be the cause."""

    kind: FailureKind
    error: str
    """Text for the record: a traceback, or what the driver knows of a worker that has died."""


@dataclass(frozen=True)
class Fatal:
    """Report of what is no member's fault and stops the study, such as a disk that cannot be written to."""

    error: str


Task = SegmentTask | Pause
Report = Trained | Failed | Fatal


def to_json(message: Task | Report) -> str:
    """Return a message as JSON, which ``task_from_json`` or ``report_from_json`` takes back."""
    return json.dumps({_MESSAGE: type(message).__name__, **vars(message)}, default=_plain)


def task_from_json(text: str) -> Task:
    """Return the task in the output of ``to_json``; ``ValueError`` where it is another message."""
    name, values = _parsed(text)
    if name == Pause.__name__:
        return Pause(**values)
    if name == SegmentTask.__name__:
        return SegmentTask(**{**values, "members": tuple(map(_member, values["members"]))})
    raise ValueError(f"a task must be a SegmentTask or a Pause, but got {name!r}")


def report_from_json(text: str) -> Report:
    """Return the report in the output of ``to_json``; ``ValueError`` where it is another message."""
    name, values = _parsed(text)
    if name == Trained.__name__:
        return Trained(**{**values, "members": tuple(map(_result, values["members"]))})
    if name == Failed.__name__:
        return Failed(FailureKind(values["kind"]), values["error"])
    if name == Fatal.__name__:
        return Fatal(**values)
    raise ValueError(f"a report must be Trained, Failed or Fatal, but got {name!r}")


def _plain(value: object) -> Any:
    return value.to_json() if isinstance(value, Configuration) else vars(value)


def _parsed(text: str) -> tuple[str, dict[str, Any]]:
    values = json.loads(text)
    return values.pop(_MESSAGE, ""), values


def _member(values: dict[str, Any]) -> Member:
    source = values["source"]
    return Member(
        config_id=values["config_id"],
        configuration=Configuration.from_json(values["configuration"]),
        source=source and MemberCheckpoint(**source),
    )


def _result(values: dict[str, Any]) -> MemberResult:
    ending = values["ending"]
    return MemberResult(tuple(EpochMetrics(**epoch) for epoch in values["epochs"]), ending and Ending(ending))
