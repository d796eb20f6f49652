"""The Tune trainable: one trial is one segment of one stack, reported once; it keeps nothing but the features."""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
import traceback
from pathlib import Path
from typing import Any

import torch
from ray import tune

from data.store import FeatureHandle, get_features
from spaces import Configuration
from trainables.batches import TrainingData
from trainables.checkpoint import CheckpointError, MemberSource, read_members, write_segment
from trainables.mlp import Architecture
from trainables.state import StackState
from trainables.training import SegmentResult, train_segment

PAUSE = ""
"""In the place of a segment: nothing to train for a moment."""

_PAUSE_SECONDS = 0.2


class SegmentTrainable(tune.Trainable):
    """Trains the segment in ``config["segment"]`` (JSON) from its input checkpoints to one output checkpoint.

    ``features`` is the handle of the arrays in the object store, ``checkpoints`` the folder of the study's segment
    checkpoints. The one result holds ``report`` (JSON) with every member's metrics of every epoch.
    """

    def setup(  # type: ignore[override]
        self, config: dict[str, Any], features: FeatureHandle, checkpoints: str, device: str
    ) -> None:
        """Fetch the features, once per worker."""
        torch.set_num_threads(1)
        arrays = get_features(features)
        self._checkpoints = Path(checkpoints)
        self._device = device
        self._data = TrainingData.of(
            arrays.x_train, arrays.y_train, arrays.x_val, arrays.y_val, len(arrays.genres), device=device
        )

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Workers are reused: nothing of the last segment is left."""
        return True

    def step(self) -> dict[str, Any]:
        """Train the segment, or report why that was not possible.

        A member whose training raises is looked for by the driver; a disk that cannot be written or a checkpoint that
        is damaged is nobody's fault, and stops the study.
        """
        if self.config["segment"] == PAUSE:
            time.sleep(_PAUSE_SECONDS)
            return {"done": True}
        segment = json.loads(self.config["segment"])
        try:
            report = self._train_and_save(segment)
        except (OSError, CheckpointError) as error:
            report = {"stop": f"a segment's checkpoint cannot be read or written: {error}"}
        except Exception:
            report = {"error": traceback.format_exc()}
        return {"report": json.dumps(report), "done": True}

    def _train_and_save(self, segment: dict[str, Any]) -> dict[str, Any]:
        started, clock = time.time(), time.perf_counter()
        result = self._train(segment)
        members = [member["config_id"] for member in segment["members"]]
        # each attempt has a file of its own: a worker that outlives its driver must not write over a later one's
        file = f"{segment['segment_id']}-{secrets.token_hex(4)}.safetensors"
        sha256 = write_segment(self._checkpoints / file, result.state, members, segment["last_epoch"])
        return {
            "host": f"{socket.gethostname()}:{os.getpid()}",
            "started": started,
            "seconds": time.perf_counter() - clock,
            "checkpoint": file,
            "sha256": sha256,
            "members": [
                {"ending": member.ending, "epochs": [epoch.to_json() for epoch in member.epochs]}
                for member in result.members
            ],
        }

    def _train(self, segment: dict[str, Any]) -> SegmentResult:
        configurations = [Configuration.from_json(member["configuration"]) for member in segment["members"]]
        return train_segment(
            configurations,
            self._initial_state(segment, configurations[0]),
            self._data,
            seed=segment["seed"],
            first_epoch=segment["first_epoch"],
            last_epoch=segment["last_epoch"],
        )

    def _initial_state(self, segment: dict[str, Any], first: Configuration) -> StackState:
        sources = [member["source"] for member in segment["members"]]
        if segment["first_epoch"] == 1:
            architecture = Architecture.of(first, self._data.train.x.shape[1], self._data.classes)
            state = StackState.initial(architecture, len(sources), segment["seed"])
        else:
            state = read_members(
                [MemberSource(str(self._checkpoints / s["file"]), s["sha256"], s["row"]) for s in sources]
            )
        return state.to(self._device)

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: the output checkpoint is the study's, not Tune's."""

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """Nothing: a retried segment starts from its input checkpoints."""
