from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from data.errors import InputError, InputWarning
from data.inputs.encoding import ENCODINGS, encode_features
from data.inputs.features import build_features
from data.inputs.splits import split_tracks
from data.tables.tracks import Tracks, load_tracks
from data.titles.text_model import TextModel
from results.rendering.exports import write_table
from spaces import Configuration
from tests.support.tables import GENRES, edited, table, tracks_of, write_csv
from trainables.checkpoint import save_model
from trainables.inference import load_inputs, predict, predict_table
from trainables.mlp import Architecture, GenreMLP
from trainables.model_card import ModelCard, Provenance

CONFIGURATION = Configuration(hidden_layers=(8,), batch_norm=True, dropout=0.7)
PROBABILITIES = [f"probability_{genre}" for genre in GENRES]


@pytest.fixture(autouse=True)
def embeddings(monkeypatch):
    calls: list[int] = []

    def embed_titles(albums, names, model=None, encoder=None):
        calls.append(len(albums))
        rows = [[len(album), len(name), *range(3, 9)] for album, name in zip(albums, names, strict=True)]
        return np.array(rows, dtype=np.float32)

    stub = SimpleNamespace(embed_titles=embed_titles)
    monkeypatch.setitem(sys.modules, "data.titles.embeddings", stub)
    packaged = TextModel(name=None, folder=Path("packaged"), sha256="packaged")
    monkeypatch.setattr("data.inputs.features.find_text_model", lambda: packaged)
    monkeypatch.setattr("data.titles.text_model.find_text_model", lambda name=None: packaged)
    return SimpleNamespace(stub=stub, calls=calls)


def saved_model(
    tracks: Tracks, directory: Path, kind: str = "audio", encoding: str = "standardised"
) -> tuple[GenreMLP, np.ndarray, np.ndarray]:
    """Its network, the features of its validation rows, and their row numbers."""
    split = split_tracks(tracks)
    features = encode_features(build_features(tracks, split, kind), encoding)
    architecture = Architecture.of(CONFIGURATION, len(features.names), len(features.genres))
    network = GenreMLP.build(architecture, seed=3, dropout=0.7)
    card = ModelCard(
        architecture=architecture,
        configuration=CONFIGURATION,
        genres=features.genres,
        feature_kind=kind,
        scaler=features.scaler,
        fingerprint=features.fingerprint,
        provenance=Provenance(),
        text_model=features.text_model.record if features.text_model else None,
    )
    save_model(directory, network.state_dict(), card)
    return network.eval(), features.x_val, split.val


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("kind", ["audio", "text", "fusion"])
def test_rows_in_their_order_as_the_network_sees_them(tmp_path, kind, encoding):
    tracks = tracks_of(table(), tmp_path)
    network, x_val, rows = saved_model(tracks, tmp_path / "model", kind, encoding)
    predicted = predict(tmp_path / "model", tracks)
    assert list(predicted) == ["track_name", "track_album_name", "playlist_genre", *PROBABILITIES]
    assert predicted["track_name"].tolist() == tracks.frame["track_name"].tolist()
    expected = network(torch.from_numpy(x_val)).softmax(1).detach().numpy()
    np.testing.assert_allclose(predicted[PROBABILITIES].to_numpy()[rows], expected, atol=1e-6)
    np.testing.assert_allclose(predicted[PROBABILITIES].sum(axis=1), 1)
    best = predicted[PROBABILITIES].to_numpy().argmax(axis=1)
    assert predicted["playlist_genre"].tolist() == [GENRES[genre] for genre in best]


def test_a_row_does_not_depend_on_the_others_nor_on_its_genre(tmp_path):
    tracks = tracks_of(table(), tmp_path)
    saved_model(tracks, tmp_path / "model")
    unlabelled = tracks_of(table().drop(columns="playlist_genre"), tmp_path, require_genre=False)
    order = np.random.default_rng(0).permutation(len(tracks))[:17]
    some = predict(tmp_path / "model", unlabelled.subset(order))
    whole = predict(tmp_path / "model", tracks).iloc[order].reset_index(drop=True)
    assert some["track_name"].tolist() == whole["track_name"].tolist()
    np.testing.assert_allclose(some[PROBABILITIES], whole[PROBABILITIES], rtol=1e-5)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_columns_are_found_by_name(tmp_path, encoding):
    numbers = "energy = 'energy'\ntempo = 'tempo'\n"
    (tmp_path / "few.toml").write_text(f"[numbers]\n{numbers}")
    (tmp_path / "many.toml").write_text("[numbers]\nkey = 'key'\ntempo = 'tempo'\nenergy = 'energy'\n")
    tracks = tracks_of(table(), tmp_path, mapping=tmp_path / "few.toml")
    saved_model(tracks, tmp_path / "model", encoding=encoding)
    others = tracks_of(table(), tmp_path, mapping=tmp_path / "many.toml")
    np.testing.assert_allclose(
        predict(tmp_path / "model", tracks)[PROBABILITIES], predict(tmp_path / "model", others)[PROBABILITIES]
    )


