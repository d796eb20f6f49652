"""How many copies of the features a node holds: the object store's pages, and what each worker adds of its own.

    python -m tests.benchmarks.copies [--workers 2] [--rows 250000]

Features as wide as text + audio (398 columns), made of nothing but numbers; each worker reads them as a sweep does.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from typing import Any

import numpy as np
import psutil
import ray

from data.feature_store import FeatureHandle, get_features, put_features
from results.record.settings import StudySettings
from search.cluster.connection import connected
from search.cluster.environment import settle
from search.cluster.placement import Resources
from search.planning.prepared_data import prepare
from spaces import load_space
from tests.benchmarks.measuring import memory_now

COLUMNS = 398


def worker_growth(handle: FeatureHandle) -> float:
    """Megabytes of its own that a worker has more of once it holds the training data."""
    import torch

    from trainables.stack.batches import TrainingData

    torch.set_num_threads(1)
    before = psutil.Process().memory_full_info().uss
    arrays = get_features(handle)
    data = TrainingData.of(arrays.x_train, arrays.y_train, arrays.x_val, arrays.y_val, len(arrays.genres))
    touched = float(data.train.x.sum())
    assert touched == touched
    return (psutil.Process().memory_full_info().uss - before) / 1e6


def measure(workers: int, rows: int) -> dict[str, Any]:
    """Megabytes of the features, of the object store, and of each worker's own growth."""
    settings = StudySettings(data="synthetic:1000", space=load_space("paper"))
    small = prepare(settings).features
    x = np.ones((rows, COLUMNS), dtype=np.float32)
    labels = np.zeros(rows, dtype=small.y_train.dtype)
    names = tuple(f"column {number}" for number in range(COLUMNS))
    empty = {"x_holdout": x[:0], "y_holdout": labels[:0]}
    features = replace(small, x_train=x, y_train=labels, x_val=x[:1], y_val=labels[:1], names=names, **empty)
    settle()
    with connected(Resources(cpus=workers)):
        handle = put_features(features)
        task = ray.remote(num_cpus=1)(worker_growth)
        growth = ray.get([task.remote(handle) for _ in range(workers)])
        me = psutil.Process()
        stored = memory_now(me, me.children(recursive=True)).object_store
    size = x.nbytes / 1e6
    return {
        "features": size,
        "object_store": stored,
        "copies": stored / size,
        "worker_growth": growth,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rows", type=int, default=250_000)
    asked = parser.parse_args()
    print(json.dumps(measure(asked.workers, asked.rows)))


if __name__ == "__main__":
    main()
