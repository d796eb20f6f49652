"""How long a sweep takes on a cluster, from a few measured numbers: a formula, and the table that it makes.

Work ``W = N * e * s`` (configurations, epochs of each, seconds of a core per epoch) on ``P = nodes * cores`` places is
cut into segments of ``L = min(5, max(0.5, W / P))`` seconds, as ``search.segments`` does, so there are ``S = W / L``:

    makespan = start + broadcast + max(W / P + o * ceil(S / P), S / r) + L

``start`` is Ray's, and a worker's import of PyTorch, on all places at once; the broadcast passes the features' ``B``
megabytes on in ``ceil(log2(nodes + 1))`` rounds, for a node that has them hands them on; ``o`` is what a segment costs
its place, ``r`` the segments a second that one driver bears; ``L`` is the wait for the last. Stragglers, lost nodes,
rungs at which places stand idle, and what the cloud takes to start nodes are left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

SHORTEST, LONGEST = 0.5, 5.0
"""Seconds of a segment."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was measured; seconds, segments per second, megabytes per second."""

    ray_start: float
    worker_start: float
    segment_overhead: float
    driver_rate: float
    broadcast_rate: float
    epoch_seconds: float
    """Of one core, for an epoch of one configuration."""


@dataclass(frozen=True)
class Prediction:
    """What the formula says."""

    makespan: float
    efficiency: float
    """The share of the places' time that is training."""
    segments: int
    bottleneck: str


def predict(
    measured: Measured, configurations: int, epochs: float, nodes: int, cores: int, megabytes: float = 1.2
) -> Prediction:
    """The length of a sweep of so many configurations with so many epochs each, on average."""
    work, places = configurations * epochs * measured.epoch_seconds, nodes * cores
    length = min(LONGEST, max(SHORTEST, work / places))
    segments = math.ceil(work / length)
    start = measured.ray_start + measured.worker_start
    broadcast = math.ceil(math.log2(nodes + 1)) * megabytes / measured.broadcast_rate
    cores_take = work / places + measured.segment_overhead * math.ceil(segments / places)
    driver_takes = segments / measured.driver_rate
    makespan = start + broadcast + max(cores_take, driver_takes) + length
    parts = {
        "the start": start,
        "the features' way": broadcast,
        "the cores": cores_take if cores_take >= driver_takes else 0.0,
        "the driver": driver_takes if driver_takes > cores_take else 0.0,
    }
    return Prediction(makespan, work / places / makespan, segments, max(parts, key=lambda part: parts[part]))
