"""Costs of a sweep, estimated: the same queue and rungs, driven in simulated time with made-up scores."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace

import numpy as np

from results.record.records import TrialKey, TrialRecord
from results.record.settings import StudySettings
from search.planning.prepared_data import Prepared
from search.scheduling.bounds import NO_BOUNDS, Bounds, Limit, epochs_of
from search.scheduling.building import build_coordinator, cost_model
from search.scheduling.segments import Segment
from spaces import Configuration
from trainables.mlp import Architecture
from trainables.segment_protocol import EpochMetrics, MemberResult, Trained
from trainables.stack.stacked_mlp import Layout

SECONDS_PER_SEGMENT = 0.15
"""Seconds that Ray Tune and the checkpoint add to a segment (measured)."""
START_SECONDS = 12.0
"""Seconds before the first segment on two cores: Ray's start, and a worker's import of PyTorch (measured)."""
_TENSORS_PER_PARAMETER = 4
_BYTES = 4


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Estimated amount of work."""

    configurations: int
    segments: int
    epochs: int
    minutes: float
    """Minutes of ``START_SECONDS`` and training; not of reading titles before it."""
    megabytes: float
    """Megabytes of segment checkpoints on disk, before ``genresweep prune``."""
    workers: int
    ended: int
    """Configurations and seeds that have ended by then."""
    bounded: str | None = None
    """The bound that ends it before all is done, as a sentence; a target and a plateau cannot be foreseen."""


def estimate(
    settings: StudySettings,
    trials: tuple[TrialRecord, ...],
    prepared: Prepared,
    *,
    workers: int,
    bounds: Bounds = NO_BOUNDS,
) -> Estimate:
    """Simulate the sweep and return its costs; under ASHA even the epochs are an estimate, as they depend on scores.

    Bounds of time and of epochs end it, where they are reached before all is done.
    """
    features, input_sizes = prepared.features, prepared.input_sizes
    costs = cost_model(settings, prepared)
    coordinator, _ = build_coordinator(settings, trials, costs, workers=workers)
    quality = dict(zip(coordinator.trials, np.random.default_rng(0).random(len(trials)).tolist(), strict=True))
    running: list[tuple[float, str, Segment]] = []
    clock, segments, epochs, size = 0.0, 0, 0, 0.0
    limit = Limit(replace(bounds, target=None, patience_trials=None), lambda: clock and clock + START_SECONDS)
    while True:
        in_flight = [segment for *_, segment in running]
        while (
            len(running) < workers
            and not limit.reached(in_flight)
            and (segment := coordinator.next_segment()) is not None
        ):
            length = segment.last_epoch - segment.first_epoch + 1
            seconds = costs.stack_seconds(segment.configurations) * length
            heapq.heappush(running, (clock + seconds + SECONDS_PER_SEGMENT, segment.segment_id, segment))
            in_flight.append(segment)
            segments += 1
            epochs += length * len(segment.keys)
            size += sum(_megabytes(c, input_sizes[c.encoding], len(features.genres)) for c in segment.configurations)
        if not running:
            break
        clock, _, segment = heapq.heappop(running)
        coordinator.complete(segment, _made_up_report(segment, quality))
        limit.add(epochs_of(segment))
    return Estimate(
        configurations=len({trial.key.config_id for trial in trials}),
        segments=segments,
        epochs=epochs,
        minutes=(clock + START_SECONDS) / 60,
        megabytes=size,
        workers=workers,
        ended=coordinator.ended,
        bounded=None if coordinator.finished else limit.reason,
    )


def _made_up_report(segment: Segment, quality: dict[TrialKey, float]) -> Trained:
    """Return a report with each member's last epoch alone: nobody reads the others."""
    members = tuple(MemberResult((_made_up_epoch(segment.last_epoch, quality[key]),), None) for key in segment.keys)
    return Trained(members=members, checkpoint="", sha256="", seconds=0.0, started=0.0, node="", host="")


def _made_up_epoch(epoch: int, accuracy: float) -> EpochMetrics:
    others = dict.fromkeys(("train_loss", "val_loss", "val_precision", "val_recall", "val_f1", "seconds"), 0.0)
    return EpochMetrics(epoch=epoch, val_accuracy=accuracy, **others)


def _megabytes(configuration: Configuration, inputs: int, outputs: int) -> float:
    width = Layout.of(Architecture.of(configuration, inputs, outputs)).parameters[-1].stop
    return width * _TENSORS_PER_PARAMETER * _BYTES / 1e6
