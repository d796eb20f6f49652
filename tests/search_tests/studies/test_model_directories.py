from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from data.inputs.encoding import ENCODINGS, encode_features
from data.inputs.features import build_features
from data.inputs.splits import split_tracks
from search.studies.model_directories import features_for
from spaces import Configuration
from tests.support.tables import table, tracks_of


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_features_in_the_encoding_of_a_configuration(tmp_path: Any, encoding: str) -> None:
    tracks = tracks_of(table(), tmp_path)
    features = build_features(tracks, split_tracks(tracks))
    configuration: Any = SimpleNamespace(encoding=encoding)
    found = features_for(configuration, features)
    np.testing.assert_array_equal(found.x_val, encode_features(features, encoding).x_val)
    assert features_for(Configuration(hidden_layers=(8,)), features) is features
