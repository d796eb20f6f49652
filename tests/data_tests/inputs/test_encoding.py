from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.preprocessing import QuantileTransformer

from data.errors import InputError
from data.inputs.encoding import (
    BINS,
    ENCODINGS,
    QUANTILES,
    EncodedScaler,
    PiecewiseLinearColumn,
    QuantileColumn,
    encode_features,
    scaler_from_json,
)
from data.inputs.features import Features, FeatureScaler, build_features
from data.inputs.splits import split_tracks
from spaces import hyperparameters
from tests.support.tables import edited, table, tracks_of

OTHERS = ENCODINGS[1:]
COLUMNS = (QuantileColumn, PiecewiseLinearColumn)
NAMES = ("free", "tied", "mode", "text_000", "constant")

smooth = st.floats(-4, 4, width=32)
tied = st.sampled_from([0.0, 0.25, 1.0])
columns = st.lists(smooth | tied, min_size=2, max_size=60).map(np.array).filter(lambda values: np.ptp(values) > 0)
few_or_many = st.integers(2, 60)


def features_of(train: np.ndarray, val: np.ndarray, kind: str = "fusion") -> Features:
    """Standardised by the training rows; columns as in ``NAMES``, the third binary and the fourth the model's."""
    scaler = FeatureScaler.fit(train, NAMES, ("mode",))
    labels = {f"y_{side}": np.zeros(n, np.int64) for side, n in (("train", len(train)), ("val", len(val)))}
    return Features(
        names=NAMES,
        genres=("a",),
        x_train=scaler.transform(train),
        x_val=scaler.transform(val),
        x_holdout=scaler.transform(val[:0]),
        y_holdout=np.zeros(0, np.int64),
        scaler=scaler,
        fingerprint="0",
        kind=kind,  # type: ignore[arg-type]
        **labels,
    )


@st.composite
def matrices(draw: st.DrawFn, least: int = 3) -> np.ndarray:
    rows = draw(st.integers(least, 40))
    free = draw(arrays(np.float64, rows, elements=st.floats(-1e6, 1e6)))
    few = draw(arrays(np.float64, rows, elements=st.sampled_from([0.0, 1.0, 7.0])))
    mode = draw(arrays(np.float64, rows, elements=st.sampled_from([0.0, 1.0])))
    return np.column_stack([free, few, mode, free[::-1] / 3, np.full(rows, 2020.0)])


@pytest.mark.parametrize("column", COLUMNS)
@given(columns, st.lists(st.floats(-1e30, 1e30), min_size=2, max_size=30))
def test_a_larger_number_is_never_encoded_as_less(column, values, others):
    encoding = column.fit(values)
    ordered = np.sort(np.concatenate([values, others]))
    encoded = encoding(ordered)
    assert np.isfinite(encoded).all() and np.abs(encoded).max() < 4
    assert (np.diff(encoded, axis=0) >= 0).all()
    assert encoded[-1].sum() > encoded[0].sum()


@given(columns, st.floats(-10, 10))
def test_bins_fill_one_after_the_other(values, number):
    encoding = PiecewiseLinearColumn.fit(values)
    parts = encoding(np.array([number]))[0] + 0.5
    assert len(parts) == len(encoding.names("x")) <= BINS
    for before, after in pairwise(parts):
        assert after <= 0 or before >= 1
    inside = np.clip(number, *encoding.points[[0, -1]])
    covered = encoding.points[0] + np.clip(parts, 0, 1) @ np.diff(encoding.points)
    np.testing.assert_allclose(covered, inside, atol=1e-9)


def test_outer_bins_go_on_for_their_own_width():
    encoding = PiecewiseLinearColumn(np.array([0.0, 1.0, 3.0]))
    numbers = np.array([-9.0, -0.5, 0.0, 0.5, 2.0, 4.0, 1e30, np.inf, -np.inf])
    first = [-1.5, -1, -0.5, 0, 0.5, 0.5, 0.5, 0.5, -1.5]
    last = [-0.5, -0.5, -0.5, -0.5, 0, 1, 1.5, 1.5, -0.5]
    np.testing.assert_array_equal(encoding(numbers), np.column_stack([first, last]))


@pytest.mark.parametrize(("different", "bins"), [(2, 1), (5, 4), (12, 11), (100, BINS)])
def test_equal_edges_are_merged(different, bins):
    values = np.arange(1000) % different
    assert len(PiecewiseLinearColumn.fit(values).names("key")) == bins
    assert QuantileColumn.fit(values).names("key") == ("key",)