def test_missing_inputs_are_named_before_any_text_is_embedded(tmp_path, embeddings):
    saved_model(tracks_of(table(), tmp_path), tmp_path / "model", "fusion")
    mapping = tmp_path / "m.toml"
    mapping.write_text("[numbers]\nenergie = 'energy'\ntempo = 'tempo'\n")
    embeddings.calls.clear()
    with pytest.raises(InputError, match="lacks 13 of the 14 numbers") as caught:
        predict(tmp_path / "model", tracks_of(table(), tmp_path, mapping=mapping))
    assert "'energy' (did you mean 'energie'?)" in str(caught.value)
    assert "'release_year' (from a column 'track_album_release_date')" in str(caught.value)
    assert not embeddings.calls


class TestNothingIsAskedForButWhatTheModelReads:
    def predicted(self, folder: Path, frame: pd.DataFrame, mapping: str = "") -> pd.DataFrame:
        (folder / "new.toml").write_text(mapping)
        source = write_csv(frame, folder / "new.csv")
        return predict(
            folder / "model", load_inputs(folder / "model", source, folder / "new.toml" if mapping else None)
        )

    def test_a_model_of_numbers_needs_no_titles_and_a_model_of_titles_no_numbers(self, tmp_path):
        tracks = tracks_of(table(), tmp_path)
        saved_model(tracks, tmp_path / "model")
        numbers = table().drop(columns=["track_name", "track_album_name", "playlist_genre"])
        whole = predict(tmp_path / "model", tracks)
        predicted = self.predicted(tmp_path, numbers)
        pd.testing.assert_frame_equal(predicted, whole.drop(columns=["track_name", "track_album_name"]))
        pd.testing.assert_frame_equal(self.predicted(tmp_path, table()), whole)
        saved_model(tracks, tmp_path / "model", "text")
        titles = table()[["track_name", "track_album_name"]]
        pd.testing.assert_frame_equal(self.predicted(tmp_path, titles), predict(tmp_path / "model", tracks))
        with pytest.raises(InputError, match="'track_album_name' is missing"):
            self.predicted(tmp_path, titles.drop(columns="track_album_name"))

    def test_a_model_trained_through_a_mapping_needs_its_own_columns_alone(self, tmp_path):
        mapping = "[numbers]\nloud = 'energy'\ntempo = 'tempo'\nmode = 'mode'\n"
        (tmp_path / "m.toml").write_text(mapping)
        tracks = tracks_of(table(), tmp_path, mapping=tmp_path / "m.toml")
        saved_model(tracks, tmp_path / "model")
        expected = predict(tmp_path / "model", tracks)[PROBABILITIES]
        few = edited(table()[["energy", "tempo", "mode", "key"]], key={3: "C sharp"})
        for frame, mapped in (
            (few, mapping),
            (few, f"{mapping}key = 'key'\nvalence = 'gone'\n"),
            (few.rename(columns={"energy": "loud"}), ""),
        ):
            pd.testing.assert_frame_equal(self.predicted(tmp_path, frame, mapped)[PROBABILITIES], expected)

    def test_all_that_is_missing_is_named_at_once_with_a_mapping_to_paste(self, tmp_path):
        saved_model(tracks_of(table(), tmp_path), tmp_path / "model")
        names = {"tempo": "bpm", "track_album_release_date": "release_date", "energy": "Energy"}
        wanted = table().drop(columns=["track_name", "track_album_name", "playlist_genre"])
        with pytest.raises(InputError) as caught:
            self.predicted(tmp_path, wanted.rename(columns=names))
        message = str(caught.value)
        for new in names.values():
            assert f"is it {new!r} here?" in message
        assert "playlist_genre" not in message and "track_name" not in message
        predicted = self.predicted(tmp_path, wanted.rename(columns=names), caught.value.__notes__[0])
        pd.testing.assert_frame_equal(predicted, self.predicted(tmp_path, wanted))

    def test_a_mapping_that_lacks_an_input(self, tmp_path):
        saved_model(tracks_of(table(), tmp_path), tmp_path / "model")
        with pytest.raises(InputError, match=r"(?s)new.toml lacks 13 of the 14.*'energy' \(did you mean 'energie'"):
            self.predicted(tmp_path, table(), "[numbers]\nenergie = 'energy'\ntempo = 'tempo'\n")


