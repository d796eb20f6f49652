from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from data.errors import InputError
from data.titles import text_model
from data.titles.text_model import find_text_model, recorded_text_model


@pytest.fixture
def hub(tmp_path, tiny_model, monkeypatch) -> Path:
    """An empty Hugging Face cache; the folder where ``sentence-transformers/tiny`` would stand in it."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return tmp_path / "hub" / "models--sentence-transformers--tiny"


def put_in(hub: Path, model: Path) -> None:
    (hub / "refs").mkdir(parents=True)
    (hub / "refs" / "main").write_text("1234")
    shutil.copytree(model, hub / "snapshots" / "1234")


def test_the_packaged_model_has_no_name():
    found = find_text_model()
    assert found.name is None and (found.folder / "model.safetensors").is_file()
    assert recorded_text_model(None) == recorded_text_model(found.record) == found


def test_changed_packaged_weights_are_refused(monkeypatch):
    monkeypatch.setattr(text_model, "MODEL_SHA256", "0" * 64)
    with pytest.raises(InputError, match="force-reinstall"):
        find_text_model()


def test_a_folder_is_known_by_its_content(tiny_model, tmp_path):
    copy = Path(shutil.copytree(tiny_model, tmp_path / "copy"))
    one, two = find_text_model(str(tiny_model)), find_text_model(str(copy))
    assert one.sha256 == two.sha256 and (one.folder, two.folder) == (tiny_model, copy)
    (copy / "README.md").write_text("no weights")
    assert find_text_model(str(copy)).sha256 == one.sha256
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert find_text_model(str(copy)).sha256 != one.sha256


@pytest.mark.parametrize("name", ["tiny", "sentence-transformers/tiny"])
@pytest.mark.parametrize("download", [True, False])
def test_a_name_in_the_local_cache(hub, tiny_model, name, download):
    put_in(hub, tiny_model)
    found = find_text_model(name, download=download)
    assert (found.name, found.folder) == (name, hub / "snapshots" / "1234")
    assert found.sha256 == find_text_model(str(tiny_model)).sha256


def test_a_name_is_downloaded_where_that_is_wanted(hub, tiny_model, monkeypatch):
    asked: list[str] = []

    def download(name, device):
        asked.append(name)
        put_in(hub, tiny_model)

    monkeypatch.setattr("sentence_transformers.SentenceTransformer", download)
    with pytest.raises(InputError, match="not in the local Hugging Face cache"):
        find_text_model("tiny")
    assert not asked
    found = find_text_model("tiny", download=True)
    assert asked == ["tiny"] and found.folder == hub / "snapshots" / "1234"


@pytest.mark.parametrize("name", ["nobody/no-such-model", "no/such/folder", "?", "-", "a b", "/no/such/folder"])
@pytest.mark.parametrize("download", [True, False])
def test_what_cannot_be_had_is_one_message(hub, name, download):
    with pytest.raises(InputError, match="expected a folder, or the name") as caught:
        find_text_model(name, download=download)
    assert name in str(caught.value) and "--text-model" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 2


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(InputError, match="no model files"):
        find_text_model(str(tmp_path))


def test_a_recorded_model_that_has_gone_or_changed(tiny_model, tmp_path):
    copy = Path(shutil.copytree(tiny_model, tmp_path / "copy"))
    recorded = find_text_model(str(copy)).record
    assert recorded_text_model(recorded).folder == copy
    (copy / "config_sentence_transformers.json").write_text("{}")
    with pytest.raises(InputError, match=r"is another now: expected .*copy with SHA-256"):
        recorded_text_model(recorded)
    shutil.rmtree(copy)
    with pytest.raises(InputError, match="not here any more"):
        recorded_text_model(recorded)
