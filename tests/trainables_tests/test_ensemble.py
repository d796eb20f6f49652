"""Ensembles on disk: what was written is mixed, whole or not at all, and damage is found."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import InputError
from data.inputs.encoding import encode_features
from data.inputs.features import build_features
from data.inputs.splits import split_tracks
from data.tables.tracks import Tracks
from spaces import Configuration
from tests.support.tables import GENRES, table, tracks_of
from trainables.checkpoint import save_model
from trainables.ensemble import INDEX, NewerFormatError, load_members, save_ensemble
from trainables.inference import predict, predict_table
from trainables.mlp import Architecture, GenreMLP
from trainables.model_card import ModelCard, Provenance

PROBABILITIES = [f"probability_{genre}" for genre in GENRES]
SHARES = {"a": 0.75, "b": 0.25}


def write_model(tracks: Tracks, directory: Path, seed: int, encoding: str = "standardised") -> None:
    configuration = Configuration(hidden_layers=(8,), encoding=encoding)
    features = encode_features(build_features(tracks, split_tracks(tracks), "audio"), encoding)
    architecture = Architecture.of(configuration, len(features.names), len(features.genres))
    card = ModelCard(
        architecture=architecture,
        configuration=configuration,
        genres=features.genres,
        feature_kind="audio",
        scaler=features.scaler,
        fingerprint=features.fingerprint,
        provenance=Provenance(),
    )
    save_model(directory, GenreMLP.build(architecture, seed=seed).state_dict(), card)


@pytest.fixture
def tracks(tmp_path: Path) -> Tracks:
    return tracks_of(table(), tmp_path)


@pytest.fixture
def ensemble(tmp_path: Path, tracks: Tracks) -> Path:
    """Two networks with two encodings."""

    def write(name: str, place: Path) -> None:
        write_model(tracks, place, 1 if name == "a" else 2, "standardised" if name == "a" else "piecewise_linear")

    save_ensemble(tmp_path / "ensemble", SHARES, write)
    return tmp_path / "ensemble"


def member(directory: Path, name: str) -> Path:
    """The folder of a member, whose name ends with a hash."""
    (found,) = (directory / "members").glob(f"{name}-*")
    return found


def test_its_prediction_is_the_mean_of_its_members_by_their_shares(ensemble: Path, tracks: Tracks) -> None:
    found = predict(ensemble, tracks)
    alone = {name: predict(member(ensemble, name), tracks)[PROBABILITIES].to_numpy() for name in SHARES}
    expected = sum(share * alone[name] for name, share in SHARES.items())
    np.testing.assert_allclose(found[PROBABILITIES].to_numpy(), expected, rtol=0, atol=1e-15)
    assert found["playlist_genre"].tolist() == [GENRES[place] for place in expected.argmax(axis=1)]
    whole = predict_table(ensemble, str(tracks.source))
    np.testing.assert_array_equal(whole[PROBABILITIES], found[PROBABILITIES])


def test_a_new_one_replaces_its_members(ensemble: Path, tracks: Tracks) -> None:
    save_ensemble(ensemble, {"c": 1.0}, lambda name, place: write_model(tracks, place, 3))
    assert [path.name[:2] for path in (ensemble / "members").iterdir()] == ["c-"]
    assert len(load_members(ensemble)) == 1


def test_a_kill_in_between_leaves_the_one_before(ensemble: Path, tracks: Tracks) -> None:
    before = predict(ensemble, tracks)
    calls: list[str] = []

    def killed(name: str, place: Path) -> None:
        calls.append(name)
        write_model(tracks, place, 3)
        if len(calls) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save_ensemble(ensemble, {"a": 0.5, "d": 0.5}, killed)
    pd.testing.assert_frame_equal(predict(ensemble, tracks), before)
    save_ensemble(ensemble, {"a": 1.0}, lambda name, place: write_model(tracks, place, 3))
    assert len(list((ensemble / "members").iterdir())) == 1, "what the killed command left is gone"


def test_one_that_was_never_finished_says_so(ensemble: Path, tracks: Tracks) -> None:
    (ensemble / INDEX).unlink()
    with pytest.raises(InputError, match="holds no sound ensemble.*genresweep ensemble STUDY"):
        predict(ensemble, tracks)


def test_one_of_a_newer_version_is_not_to_be_replaced(ensemble: Path, tracks: Tracks) -> None:
    _edit(ensemble, format=2)
    with pytest.raises(NewerFormatError, match="a newer version of genresweep wrote it"):
        predict(ensemble, tracks)


def _edit(directory: Path, **changes: object) -> None:
    document = json.loads((directory / INDEX).read_text())
    (directory / INDEX).write_text(json.dumps(document | changes))


def _damage(directory: Path, what: str) -> None:
    weights = member(directory, "b") / "model.safetensors"
    members = json.loads((directory / INDEX).read_text())["members"]
    if what == "weights":
        weights.write_bytes(weights.read_bytes()[:-4] + b"abcd")
    elif what == "another card":
        card = member(directory, "b") / "model.json"
        card.write_text(card.read_text().replace('"seed"', '"sead"') + " ")
    elif what == "lost":
        weights.unlink()
    elif what == "twice":
        _edit(directory, members=[{**members[0], "share": 0.5}] * 2)
    elif what == "nested":
        (directory / INDEX).write_text("[" * 100_000)
    elif what == "a number":
        (directory / INDEX).write_text("3")
    elif what == "numbers":
        _edit(directory, members=[3])
    elif what == "no members":
        _edit(directory, members=[])
    elif what == "shares":
        _edit(directory, members=[{**one, "share": 0.9} for one in members])
    elif what == "a path":
        _edit(directory, members=[{**one, "name": f"../members/{one['name']}"} for one in members])
    elif what == "not JSON":
        (directory / INDEX).write_text("{")
    elif what == "lacking":
        (directory / INDEX).write_text('{"format": 1}')


@pytest.mark.parametrize(
    "what",
    [
        *(
            "weights",
            "another card",
            "lost",
            "no members",
            "shares",
            "a path",
            "not JSON",
            "lacking",
            "twice",
            "nested",
        ),
        *("a number", "numbers"),
    ],
)
def test_damage_is_found_and_the_way_out_is_said(ensemble: Path, tracks: Tracks, what: str) -> None:
    _damage(ensemble, what)
    with pytest.raises(InputError, match="genresweep ensemble STUDY"):
        predict(ensemble, tracks)
