"""One copy of the features in Ray's object store, read back zero-copy. This room's only door to Ray."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import ray

from data.inputs.encoding import ENCODINGS, encode_features
from data.inputs.features import Features

_fetched: dict[str, Features] = {}


@dataclass(frozen=True, kw_only=True)
class FeatureHandle:
    """What travels to workers in place of the arrays; picklable, and dead when its Ray session ends."""

    ref: ray.ObjectRef
    fingerprint: str


def put_features(features: Features) -> FeatureHandle:
    """Place the arrays in the object store: one copy a node, whatever the number of workers."""
    return FeatureHandle(ref=ray.put(features), fingerprint=features.fingerprint)


def put_encodings(features: Features, encodings: Iterable[str]) -> dict[str, FeatureHandle]:
    """A handle for each encoding of standardised ``features``: one copy a node of those that its workers fetch.

    Every encoding is made once, here, and only one at a time stands in this process's memory.
    """
    return {encoding: put_features(encode_features(features, encoding)) for encoding in dict.fromkeys(encodings)}


def get_features(handle: FeatureHandle) -> Features:
    """The features behind ``handle``, fetched once per process; their arrays are read-only shared memory."""
    key = handle.ref.hex()
    if key not in _fetched:
        if len(_fetched) == len(ENCODINGS):
            del _fetched[next(iter(_fetched))]
        _fetched[key] = ray.get(handle.ref)
    return _fetched[key]
