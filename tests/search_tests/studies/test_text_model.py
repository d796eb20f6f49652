"""Another sentence model, from the command line to predictions."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from data.errors import InputError
from data.tables.tracks import load_tracks
from data.titles.text_model import find_text_model
from results.record.settings import StageSettings, StudySettings
from results.record.study import Study
from search import resume_sweep, run_sweep
from search.planning.prepared_data import data_facts, differences, prepare
from search.studies.pipeline import run_study
from search.studies.sweep import reopened
from tests.support.small import write_space
from trainables.checkpoint import load_model
from trainables.inference import predict

SPACE = """
[parameters]
hidden_layers = [[8]]
learning_rate = [1e-2, 1e-3]
"""


@pytest.fixture(scope="module")
def model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path_factory.mktemp("own") / "tiny"))


@pytest.fixture(scope="module")
def study(ray_session: int, small: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("studies") / "study"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(model.parent)
        assert run_sweep(
            str(small / "tracks.csv"),
            out=out,
            space=str(write_space(out.with_name("space.toml"), SPACE)),
            features="fusion",
            text_model="tiny",
            epochs=1,
        ).complete
    return out


@pytest.mark.slow
def test_the_study_and_its_model_name_the_sentence_model(study: Path, small: Path, model: Path) -> None:
    found = find_text_model(str(model))
    with Study.open(study) as opened:
        assert opened.settings.text_model == str(model)
        assert opened.manifest.data.text_model == found.sha256
    network, card = load_model(study / "best")
    assert card.text_model == found.record
    assert network.architecture.input_size == 14 + 6
    tracks = load_tracks(small / "tracks.csv")
    assert len(predict(study / "best", tracks)) == len(tracks)


@pytest.mark.slow
def test_resume_keeps_it(study: Path, model: Path) -> None:
    with reopened(study) as (_, prepared):
        assert prepared.text_model == find_text_model(str(model))
        assert prepared.features.text_model == prepared.text_model


@pytest.mark.slow
def test_neither_resume_nor_predict_goes_on_without_it(study: Path, small: Path, model: Path) -> None:
    tracks = load_tracks(small / "tracks.csv")
    kept = (model / "tokenizer.json").read_text()
    (model / "tokenizer.json").write_text(kept.replace("Song", "Sung"))
    try:
        with pytest.raises(InputError, match="text_model: the study has"):
            resume_sweep(study)
        with pytest.raises(InputError, match="is another now"):
            predict(study / "best", tracks)
    finally:
        (model / "tokenizer.json").write_text(kept)
    away = model.rename(model.with_name("away"))
    try:
        with pytest.raises(InputError, match="the text model"):
            resume_sweep(study)
        with pytest.raises(InputError, match="not here any more"):
            predict(study / "best", tracks)
    finally:
        away.rename(model)


def test_a_run_tries_the_model_before_there_is_a_study(small: Path, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "modules.json").write_text("[]")
    with pytest.raises(InputError, match="text model"):
        run_study(
            str(small / "tracks.csv"),
            out=tmp_path / "study",
            stage_settings=StageSettings(),
            text_model=str(tmp_path / "broken"),
        )
    assert not (tmp_path / "study").exists()


def test_settings_of_an_older_study() -> None:
    older = json.loads(StudySettings(data="synthetic").to_json())
    del older["text_model"]
    assert StudySettings.from_mapping(older).text_model is None


def test_what_an_older_study_did_not_record_does_not_differ(small: Path, tiny_model: Path) -> None:
    settings = StudySettings(data=str(small / "tracks.csv"), features="text", text_model=str(tiny_model))
    facts = data_facts(prepare(settings))
    assert facts.text_model is not None
    assert differences(replace(facts, text_model=None, absent=frozenset({"text_model"})), facts) == []
    assert len(differences(replace(facts, text_model="another"), facts)) == 1
