"""One copy of the features in Ray's object store, read back zero-copy. The only module of `data` that uses Ray."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import ray

from data.inputs.encoding import ENCODINGS, encode_features
from data.inputs.features import Features

_fetched: dict[str, Features] = {}


@dataclass(frozen=True, kw_only=True)
class FeatureHandle:
    """A picklable reference that is sent to workers instead of the arrays; invalid once its Ray session ends."""

    ref: ray.ObjectRef
    fingerprint: str


def put_features(features: Features) -> FeatureHandle:
    """Put the arrays into the object store: one copy per node, whatever the number of workers."""
    return FeatureHandle(ref=ray.put(features), fingerprint=features.fingerprint)


def put_encodings(features: Features, encodings: Iterable[str]) -> dict[str, FeatureHandle]:
    """Return a handle for each encoding of standardised ``features``; a node holds one copy of each that it fetches.

    Each encoding is computed once, here, and this process keeps only one at a time in memory.
    """
    return {encoding: put_features(encode_features(features, encoding)) for encoding in dict.fromkeys(encodings)}


def get_features(handle: FeatureHandle) -> Features:
    """Return the features behind ``handle``, fetched once per process; their arrays are read-only shared memory."""
    key = handle.ref.hex()
    if key not in _fetched:
        if len(_fetched) == len(ENCODINGS):
            del _fetched[next(iter(_fetched))]
        _fetched[key] = ray.get(handle.ref)
    return _fetched[key]
