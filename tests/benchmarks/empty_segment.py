"""A trainable whose segments are empty: what is left is Ray Tune, the queue and the record. Imports no torch."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ray import tune

from results.record.schema import METRICS
from trainables.segment_protocol import (
    EpochMetrics,
    Member,
    MemberResult,
    Pause,
    SegmentTask,
    Trained,
    task_from_json,
    to_json,
)


class EmptySegment(tune.Trainable):
    """Reports made-up metrics at once; the first segments wait until every worker has started."""

    def setup(self, config: dict[str, Any], barrier: str, workers: int, **_: Any) -> None:  # type: ignore[override]
        self._barrier, self._workers = Path(barrier), workers
        (self._barrier / f"{time.time_ns()}").touch()
        self._all_there = False

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        return True

    def step(self) -> dict[str, Any]:
        while not self._all_there:
            self._all_there = len(list(self._barrier.iterdir())) >= self._workers
            time.sleep(0 if self._all_there else 0.2)
        task = task_from_json(self.config["segment"])
        if isinstance(task, Pause):
            time.sleep(task.seconds)
            return {"done": True}
        return {"report": to_json(report(task)), "done": True}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        pass

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        pass


def report(task: SegmentTask) -> Trained:
    """What a segment would report; half of the configurations are better than the other half."""
    epochs = range(task.first_epoch, task.last_epoch + 1)
    return Trained(
        members=tuple(MemberResult(tuple(_epoch(each, member) for each in epochs), None) for member in task.members),
        checkpoint=f"{task.segment_id}.safetensors",
        sha256="00" * 32,
        seconds=1.0,
        started=time.time(),
        node="empty",
        host="empty:1",
    )


def _epoch(epoch: int, member: Member) -> EpochMetrics:
    accuracy = int(member.config_id, 16) % 100 / 100
    return EpochMetrics(epoch=epoch, **{**dict.fromkeys(METRICS, 0.5), "val_accuracy": accuracy})
