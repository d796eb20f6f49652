from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import InputError
from data.inputs.features import FeatureScaler, audio_matrix, build_features
from data.inputs.splits import Split, split_tracks
from data.tables.columns import PAPER_NUMBERS
from data.titles.text_model import TextModel
from tests.support.tables import GENRES, edited, table, tracks_of


@pytest.fixture
def embeddings(monkeypatch):
    packaged = TextModel(name=None, folder=Path("packaged"), sha256="packaged")

    def embed_titles(albums, names, model=None, encoder=None):
        rows = [
            np.random.default_rng(len(a) * 1000 + len(n)).normal(size=384) for a, n in zip(albums, names, strict=True)
        ]
        matrix = np.array(rows, dtype=np.float32)
        matrix[:, 5] = 1e-33 * matrix[:, 5]
        return matrix

    monkeypatch.setitem(sys.modules, "data.titles.embeddings", SimpleNamespace(embed_titles=embed_titles))
    monkeypatch.setattr("data.inputs.features.find_text_model", lambda: packaged)
    return packaged


def test_audio_in_the_papers_order(tmp_path):
    tracks = tracks_of(table(), tmp_path)
    matrix, names, binary = audio_matrix(tracks)
    assert names == (*PAPER_NUMBERS, "release_year", "mode")
    assert binary == ("mode",)
    assert matrix.dtype == np.float64
    np.testing.assert_array_equal(matrix[:, 12], tracks.frame["release_year"])


def test_audio_features(tmp_path):
    tracks = tracks_of(table(), tmp_path)
    split = split_tracks(tracks, holdout=0.2)
    features = build_features(tracks, split)
    assert features.x_train.shape == (len(split.train), 14)
    assert features.x_holdout.shape == (12, 14)
    assert features.genres == GENRES
    np.testing.assert_allclose(features.x_train[:, :13].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(features.x_train[:, :13].std(axis=0), 1, atol=1e-5)
    np.testing.assert_array_equal(features.x_val[:, 13], tracks.frame["mode"].to_numpy()[split.val])
    named = np.array(features.genres)[features.y_val]
    np.testing.assert_array_equal(named, tracks.genres[split.val].astype(str))


def test_only_training_rows_are_fitted(tmp_path):
    tracks = tracks_of(table(), tmp_path)
    split = split_tracks(tracks, holdout=0.2)
    other = tracks_of(edited(table(), energy={int(row): "99" for row in (*split.val, *split.holdout)}), tmp_path)
    one, two = build_features(tracks, split), build_features(other, split)
    np.testing.assert_array_equal(one.x_train, two.x_train)
    np.testing.assert_array_equal(one.scaler.mean, two.scaler.mean)
    np.testing.assert_array_equal(one.scaler.scale, two.scaler.scale)
    assert (two.x_val[:, 2] > 10).all()
    moved = tracks_of(edited(table(), energy={int(split.train[0]): "99"}), tmp_path)
    assert build_features(moved, split).scaler.mean[2] != one.scaler.mean[2]


def test_a_genre_that_never_trains(tmp_path):
    tracks = tracks_of(table(20, genres=("a", "b")), tmp_path)
    rows = np.arange(20)
    split = Split(train=rows[::2][:8], val=rows[1::2], holdout=rows[:0], kind="random", seed=0)
    with pytest.raises(InputError, match="without a training row: b"):
        build_features(tracks, split)
    part = Split(train=rows[::2][:8], val=rows[::2][8:], holdout=rows[:0], kind="random", seed=0)
    assert build_features(tracks, part).genres == ("a",)


def test_text_and_fusion(tmp_path, embeddings):
    tracks = tracks_of(table(), tmp_path)
    split = split_tracks(tracks)
    audio, text, fusion = (build_features(tracks, split, kind) for kind in ("audio", "text", "fusion"))
    assert (text.x_val.shape[1], fusion.x_val.shape[1]) == (384, 398)
    assert fusion.names == audio.names + text.names
    np.testing.assert_array_equal(fusion.x_train, np.hstack([audio.x_train, text.x_train]))
    assert np.isfinite(text.x_val).all()
    assert np.abs(text.x_val[:, 5]).max() < 1e-30
    assert len({audio.fingerprint, text.fingerprint, fusion.fingerprint}) == 3
    assert (audio.text_model, text.text_model, fusion.text_model) == (None, embeddings, embeddings)
    other = TextModel(name="another", folder=Path("another"), sha256="another")
    assert build_features(tracks, split, "text", text_model=other).fingerprint != text.fingerprint
    assert build_features(tracks, split, "text", text_model=other).text_model == other
    assert build_features(tracks, split, "audio", text_model=other).fingerprint == audio.fingerprint


def test_fingerprint_covers_split_and_data(tmp_path):
    tracks = tracks_of(table(), tmp_path)
    prints = {
        build_features(tracks, split_tracks(tracks)).fingerprint,
        build_features(tracks, split_tracks(tracks)).fingerprint,
        build_features(tracks, split_tracks(tracks, seed=1)).fingerprint,
        build_features(tracks_of(edited(table(), key={0: "5"}), tmp_path), split_tracks(tracks)).fingerprint,
    }
    assert len(prints) == 3


def test_wrong_kinds(tmp_path):
    tracks = tracks_of(table(), tmp_path)
    split = split_tracks(tracks)
    with pytest.raises(InputError, match="did you mean 'audio'"):
        build_features(tracks, split, "audo")
    mapping = tmp_path / "m.toml"
    mapping.write_text("[text]\n[numbers]\ntempo = 'tempo'\n")
    bare = tracks_of(table(), tmp_path, mapping=mapping)
    with pytest.raises(InputError, match="text features need track_album_name and track_name"):
        build_features(bare, split, "text")


def test_constant_columns_are_not_blown_up():
    matrix = np.column_stack(
        [np.full(9, 1e9), 1e9 + np.linspace(0, 1e-4, 9), 1e-33 * np.arange(9), np.arange(9) * 1e-9]
    )
    scaler = FeatureScaler.fit(matrix, ("a", "b", "c", "d"))
    assert scaler.scale[:3].tolist() == [1, 1, 1]
    assert scaler.scale[3] < 1e-8


@given(
    st.lists(
        st.tuples(st.floats(-1e9, 1e9), st.floats(-1e-6, 1e-6), st.sampled_from([0.0, 1.0])),
        min_size=2,
        max_size=20,
    )
)
def test_scaler_goes_through_json_to_the_bit(rows):
    matrix = np.array(rows)
    scaler = FeatureScaler.fit(matrix, ("a", "b", "c"), ("c",))
    back = FeatureScaler.from_json(json.loads(json.dumps(scaler.to_json())))
    assert back == scaler and hash(back) == hash(scaler) and back != FeatureScaler.fit(matrix * 2 + 1, scaler.names)
    np.testing.assert_array_equal(scaler.transform(matrix), back.transform(matrix))
    np.testing.assert_array_equal(back.transform(matrix)[:, 2], matrix[:, 2])
    assert back.names == scaler.names


def test_scaler_checks_itself():
    with pytest.raises(ValueError, match="positive"):
        FeatureScaler(names=("a",), mean=np.zeros(1), scale=np.zeros(1))
    with pytest.raises(ValueError, match="2 finite numbers"):
        FeatureScaler(names=("a", "b"), mean=np.zeros(1), scale=np.ones(2))
    scaler = FeatureScaler(names=("a",), mean=np.zeros(1), scale=np.ones(1))
    with pytest.raises(ValueError, match="must have 1 columns"):
        scaler.transform(np.zeros((3, 2)))
