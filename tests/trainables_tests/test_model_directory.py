from __future__ import annotations

import functools
import json
import operator
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from data.errors import InputError
from data.inputs.encoding import scaler_from_json
from data.inputs.features import FeatureScaler
from data.titles.text_model import TextModelRecord
from spaces import Configuration
from tests.support.examples import examples
from tests.support.made_up import flipped, train, training_data
from trainables.checkpoint import (
    load_model,
    save_model,
)
from trainables.mlp import Architecture, GenreMLP
from trainables.model_card import ModelCard, Provenance, read_card
from trainables.stack.stacked_mlp import unpack
from trainables.stack.state import StackState

_CONFIGURATION = Configuration(hidden_layers=(8, 4), batch_norm=True, batch_size=16)
_ARCHITECTURE = Architecture(input_size=3, hidden_layers=(8, 4), output_size=2, batch_norm=True)


_ENCODED = {
    "encoding": "piecewise_linear",
    "points": {"b": [0.0, 1.0]},
    "standardised": {"names": ["a", "b", "c"], "mean": [0.1, 0.2, 0.3], "scale": [1.0, 2.0, 3.0]},
}


def _trained(members: int = 3, batch_norm: bool = True) -> StackState:
    configuration = Configuration(hidden_layers=(8, 4), batch_norm=batch_norm, batch_size=16)
    return train([configuration] * members, training_data(40, 20), 2).state


def _card(**changes: Any) -> ModelCard:
    values: dict[str, Any] = {
        "architecture": _ARCHITECTURE,
        "configuration": _CONFIGURATION,
        "genres": ("jazz", "rock & rôle"),
        "feature_kind": "audio",
        "scaler": scaler_from_json(_ENCODED["standardised"]),
        "fingerprint": "f00d",
        "provenance": Provenance(study="s", epoch=3, metrics={"val_accuracy": 0.5}),
    }
    return ModelCard(**(values | changes))


def _save(directory: Path, **changes: Any) -> GenreMLP:
    network = GenreMLP.build(_ARCHITECTURE, seed=5)
    network(torch.randn(16, 3))
    save_model(directory, network.state_dict(), _card(**changes))
    return network.eval()


def test_a_model_comes_back(tmp_path: Path) -> None:
    saved = _save(tmp_path / "best")
    loaded, card = load_model(tmp_path / "best")
    assert card == _card() and hash(card.scaler) == hash(_card().scaler)
    assert not loaded.training
    assert all(torch.equal(saved.state_dict()[name], t) for name, t in loaded.state_dict().items())
    x = torch.randn(7, 3)
    assert torch.equal(saved(x), loaded(x))
    assert sorted(os.listdir(tmp_path / "best")) == ["model.json", "model.safetensors"]


def test_encoded_inputs_and_the_sentence_model_come_back(tmp_path: Path) -> None:
    text_model = TextModelRecord(name="some/model", sha256="f00d")
    _save(tmp_path, scaler=scaler_from_json(_ENCODED), text_model=text_model)
    card = load_model(tmp_path)[1]
    assert card.inputs == ("a", "b[0]", "c") and card.text_model == text_model
    document = json.loads((tmp_path / "model.json").read_text())
    del document["text_model"]
    (tmp_path / "model.json").write_text(json.dumps(document))
    assert load_model(tmp_path)[1].text_model is None


def test_the_best_state_of_a_stack_can_be_saved(tmp_path: Path) -> None:
    state = _trained()
    architecture = Architecture.of(_CONFIGURATION, 14, 5)
    names = tuple(f"x{column}" for column in range(14))
    scaler = FeatureScaler(names=names, mean=np.zeros(14), scale=np.ones(14))
    card = _card(architecture=architecture, genres=tuple("abcde"), scaler=scaler)
    best = unpack(architecture, state.best_parameters[1], state.best_statistics[1])
    save_model(tmp_path, best, card)
    loaded = load_model(tmp_path)[0].state_dict()
    assert all(
        torch.equal(loaded[name], t)
        for name, t in unpack(architecture, state.best_parameters[1], state.best_statistics[1]).items()
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"genres": ["jazz"]},
        {"genres": ["jazz", 3]},
        {"feature_kind": "video"},
        {"fingerprint": None},
        {"provenance": []},
        {"provenance": {"held_genres": "edm"}},
        {"provenance": {"held_genres": [3]}},
        {"provenance": {"study": 3}},
        {"provenance": {"seed": 4.5}},
        {"provenance": {"epoch": True}},
        {"provenance": {"metrics": {"val_accuracy": "high"}}},
        {"provenance": {"versions": []}},
        {"scaler": []},
        {"scaler": {"names": ["a"], "mean": [0.0], "scale": [1.0]}},
        {"scaler": {"names": ["a", "b", "c"], "mean": [0.0] * 3, "scale": [1.0, 0.0, 1.0]}},
        {"scaler": _ENCODED | {"points": {"b": [0.0, 1.0, 2.0]}}},
        {"text_model": []},
        {"text_model": {"name": "x"}},
        {"text_model": {"name": 3, "sha256": "f00d"}},
        {"text_model": {"name": None, "sha256": None}},
    ],
    ids=str,
)
def test_a_card_checks_itself(changes: dict[str, Any]) -> None:
    document = json.loads(_card().to_json("f00d")) | changes
    with pytest.raises(ValueError, match="must"):
        read_card(json.dumps(document))


def test_what_another_version_says_of_the_origin_is_left_out() -> None:
    document = json.loads(_card().to_json("f00d"))
    document["provenance"] = {"study": "s", "mood": ["blue"]}
    assert read_card(json.dumps(document))[0].provenance == Provenance(study="s")


