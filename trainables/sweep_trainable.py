"""The Tune trainable: one trial is one segment of one stack, reported once; it keeps only the features."""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
import traceback
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import ray
import torch
from ray import tune

from data.errors import InputError
from data.feature_store import FeatureHandle, get_features
from data.storage import is_uri, join
from spaces import Configuration
from trainables.checkpoint import CheckpointError, MemberSource, read_members, write_segment
from trainables.mlp import Architecture
from trainables.stack.batches import TrainingData
from trainables.stack.state import StackState
from trainables.training import SegmentResult, train_segment

PAUSE = ""
"""Stands in place of a segment when there is nothing to train for a moment."""

_PAUSE_SECONDS = 0.2


class SegmentTrainable(tune.Trainable):
    """A trainable for the segment in ``config["segment"]`` (JSON), from its input checkpoints to one output checkpoint.

    ``features`` are the handles of the arrays in the object store, by encoding; ``checkpoints`` is the folder of the
    study's segment checkpoints, a path or a URI. The only result holds ``report`` (JSON) with every member's metrics
    of every epoch.
    """

    def setup(  # type: ignore[override]
        self, config: dict[str, Any], features: Mapping[str, FeatureHandle], checkpoints: str, device: str
    ) -> None:
        """Fetch the features, once per worker; other encodings are fetched when a segment needs them."""
        torch.set_num_threads(1)
        self._features = features
        self._checkpoints = checkpoints
        self._device = device
        self._encoded: dict[str, TrainingData] = {}
        if len(features) == 1 and device == "cpu":  # the first segment reports a missing GPU
            self._data(*features)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Return True, since workers are reused and nothing of the last segment is left."""
        return True

    def step(self) -> dict[str, Any]:
        """Train the segment, or report why that was not possible.

        The driver searches for a member whose training raises. A disk that cannot be written to, a damaged checkpoint,
        or a missing GPU or library is no member's fault and stops the study.
        """
        if self.config["segment"] == PAUSE:
            time.sleep(_PAUSE_SECONDS)
            return {"done": True}
        segment = json.loads(self.config["segment"])
        try:
            report = self._train_and_save(segment)
        except (OSError, CheckpointError) as error:
            report = {"stop": f"a segment's checkpoint cannot be read or written: {error}"}
        except InputError as error:
            report = {"stop": str(error)}
        except ImportError as error:
            report = {"stop": f"{socket.gethostname()} cannot import what training needs: {error}"}
        except Exception:
            report = {"error": traceback.format_exc()}
            if self._device == "cuda":
                torch.cuda.synchronize()  # raises where the GPU is lost to this process: Tune then starts another
        return {"report": json.dumps(report), "done": True}

    def _train_and_save(self, segment: dict[str, Any]) -> dict[str, Any]:
        started, clock = time.time(), time.perf_counter()
        if not is_uri(self._checkpoints) and not Path(self._checkpoints).is_dir():
            # writing would make it, on a node that does not see the others' folder
            raise FileNotFoundError(f"{socket.gethostname()} has no folder {self._checkpoints}")
        results = self._train(segment)
        members = [member["config_id"] for member in segment["members"]]
        # each attempt has its own file: a worker that outlives its driver must not overwrite a later one's
        file = f"{segment['segment_id']}-{secrets.token_hex(4)}.safetensors"
        states = [result.state for result in results]
        sha256 = write_segment(join(self._checkpoints, file), states, members, segment["last_epoch"])
        return {
            "node": ray.get_runtime_context().get_node_id(),
            "host": f"{socket.gethostname()}:{os.getpid()}",
            "started": started,
            "seconds": time.perf_counter() - clock,
            "checkpoint": file,
            "sha256": sha256,
            "members": [
                {"ending": member.ending, "epochs": [epoch.to_json() for epoch in member.epochs]}
                for result in results
                for member in result.members
            ],
        }

    def _train(self, segment: dict[str, Any]) -> list[SegmentResult]:
        """Train the stacks of the segment: neighbours of one architecture and encoding."""
        configurations = [Configuration.from_json(member["configuration"]) for member in segment["members"]]
        sources = [member["source"] for member in segment["members"]]
        members = zip(configurations, sources, strict=True)
        return [self._train_stack(list(stack), segment) for _, stack in groupby(members, key=_kind)]

    def _train_stack(self, stack: Sequence[_Member], segment: dict[str, Any]) -> SegmentResult:
        configurations = [configuration for configuration, _ in stack]
        data = self._data(configurations[0].encoding)
        if segment["first_epoch"] == 1:
            architecture = Architecture.of(configurations[0], data.train.x.shape[1], data.classes)
            state = StackState.initial(architecture, len(stack), segment["seed"])
        else:
            state = read_members(
                [MemberSource(join(self._checkpoints, s["file"]), s["sha256"], s["row"]) for _, s in stack]
            )
        return train_segment(
            configurations,
            state.to(self._device),
            data,
            seed=segment["seed"],
            first_epoch=segment["first_epoch"],
            last_epoch=segment["last_epoch"],
        )

    def _data(self, encoding: str) -> TrainingData:
        if encoding not in self._encoded:
            self._encoded[encoding] = TrainingData.of_features(get_features(self._features[encoding]), self._device)
        return self._encoded[encoding]

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Do nothing, since the output checkpoint is the study's, not Tune's."""

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """Do nothing, since a retried segment starts from its input checkpoints."""


_Member = tuple[Configuration, dict[str, Any]]
"""A configuration and the place of its newest state."""


def _kind(member: _Member) -> tuple[object, ...]:
    """Return the settings in which members of a segment may differ but those of a stack may not."""
    configuration = member[0]
    return configuration.encoding, configuration.activation, configuration.batch_norm
