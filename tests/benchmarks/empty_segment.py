"""A trainable whose segments are empty: what is left is Ray Tune, the queue and the record. Imports no torch."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from ray import tune

METRICS = ("train_loss", "val_loss", "val_accuracy", "val_precision", "val_recall", "val_f1", "seconds")


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
        if not self.config["segment"]:
            time.sleep(0.2)
            return {"done": True}
        return {"report": json.dumps(report(json.loads(self.config["segment"]))), "done": True}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        pass

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        pass


def report(segment: dict[str, Any]) -> dict[str, Any]:
    """What a segment would report; half of the configurations are better than the other half."""
    epochs = range(segment["first_epoch"], segment["last_epoch"] + 1)
    members = [
        {
            "ending": None,
            "epochs": [
                dict.fromkeys(METRICS, 0.5) | {"epoch": epoch, "val_accuracy": int(member["config_id"], 16) % 100 / 100}
                for epoch in epochs
            ],
        }
        for member in segment["members"]
    ]
    name = f"{segment['segment_id']}.safetensors"
    return {
        "members": members,
        "checkpoint": name,
        "sha256": "00" * 32,
        "seconds": 1.0,
        "node": "empty",
        "host": "empty:1",
        "started": time.time(),
    }