def test_a_directory_without_a_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "odd" / "model.json").mkdir(parents=True)
    for name in ("nothing", "file", "odd"):
        with pytest.raises(InputError, match="is not a model directory"):
            load_model(tmp_path / name)


@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
def test_a_model_of_which_a_file_is_missing_empty_or_cut_is_refused(tmp_path: Path, name: str) -> None:
    _save(tmp_path)
    path = tmp_path / name
    content = path.read_bytes()
    for wrong in (content[:-9], b"", b"\xff\xfe\x00", flipped(content)[1:]):
        path.write_bytes(wrong)
        with pytest.raises(InputError, match=tmp_path.name):
            load_model(tmp_path)
    path.unlink()
    with pytest.raises(InputError, match=name):
        load_model(tmp_path)


def test_a_newer_format_says_so(tmp_path: Path) -> None:
    _save(tmp_path)
    document = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps(document | {"format": 2}))
    with pytest.raises(InputError, match="a newer genresweep wrote it"):
        load_model(tmp_path)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    """The hash fits, the shapes do not."""
    for architecture in (
        Architecture(input_size=3, hidden_layers=(8, 4), output_size=2),
        Architecture(input_size=3, hidden_layers=(8, 5), output_size=2, batch_norm=True),
        Architecture(input_size=3, hidden_layers=(8,), output_size=2, batch_norm=True),
        Architecture(input_size=3, hidden_layers=(8, 4, 4), output_size=2, batch_norm=True),
    ):
        save_model(tmp_path, GenreMLP.build(architecture, seed=0).state_dict(), _card())
        with pytest.raises(InputError, match=tmp_path.name):
            load_model(tmp_path)


_JSON_TEXTS = (
    "",
    "null",
    "[]",
    "3",
    '"model"',
    "{}",
    "[" * 200_000,
    '{"format": ' + "9" * 5000 + "}",
    '{"format": 1e999}',
    '{"format": 1}',
    "\ud800",
)


@pytest.mark.parametrize("text", _JSON_TEXTS, ids=lambda text: ascii(text[:20]))
def test_a_description_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    _save(tmp_path)
    (tmp_path / "model.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(InputError, match=tmp_path.name):
        load_model(tmp_path)


_HUGE = (10**6, 10**12, 2**31, 2**63, 10**30, 10**400, -1, 0)


@pytest.mark.parametrize("size", _HUGE, ids=lambda size: f"{float(min(size, 10**300)):.0e}")
@pytest.mark.parametrize("place", ["input_size", "output_size", "hidden", "deep"])
def test_a_network_of_any_claimed_size_is_refused_without_building_it(tmp_path: Path, place: str, size: int) -> None:
    _save(tmp_path)
    document = json.loads((tmp_path / "model.json").read_text())
    if place == "hidden":
        document["architecture"]["hidden_layers"] = [8, size]
    elif place == "deep":
        document["architecture"]["hidden_layers"] = [8] * min(max(size, 0), 10**5)
    else:
        document["architecture"][place] = size
    (tmp_path / "model.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match=tmp_path.name):
        load_model(tmp_path)


def test_no_path_in_a_description_is_followed(tmp_path: Path) -> None:
    """Only the two files beside one another are ever opened, whatever the description names."""
    saved = _save(tmp_path / "model")
    other = tmp_path / "other"
    save_model(other, GenreMLP.build(_ARCHITECTURE, seed=77).state_dict(), _card())
    path = tmp_path / "model" / "model.json"
    document = json.loads(path.read_text())
    for key in ("weights", "weights_file", "path"):
        document[key] = str(other / "model.safetensors")
    path.write_text(json.dumps(document))
    loaded, _ = load_model(tmp_path / "model")
    assert torch.equal(loaded.output.weight, saved.output.weight)
    for trick in ("../other/model.safetensors", "/dev/zero", "\0", str(other)):
        path.write_text(json.dumps(document | {"weights_sha256": trick}))
        with pytest.raises(InputError, match="damaged"):
            load_model(tmp_path / "model")


_PATHS = [
    ("format",),
    ("weights_sha256",),
    *[
        ("architecture", name)
        for name in ("", "input_size", "hidden_layers", "output_size", "activation", "batch_norm")
    ],
    *[("configuration", name) for name in ("", "hidden_layers", "dropout", "optimizer", "patience", "nonsense")],
    ("genres",),
    ("feature_kind",),
    *[("scaler", name) for name in ("", "encoding", "points", "standardised")],
    *[("scaler", "standardised", name) for name in ("names", "mean", "scale")],
    ("scaler", "points", "b"),
    *[("text_model", name) for name in ("", "name", "sha256")],
    ("fingerprint",),
    ("provenance",),
]
_ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([10**400, -(10**400), "../../etc/passwd", "\0", [8, 4], ["a", "b"], [1.0, 2.0, 3.0], "tanh"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@functools.cache
def _model_files() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        _save(Path(folder), scaler=scaler_from_json(_ENCODED), text_model=TextModelRecord(name=None, sha256="f00d"))
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


@examples(80)
@given(path=st.sampled_from(_PATHS), value=_ANY_JSON, remove=st.booleans())
def test_a_hostile_description_raises_input_error_and_nothing_else(
    path: tuple[str, ...], value: Any, remove: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        directory, files = Path(folder), _model_files()
        document = json.loads(files["model.json"])
        *outer, last = [name for name in path if name]
        target = functools.reduce(operator.getitem, outer, document)
        target[last] = value
        if remove:
            del target[last]
        (directory / "model.safetensors").write_bytes(files["model.safetensors"])
        (directory / "model.json").write_text(json.dumps(document))
        try:
            network, card = load_model(directory)
        except InputError as error:
            message = str(error)
        else:
            assert network(torch.zeros(2, 3)).shape == (2, 2)
            assert card.architecture == network.architecture
            return
        assert folder in message
