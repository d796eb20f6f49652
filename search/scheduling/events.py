"""Events of a study that runs, for programs: frozen records with one JSON form, and the listener that makes them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any

from results.record.records import TrialKey
from results.record.stage_records import StageRecord
from results.record.study import Study
from search.scheduling.coordinator import Coordinator, Outcome
from search.scheduling.listener import CountingListener
from search.scheduling.progress import Best, ProgressCounter


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that has happened to a study and, where it changes the record, has been committed."""

    time: float = field(default_factory=time.time)
    """Seconds since 1970."""

    def to_json(self) -> dict[str, Any]:
        """Return the event's name, such as ``segment_finished``, and its fields, as plain values."""
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()
        return {"event": name, **{key: _plain(value) for key, value in asdict(self).items()}}


@dataclass(frozen=True, kw_only=True)
class StudyStarted(Event):
    """The first segments are about to be handed out; ``progress`` is that of earlier commands."""

    study: str
    slots: int
    progress: Mapping[str, Any]
    """``Progress.to_json``."""


@dataclass(frozen=True, kw_only=True)
class WorkersChanged(Event):
    """Nodes have joined the cluster or left it."""

    slots: int


@dataclass(frozen=True, kw_only=True)
class ConfigurationsSuggested(Event):
    """A search has added configurations."""

    members: tuple[TrialKey, ...]


@dataclass(frozen=True, kw_only=True)
class SegmentFinished(Event):
    """A segment has been trained; the last fields are the progress after it."""

    segment_id: str
    members: tuple[TrialKey, ...]
    first_epoch: int
    last_epoch: int
    epochs: int
    """Epochs of all its members together."""
    seconds: float
    host: str
    trained_epochs: int
    saved_epochs: int
    total_epochs: int
    seconds_left: float | None


@dataclass(frozen=True, kw_only=True)
class SegmentFailed(Event):
    """A segment has raised, or its worker has died."""

    segment_id: str
    members: tuple[TrialKey, ...]
    error: str


@dataclass(frozen=True, kw_only=True)
class RungDecided(Event):
    """A rung has let a configuration go on, or stopped it."""

    config_id: str
    seed: int
    epoch: int
    score: float | None
    cutoff: float | None
    promoted: bool


@dataclass(frozen=True, kw_only=True)
class ConfigurationEnded(Event):
    """A configuration will train no more: finished, stopped, early_stopped, diverged or failed."""

    config_id: str
    seed: int
    state: str
    epoch: int
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class BestImproved(Event):
    """An epoch is better than all before it."""

    config_id: str
    seed: int
    epoch: int
    val_accuracy: float


@dataclass(frozen=True, kw_only=True)
class StageStarted(Event):
    """A stage of a whole run begins."""

    stage: str


@dataclass(frozen=True, kw_only=True)
class StageFinished(Event):
    """A stage of a whole run has been committed."""

    stage: str
    seconds: float
    note: str | None


@dataclass(frozen=True, kw_only=True)
class Stopping(Event):
    """The user has asked to stop: segments in flight are waited for."""

    in_flight: int


@dataclass(frozen=True, kw_only=True)
class StudyFinished(Event):
    """All is done; ``result`` is what ``--json`` prints."""

    result: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Interrupted(Event):
    """The command ends before the study: what was committed is kept."""

    study: str
    resume: str
    """The command that goes on with it."""


@dataclass(frozen=True, kw_only=True)
class StudyFailed(Event):
    """The command ends by an error."""

    error: str


class EventListener(CountingListener):
    """A listener that hands an event for all that happens to ``tell``."""

    def __init__(self, tell: Callable[[Event], None]) -> None:
        super().__init__()
        self.tell = tell
        self._best: Best | None = None

    def started(self, study: Study, slots: int) -> None:
        """Tell how far the study is."""
        super().started(study, slots)
        if self.counter is not None:
            progress = self.counter.progress
            self._best = progress.best
            self.tell(StudyStarted(study=str(study.directory), slots=slots, progress=progress.to_json()))

    def resized(self, slots: int) -> None:
        """Tell the new number of workers."""
        self.tell(WorkersChanged(slots=slots))

    def suggested(self, coordinator: Coordinator, outcome: Outcome) -> None:
        """Tell the new configurations."""
        super().suggested(coordinator, outcome)
        if outcome.suggested:
            self.tell(ConfigurationsSuggested(members=tuple(trial.key for trial in outcome.suggested)))

    def segment(self, coordinator: Coordinator, outcome: Outcome) -> None:
        """Tell the segment, then what came of it."""
        super().segment(coordinator, outcome)
        if self.counter is not None:
            for event in self._events(self.counter, outcome):
                self.tell(event)

    def _events(self, counter: ProgressCounter, outcome: Outcome) -> Iterator[Event]:
        progress, segment = counter.progress, outcome.segment
        if segment is not None and segment.error is not None:
            yield SegmentFailed(segment_id=segment.segment_id, members=segment.keys, error=segment.error)
        elif segment is not None:
            yield SegmentFinished(
                segment_id=segment.segment_id,
                members=segment.keys,
                first_epoch=segment.first_epoch,
                last_epoch=segment.last_epoch,
                epochs=len(outcome.curves),
                seconds=segment.seconds,
                host=segment.host,
                trained_epochs=progress.trained,
                saved_epochs=progress.saved,
                total_epochs=progress.total,
                seconds_left=progress.seconds_left,
            )
        for decision in outcome.decisions:
            values = {name: value for name, value in vars(decision).items() if name != "key"}
            yield RungDecided(**vars(decision.key), **values)
        for trial in outcome.trials.values():
            if trial.state.is_final:
                state, epoch = str(trial.state), trial.epoch
                yield ConfigurationEnded(**vars(trial.key), state=state, epoch=epoch, reason=trial.reason)
        if progress.best is not None and progress.best != self._best:
            self._best = best = progress.best
            yield BestImproved(**vars(best.key), epoch=best.epoch, val_accuracy=best.val_accuracy)

    def stopping(self, in_flight: int) -> None:
        """Tell that the user has asked to stop."""
        self.tell(Stopping(in_flight=in_flight))

    def stage(self, name: str) -> None:
        """Tell the stage that begins."""
        self.tell(StageStarted(stage=name))

    def stage_done(self, record: StageRecord) -> None:
        """Tell the stage that was committed."""
        self.tell(StageFinished(stage=record.stage, seconds=record.seconds, note=record.note))


def _plain(value: Any) -> Any:
    """Return a value with ``None`` for numbers that JSON does not have."""
    if isinstance(value, float) and not isfinite(value):
        return None
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return value
