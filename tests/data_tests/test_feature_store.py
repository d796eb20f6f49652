from __future__ import annotations

import os
import pickle

import numpy as np
import pytest

from data.inputs.encoding import ENCODINGS, encode_features
from data.inputs.features import build_features
from data.inputs.splits import split_tracks
from tests.support.tables import table, tracks_of

os.environ.setdefault("RAY_AUTH_MODE", "disabled")
os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")


@pytest.fixture
def session():
    import ray

    started = not ray.is_initialized()
    if started:
        ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, configure_logging=False)
    yield ray
    if started:
        ray.shutdown()


def test_features_travel_once_and_without_copies(tmp_path, session):
    from data.feature_store import get_features, put_features

    tracks = tracks_of(table(), tmp_path)
    features = build_features(tracks, split_tracks(tracks))
    handle = put_features(features)

    @session.remote
    def look(handle):
        first, second = get_features(handle), get_features(handle)
        array = first.x_train
        return (
            first is second,
            array.flags.owndata,
            array.flags.writeable,
            array.flags.c_contiguous,
            array.sum(),
        )

    same, owns, writeable, contiguous, total = session.get(look.remote(handle))
    assert (same, owns, writeable, contiguous) == (True, False, False, True)
    assert total == features.x_train.sum()
    assert pickle.loads(pickle.dumps(handle)) == handle
    assert handle.fingerprint == get_features(handle).fingerprint == features.fingerprint
    np.testing.assert_array_equal(get_features(handle).y_val, features.y_val)


def test_each_encoding_is_put_once_and_workers_keep_those_they_fetched(tmp_path, session):
    from data.feature_store import get_features, put_encodings

    tracks = tracks_of(table(), tmp_path)
    features = build_features(tracks, split_tracks(tracks))
    handles = put_encodings(features, [*ENCODINGS, "quantile"])
    assert list(handles) == list(ENCODINGS)

    @session.remote
    def look(handles):
        first = {encoding: get_features(handle) for encoding, handle in handles.items()}
        second = {encoding: get_features(handle) for encoding, handle in handles.items()}
        kept = all(first[encoding] is second[encoding] for encoding in handles)
        shared = not any(found.x_train.flags.owndata for found in first.values())
        return kept, shared, {encoding: found.fingerprint for encoding, found in first.items()}

    kept, shared, prints = session.get(look.remote(handles))
    assert kept and shared
    assert prints == {encoding: encode_features(features, encoding).fingerprint for encoding in ENCODINGS}