class TestATableKeepsItsColumns:
    def test_rows_and_columns_stay_and_the_genre_is_the_prediction(self, tmp_path):
        frame = edited(table(), track_name={0: "=1+1", 2: "007"}, loudness={1: "-5.25"})
        frame["track_id"] = [f"{row:03}" for row in range(len(frame))]
        tracks = tracks_of(frame, tmp_path)
        saved_model(tracks, tmp_path / "model")
        expected = predict(tmp_path / "model", tracks)
        found = predict_table(tmp_path / "model", tmp_path / "table.csv")
        others = [name for name in frame if name != "playlist_genre"]
        assert list(found) == [*others, "playlist_genre", *PROBABILITIES]
        pd.testing.assert_frame_equal(found[expected.columns], expected)
        assert (found["playlist_genre"] != frame["playlist_genre"]).any()
        assert found["track_id"].tolist() == frame["track_id"].tolist()
        assert found["loudness"].tolist() == frame["loudness"].astype(float).tolist()
        written = write_table(found, tmp_path / "predicted.csv")
        read = pd.read_csv(written, dtype={"track_id": str})
        assert read["track_name"][0] == "'=1+1" and read["loudness"][1] == -5.25
        assert read["track_id"].tolist() == frame["track_id"].tolist()
        # what was predicted can be predicted again
        pd.testing.assert_frame_equal(predict_table(tmp_path / "model", written)[PROBABILITIES], found[PROBABILITIES])
        write_table(found, tmp_path / "predicted.parquet")
        again = predict_table(tmp_path / "model", tmp_path / "predicted.parquet")
        pd.testing.assert_frame_equal(again, found, check_dtype=False)

    def test_genres_that_the_model_does_not_know(self, tmp_path):
        saved_model(tracks_of(table(), tmp_path), tmp_path / "model")
        wrong = edited(table(), playlist_genre={0: "edm", 1: "rok", 2: "", 3: "NA"})
        with pytest.raises(InputError, match=r"does not know: 'edm'.*, 'rok' \(did you mean 'rock'") as caught:
            predict_table(tmp_path / "model", write_csv(wrong, tmp_path / "new.csv"))
        assert str(caught.value).count("new.csv") == 1 and "NA" not in str(caught.value)
        bare = wrong.drop(columns="playlist_genre")
        assert len(predict_table(tmp_path / "model", write_csv(bare, tmp_path / "new.csv"))) == len(bare)


def with_provenance(directory: Path, **provenance: object) -> None:
    path = directory / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "provenance": provenance}))


def test_a_genre_that_was_held_back_is_no_puzzle(tmp_path):
    study = tmp_path / "study"
    saved_model(tracks_of(table(), tmp_path), study / "best")
    saved_model(tracks_of(table(), tmp_path), study / "stages" / "fusion")
    new = edited(table(), playlist_genre={0: "edm"})
    for model in (study / "best", study / "stages" / "fusion"):
        with_provenance(model, held_genres=["edm"])
        with pytest.raises(InputError, match="'edm' was held back for the study's transfer stage\\. Leave"):
            predict_table(model, new)
    saved_model(tracks_of(table(genres=(*GENRES, "edm")), tmp_path), study / "stages" / "transfer")
    for model in (study / "best", study / "stages" / "fusion"):
        with pytest.raises(InputError, match=f"transfer stage: the model in {study / 'stages' / 'transfer'} knows it"):
            predict_table(model, new)
    assert len(predict_table(study / "stages" / "transfer", new)) == len(new)


def test_many_unknown_genres_are_not_all_listed(tmp_path):
    saved_model(tracks_of(table(), tmp_path), tmp_path / "model")
    new = table().assign(playlist_genre=[f"micro {row}" for row in range(60)])
    with pytest.raises(InputError, match="'micro 0', 'micro 1', .* and 55 more; it knows latin"):
        predict_table(tmp_path / "model", new)


