"""Work that is no segment, spread over the same Ray: embeddings, cross-validation folds, stages."""

from __future__ import annotations

import functools
import socket
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from types import GeneratorType
from typing import Any

import numpy as np
import ray

from data.errors import InputError
from data.feature_store import FeatureHandle, get_features
from data.inputs.features import Features
from data.titles.embeddings import Encoder, encode
from data.titles.text_model import model_hash
from search.cluster.placement import Places
from trainables.baselines import BaselineResult, Point, fold_score, refit_and_score
from trainables.stages import Variant, VariantResult, variants_by_epochs

_LOOK_SECONDS = 1.0
"""Seconds between two looks at the places, which may have become more."""


OnDone = Callable[[int, int], None]
"""A function that is told how many pieces of work are done, and how many there are."""


def map_remote(
    function: Callable[..., Any],
    calls: Sequence[tuple[Any, ...]],
    places: Places,
    on_done: OnDone = lambda *_: None,
    steps: Sequence[int] | None = None,
) -> list[Any]:
    """Return the results of many calls in their order, each in a segment's place; raise the first failure as it is.

    ``on_done`` is told after each call how many are done. Where ``function`` returns a generator that yields the
    number of each step it has done, ``steps`` are those of each call, and it is told of steps.
    """
    found = {}
    whole = [1] * len(calls) if steps is None else steps
    done = [0] * len(calls)

    def tell(number: int, step: int) -> None:
        done[number] = step
        on_done(sum(done), sum(whole))

    on_done(0, sum(whole))
    for number, result in _as_they_end(function, calls, places, tell):
        found[number] = result
        tell(number, whole[number])
    return [found[number] for number in range(len(calls))]


def remote_encoder(places: Places, on_done: OnDone = lambda *_: None) -> Encoder:
    """Return an ``Encoder`` of ``data.titles.embeddings`` that spreads the shards over these places.

    ``on_done`` is told after each shard how many titles are encoded.
    """

    def encode_remotely(shards: list[list[str]], folder: Path) -> Iterator[tuple[int, np.ndarray]]:
        sha256 = model_hash(folder)
        done, total = 0, sum(map(len, shards))
        on_done(done, total)
        calls = [(shard, folder, sha256) for shard in shards]
        for number, rows in _as_they_end(_encode_shard, calls, places.on_cpus()):
            done += len(rows)
            on_done(done, total)
            yield number, rows

    return encode_remotely


def _as_they_end(
    function: Callable[..., Any],
    calls: Sequence[tuple[Any, ...]],
    places: Places,
    on_step: Callable[[int, int], None] = lambda *_: None,
) -> Iterator[tuple[int, Any]]:
    """Yield the number and result of each call, from trusted nodes alone; never run more calls at once than places.

    ``on_step`` is told the number of a call and the step that it has done.
    """
    # Ray ends the workers of tasks on GPUs, which else keep memory there, only where it is told so beforehand
    remote = ray.remote(max_calls=1) if "GPU" in places.needs else ray.remote
    task = remote(_located).options(name=function.__name__, num_returns="streaming", **_options(places.needs))
    left = deque(enumerate(calls))
    waiting: dict[Any, tuple[int, tuple[Any, ...]]] = {}
    while left or waiting:
        while left and len(waiting) < places.slots().wanted:
            number, call = left.popleft()
            waiting[task.remote(function, call)] = number, call
        stream: Any
        for stream in ray.wait(list(waiting), timeout=_LOOK_SECONDS)[0]:
            found = _result(next(stream))
            if isinstance(found, int):
                on_step(waiting[stream][0], found)
                continue
            number, call = waiting.pop(stream)
            node, result = found
            if places.trust(node):
                yield number, result
            else:  # the node has left before it could be asked what it runs
                left.append((number, call))


def _result(reference: Any) -> Any:
    """Return a task's result, or raise its error without Ray's traceback around it."""
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error


def _options(needs: Mapping[str, float]) -> dict[str, Any]:
    custom = {name: amount for name, amount in needs.items() if name not in ("CPU", "GPU")}
    return {"num_cpus": needs["CPU"], "num_gpus": needs.get("GPU", 0), "resources": custom}


def _located(function: Callable[..., Any], call: tuple[Any, ...]) -> Iterator[int | tuple[str, Any]]:
    """Yield the steps of the work, if it tells them, then the node that did it with the result."""
    found = function(*call)
    if isinstance(found, GeneratorType):
        found = yield from found
    yield ray.get_runtime_context().get_node_id(), found


def _encode_shard(shard: list[str], folder: Path, sha256: str) -> np.ndarray:
    if (found := _hash_here(folder)) != sha256:
        raise InputError(
            f"the text model in {folder} is another on the node {socket.gethostname()}: expected SHA-256 "
            f"{sha256[:16]}, found {found[:16]}; put the same model there on every node"
        )
    return encode(shard, folder)


_hash_here = functools.lru_cache(maxsize=8)(model_hash)


def remote_fold(handle: FeatureHandle, kind: str, point: Point, fold: int, seed: int) -> float:
    """Return ``fold_score`` on the training rows behind a handle."""
    features = get_features(handle)
    return fold_score(kind, point, fold, features.x_train, features.y_train, seed)


def remote_refit(handle: FeatureHandle, kind: str, point: Point, seed: int) -> BaselineResult:
    """Return ``refit_and_score`` on the features behind a handle."""
    return refit_and_score(kind, point, get_features(handle), seed)


def remote_variants(
    handle: FeatureHandle, variants: Sequence[Variant], seed: int, epochs: int, device: str = "cpu"
) -> Generator[int, None, list[VariantResult]]:
    """Return ``variants_by_epochs`` on the features behind a handle."""
    features: Features = get_features(handle)
    return variants_by_epochs(variants, features, seed=seed, epochs=epochs, device=device)