@given(columns, st.lists(smooth | tied, min_size=1, max_size=30))
def test_quantiles_are_those_of_scikit_learn(values, others):
    reference = QuantileTransformer(n_quantiles=QUANTILES, output_distribution="normal", subsample=None)
    # it draws the line at the number of rows: the same sample, so often that all quantiles fit
    sample = np.repeat(values, QUANTILES)
    reference.fit(sample[:, None])
    encoding = QuantileColumn.fit(sample)
    np.testing.assert_allclose(encoding.points, reference.quantiles_[:, 0], rtol=1e-12, atol=1e-12)
    numbers = np.concatenate([values, others])
    numbers = numbers[(numbers > values.min() + 1e-6) & (numbers < values.max() - 1e-6)]
    if len(numbers):
        most = encoding(np.array([np.inf]))[0, 0]
        expected = np.clip(reference.transform(numbers[:, None]), -most, most)
        np.testing.assert_allclose(QuantileColumn(reference.quantiles_[:, 0])(numbers), expected, atol=1e-6)


def test_many_equal_rows_at_an_end_are_no_outlier():
    values = np.concatenate([np.zeros(400), np.linspace(0.01, 1, 600)])
    zeros, ones = QuantileColumn.fit(values)(np.array([0.0, 1.0]))[:, 0]
    assert -0.9 < zeros < -0.8
    assert 2.5 < ones < 3


@pytest.mark.parametrize("encoding", OTHERS)
@given(matrices(), matrices(least=1), matrices(least=1))
def test_only_training_rows_are_fitted(encoding, train, val, other):
    one, two = (encode_features(features_of(train, rows), encoding) for rows in (val, other))
    assert one.scaler.to_json() == two.scaler.to_json()
    assert one.names == two.names and one.fingerprint == two.fingerprint
    np.testing.assert_array_equal(one.x_train, two.x_train)


@pytest.mark.parametrize("encoding", OTHERS)
@given(matrices(), matrices(least=1))
def test_scalers_go_through_json_to_the_bit(encoding, train, val):
    features = features_of(train, val)
    encoded = encode_features(features, encoding)
    back = scaler_from_json(json.loads(json.dumps(encoded.scaler.to_json())))
    assert back == encoded.scaler and hash(back) == hash(encoded.scaler)
    assert back.columns == features.names and back.names == encoded.names
    for raw, x in ((train, encoded.x_train), (val, encoded.x_val)):
        found = back.transform(raw)
        assert found.dtype == np.float32 and found.flags.c_contiguous
        np.testing.assert_array_equal(found, x)
    np.testing.assert_array_equal(back.encode(features).x_val, encoded.x_val)
    assert back.encode(features).fingerprint == encoded.fingerprint


@pytest.mark.parametrize("encoding", OTHERS)
@given(matrices())
def test_binary_constant_and_text_columns_pass_through(encoding, train):
    features = features_of(train, train)
    encoded = encode_features(features, encoding)
    for name in ("mode", "text_000", "constant"):
        before, after = features.names.index(name), encoded.names.index(name)
        np.testing.assert_array_equal(encoded.x_val[:, after], features.x_val[:, before])


def test_more_rows_than_are_encoded_at_once():
    train = np.random.default_rng(0).normal(size=(10_000, 5))
    features = features_of(train, train[::7])
    encoded = encode_features(features, "piecewise_linear")
    scaler = encoded.scaler
    assert isinstance(scaler, EncodedScaler)
    column = scaler.encoded["free"](features.x_train[:, 0].astype(np.float64))
    np.testing.assert_array_equal(encoded.x_train[:, :BINS], column.astype(np.float32))
    np.testing.assert_array_equal(encoded.x_train[::7], encoded.x_val)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_features_of_tracks(tmp_path, encoding):
    tracks = tracks_of(table(200), tmp_path)
    split = split_tracks(tracks, holdout=0.2)
    features = build_features(tracks, split)
    encoded = encode_features(features, encoding)
    assert (encoded is features) == (encoding == "standardised")
    assert encoded.genres == features.genres and encoded.kind == "audio" and encoded.y_train is features.y_train
    assert encoded.x_holdout.shape == (len(split.holdout), len(encoded.names))
    assert "mode" in encoded.names and ("tempo[0]" in encoded.names) == (encoding == "piecewise_linear")
    again = build_features(tracks, split, scaler=encoded.scaler)
    assert again.fingerprint == encoded.fingerprint and again.names == encoded.names
    np.testing.assert_array_equal(again.x_val, encoded.x_val)


