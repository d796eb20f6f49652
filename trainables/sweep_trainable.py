"""The Tune trainable: one trial is one segment of one stack, reported once; it keeps only the features."""

from __future__ import annotations

import os
import secrets
import socket
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ray
import torch
from ray import tune

from data.errors import InputError
from data.feature_store import FeatureHandle, get_features
from data.object_stores import is_uri, join
from trainables.checkpoint import CheckpointError, MemberSource, read_members, write_segment
from trainables.mlp import Architecture
from trainables.segment_protocol import (
    Failed,
    FailureKind,
    Fatal,
    Member,
    Pause,
    Report,
    SegmentTask,
    Trained,
    task_from_json,
    to_json,
)
from trainables.stack.batches import TrainingData
from trainables.stack.state import StackState
from trainables.stacking import stacks
from trainables.training import SegmentResult, train_segment


class SegmentTrainable(tune.Trainable):
    """A trainable for the task in ``config["segment"]`` (JSON), from its input checkpoints to one output checkpoint.

    ``features`` are the handles of the arrays in the object store, by encoding; ``checkpoints`` is the folder of the
    study's segment checkpoints, a path or a URI. The only result holds the ``report`` (JSON); after a pause it is
    empty.
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
        task = task_from_json(self.config["segment"])
        if isinstance(task, Pause):
            time.sleep(task.seconds)
            return {"done": True}
        report: Report
        try:
            report = self._train_and_save(task)
        except (OSError, CheckpointError) as error:
            report = Fatal(f"a segment's checkpoint cannot be read or written: {error}")
        except InputError as error:
            report = Fatal(str(error))
        except ImportError as error:
            report = Fatal(f"{socket.gethostname()} cannot import what training needs: {error}")
        except Exception as error:
            report = Failed(_failure_kind(error), traceback.format_exc())
            if self._device == "cuda":
                torch.cuda.synchronize()  # raises where the GPU is lost to this process: Tune then starts another
        return {"report": to_json(report), "done": True}

    def _train_and_save(self, task: SegmentTask) -> Trained:
        started, clock = time.time(), time.perf_counter()
        if not is_uri(self._checkpoints) and not Path(self._checkpoints).is_dir():
            # writing would make it, on a node that does not see the others' folder
            raise FileNotFoundError(f"{socket.gethostname()} has no folder {self._checkpoints}")
        results = self._train(task)
        members = [member.config_id for member in task.members]
        # each attempt has its own file: a worker that outlives its driver must not overwrite a later one's
        file = f"{task.segment_id}-{secrets.token_hex(4)}.safetensors"
        states = [result.state for result in results]
        sha256 = write_segment(join(self._checkpoints, file), states, members, task.last_epoch)
        return Trained(
            members=tuple(member for result in results for member in result.members),
            checkpoint=file,
            sha256=sha256,
            seconds=time.perf_counter() - clock,
            started=started,
            node=ray.get_runtime_context().get_node_id(),
            host=f"{socket.gethostname()}:{os.getpid()}",
        )

    def _train(self, task: SegmentTask) -> list[SegmentResult]:
        """Train the stacks of the segment, one after another."""
        return [self._train_stack(stack, task) for stack in stacks(task.members, lambda member: member.configuration)]

    def _train_stack(self, stack: Sequence[Member], task: SegmentTask) -> SegmentResult:
        configurations = [member.configuration for member in stack]
        data = self._data(configurations[0].encoding)
        if task.first_epoch == 1:
            architecture = Architecture.of(configurations[0], data.train.x.shape[1], data.classes)
            averaged = configurations[0].ema_decay > 0
            state = StackState.initial(architecture, len(stack), task.seed, averaged=averaged)
        else:
            state = read_members([self._source(member) for member in stack])
        return train_segment(
            configurations,
            state.to(self._device),
            data,
            seed=task.seed,
            first_epoch=task.first_epoch,
            last_epoch=task.last_epoch,
        )

    def _source(self, member: Member) -> MemberSource:
        source = member.source
        assert source is not None, "the task has checked that"
        return MemberSource(join(self._checkpoints, source.file), source.sha256, source.row)

    def _data(self, encoding: str) -> TrainingData:
        if encoding not in self._encoded:
            self._encoded[encoding] = TrainingData.of_features(get_features(self._features[encoding]), self._device)
        return self._encoded[encoding]

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Do nothing, since the output checkpoint is the study's, not Tune's."""

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """Do nothing, since a retried segment starts from its input checkpoints."""


_ALLOCATORS_WORDS = "can't allocate memory"
"""Words of the plain ``RuntimeError`` that PyTorch 2 raises where a CPU's memory is at its end."""


def _failure_kind(error: Exception) -> FailureKind:
    starved = isinstance(error, MemoryError | torch.OutOfMemoryError) or _ALLOCATORS_WORDS in str(error)
    return FailureKind.OUT_OF_MEMORY if starved else FailureKind.RAISED