def test_paths_as_text_and_frames(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    tracks = tracks_of(table(), tmp_path)
    saved_model(tracks, tmp_path / "model")
    expected = predict(tmp_path / "model", tracks)
    for model in (tmp_path / "model", str(tmp_path / "model"), "~/model"):
        for source in (table(), "~/table.csv", tmp_path / "table.csv"):
            pd.testing.assert_frame_equal(predict(model, source), expected)
            found = predict_table(model, source)
            pd.testing.assert_frame_equal(found[PROBABILITIES], expected[PROBABILITIES])
    named = predict_table(tmp_path / "model", table().set_index("track_id").assign(track_name=b"x"))
    assert list(named)[:2] == ["track_id", "track_name"] and set(named["track_name"]) == {"x"}


def test_numbers_beside_a_missing_one_are_numbers_in_csv(tmp_path):
    saved_model(tracks_of(table(), tmp_path), tmp_path / "model")
    frame = table().assign(gain=["-5.3", "NA", *["+1e3"] * (len(table()) - 2)])
    found = predict_table(tmp_path / "model", write_csv(frame, tmp_path / "new.csv"))
    read = pd.read_csv(write_table(found, tmp_path / "predicted.csv"))
    assert read["gain"][0] == -5.3 and read["gain"][2] == 1000


def test_text_columns_and_the_same_sentence_model_are_needed(tmp_path, embeddings):
    tracks = tracks_of(table(), tmp_path)
    saved_model(tracks, tmp_path / "model", "text")
    (tmp_path / "m.toml").write_text("[text]\ntrack_name = 'track_name'\n")
    with pytest.raises(InputError, match="text features need track_album_name"):
        predict(tmp_path / "model", tracks_of(table(), tmp_path, mapping=tmp_path / "m.toml"))
    embeddings.stub.embed_titles = lambda albums, names, model, encoder: np.ones((len(names), 5), dtype=np.float32)
    with pytest.raises(InputError, match="reads 8 numbers of text, but the sentence model here gives 5"):
        predict(tmp_path / "model", tracks)


def test_the_sentence_model_that_it_was_trained_with_is_needed(tmp_path, monkeypatch):
    tracks = tracks_of(table(), tmp_path)
    saved_model(tracks, tmp_path / "model", "fusion")
    changed = TextModel(name=None, folder=Path("packaged"), sha256="changed")
    monkeypatch.setattr("data.titles.text_model.find_text_model", lambda name=None: changed)
    with pytest.raises(InputError, match="is another now"):
        predict(tmp_path / "model", tracks)
    # an older model does not say what it was trained with
    description = tmp_path / "model" / "model.json"
    document = json.loads(description.read_text())
    del document["text_model"]
    description.write_text(json.dumps(document))
    assert len(predict(tmp_path / "model", tracks)) == len(tracks)


def test_numbers_that_overflow(tmp_path):
    tracks = tracks_of(table(), tmp_path)
    saved_model(tracks, tmp_path / "model")
    wild = tracks_of(edited(table(), tempo={4: "1e300"}), tmp_path)
    with pytest.raises(InputError, match=r"1 rows hold numbers too large.*row 5"):
        predict(tmp_path / "model", wild)
    for encoding in ENCODINGS[1:]:
        saved_model(tracks, tmp_path / encoding, encoding=encoding)
        assert predict(tmp_path / encoding, wild)[PROBABILITIES].notna().all(axis=None)


def test_no_model(tmp_path):
    with pytest.raises(InputError, match="not a model directory"):
        predict(tmp_path / "none", tracks_of(table(), tmp_path))


def test_prediction_needs_no_ray():
    program = "import sys, trainables.inference; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_the_papers_unlabelled_table(tmp_path, real_data):
    tracks = load_tracks(real_data / "train.csv").subset(range(2000))
    saved_model(tracks, tmp_path / "model")
    unlabelled = load_tracks(real_data / "test_unlabelled.csv", require_genre=False)
    predicted = predict(tmp_path / "model", unlabelled)
    assert len(predicted) == 5357
    assert predicted["track_name"].tolist() == unlabelled.frame["track_name"].tolist()


def test_a_column_that_cannot_be_read_is_left_out_and_named(tmp_path):
    saved_model(tracks_of(table(), tmp_path), tmp_path / "model")
    typed = pa.Table.from_pandas(table()).append_column("at", pa.array(range(60), pa.timestamp("us", tz="Mars/Phobos")))
    pq.write_table(typed, tmp_path / "new.parquet")
    with pytest.warns(InputWarning, match="column 'at' is left out, since it cannot be read"):
        found = predict_table(tmp_path / "model", tmp_path / "new.parquet")
    assert "at" not in found and len(found) == 60