def test_fingerprints_tell_encodings_apart(tmp_path):
    tracks = tracks_of(edited(table(60), energy={0: "9"}), tmp_path)
    features = build_features(tracks, split_tracks(tracks))
    assert len({encode_features(features, encoding).fingerprint for encoding in ENCODINGS}) == len(ENCODINGS)


def test_audio_inputs_have_the_same_names_and_bins_beside_text():
    train = np.random.default_rng(0).normal(size=(300, 5))
    fusion = encode_features(features_of(train, train), "piecewise_linear")
    audio = encode_features(features_of(train, train, kind="audio"), "piecewise_linear")
    assert "text_000" in fusion.names and "text_000[0]" in audio.names
    for name in fusion.names:
        if name in audio.names:
            there, here = (part.x_val[:, part.names.index(name)] for part in (audio, fusion))
            np.testing.assert_array_equal(there, here)


def test_nothing_to_encode():
    train = np.random.default_rng(0).normal(size=(30, 5))
    features = features_of(train, train)
    names = tuple(f"text_{place:03d}" for place in range(5))
    scaler = FeatureScaler.fit(train, names)
    text = replace(features, names=names, scaler=scaler, kind="text", x_train=scaler.transform(train))
    assert encode_features(text, "quantile") is text


def test_wrong_use():
    train = np.random.default_rng(0).normal(size=(30, 5))
    features = features_of(train, train)
    with pytest.raises(InputError, match="did you mean 'quantile'"):
        encode_features(features, "quantiles")
    with pytest.raises(ValueError, match="must be standardised"):
        encode_features(encode_features(features, "quantile"), "quantile")
    with pytest.raises(ValueError, match="must have 5 columns"):
        encode_features(features, "quantile").scaler.transform(train[:, :4])


def sound(encoding: str) -> dict:
    standardised = FeatureScaler(names=("a", "b"), mean=np.zeros(2), scale=np.ones(2)).to_json()
    return {"encoding": encoding, "points": {"b": [0.0, 1.0, 2.0]}, "standardised": standardised}


HOSTILE = {
    "unknown encoding": {"encoding": "one_hot"},
    "standardised is none": {"encoding": "standardised"},
    "no text": {"encoding": ["quantile"]},
    "points of no column": {"points": {"c": [0.0, 1.0]}},
    "no table": {"points": [[0.0, 1.0]]},
    "no list": {"points": {"b": {"0": 1.0}}},
    "a single point": {"points": {"b": [0.0]}},
    "a matrix": {"points": {"b": [[0.0, 1.0], [1.0, 2.0]]}},
    "texts": {"points": {"b": ["0.0", "1.0"]}},
    "nothing": {"points": {"b": [0.0, None]}},
    "not finite": {"points": {"b": [0.0, float("inf")]}},
    "not a number": {"points": {"b": [0.0, float("nan"), 1.0]}},
    "whole numbers beyond float64": {"points": {"b": [0, 10**400]}},
    "decreasing": {"points": {"b": [0.0, 2.0, 1.0]}},
    "no standardisation": {"standardised": None},
    "a wrong standardisation": {"standardised": {"names": ["a", "b"], "mean": [0.0], "scale": [1.0, 1.0]}},
}


@pytest.mark.parametrize("encoding", OTHERS)
@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_hostile_json_is_refused(encoding, change):
    assert len(scaler_from_json(sound(encoding)).columns) == 2
    with pytest.raises(ValueError):  # noqa: PT011
        scaler_from_json({**sound(encoding), **change})


def test_equal_edges_are_refused_where_bins_stand_between_them():
    equal = {"points": {"b": [0.0, 1.0, 1.0]}}
    assert scaler_from_json({**sound("quantile"), **equal}).names == ("a", "b")
    with pytest.raises(ValueError, match="must increase"):
        scaler_from_json({**sound("piecewise_linear"), **equal})


def test_a_configuration_may_ask_for_these_encodings_and_no_others() -> None:
    assert ENCODINGS == hyperparameters.ENCODINGS
