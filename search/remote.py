"""Work that is no segment, spread over the same Ray: embeddings, cross-validation folds, stages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import ray

from data.embeddings import encode
from data.features import Features
from data.store import FeatureHandle, get_features
from trainables.baselines import Point, fold_score, refit_and_score
from trainables.stages import Variant, VariantResult, train_variants


def map_remote(function: Callable[..., Any], calls: Sequence[tuple[Any, ...]]) -> list[Any]:
    """The results of many calls in their order, one CPU each; the first failure is raised."""
    task = ray.remote(num_cpus=1)(function)
    try:
        return list(ray.get([task.remote(*call) for call in calls]))
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error


def encode_remotely(shards: list[list[str]], folder: Path) -> Iterator[tuple[int, np.ndarray]]:
    """An ``Encoder`` of ``data.embeddings`` that spreads the shards over Ray, yielding them as they get ready."""
    task = ray.remote(num_cpus=1)(_encode_shard)
    waiting = {task.remote(shard, folder): number for number, shard in enumerate(shards)}
    while waiting:
        (ready, *_), _ = ray.wait(list(waiting))
        yield waiting.pop(ready), ray.get(ready)


def _encode_shard(shard: list[str], folder: Path) -> np.ndarray:
    return encode(shard, folder)


def remote_fold(handle: FeatureHandle, kind: str, point: dict[str, Any], fold: int, seed: int) -> float:
    """``fold_score`` on the training rows behind a handle."""
    features = get_features(handle)
    return fold_score(kind, point, fold, features.x_train, features.y_train, seed)


def remote_refit(handle: FeatureHandle, kind: str, point: Point, seed: int) -> dict[str, Any]:
    """``refit_and_score`` on the features behind a handle, as plain values."""
    return refit_and_score(kind, dict(point), get_features(handle), seed).to_json()


def remote_variants(handle: FeatureHandle, variants: Sequence[Variant], seed: int, epochs: int) -> list[VariantResult]:
    """``train_variants`` on the features behind a handle."""
    features: Features = get_features(handle)
    return train_variants(variants, features, seed=seed, epochs=epochs)
