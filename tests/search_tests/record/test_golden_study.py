"""A study directory written by version 1 opens, and goes on, in every later version."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pandas.testing import assert_frame_equal

from data.errors import InputError
from results.dataframes.frames import load_curves, load_trials
from results.paper.scorecard import choices_of
from results.paper.study_group import Recorded
from results.record.manifest import SCHEMA_VERSION, Manifest
from results.record.schema import METRICS
from results.record.study import Study
from search import resume_sweep
from search.cli.main import run
from tests.support.golden_study import DATA, GOLDEN
from tests.support.laws import check_tidy
from trainables import SEMANTICS_VERSION
from trainables.checkpoint import load_model

EPOCHS = 6


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    """A copy that knows where its table is."""
    study = Path(shutil.copytree(GOLDEN / "study", tmp_path / "study"))
    shutil.copy(GOLDEN / "tracks.csv", tmp_path)
    edit_manifest(study, lambda manifest: manifest["settings"].update(data=str(tmp_path / "tracks.csv")))
    return study


def edit_manifest(study: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    path = study / "manifest.json"
    manifest = json.loads(path.read_text())
    edit(manifest)
    path.write_text(json.dumps(manifest))


def test_it_reads_as_it_was_written(golden: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trials, curves = load_trials(golden), load_curves(golden)
    assert len(trials) == trials["config_id"].nunique() == 6
    assert set(trials["state"]) == {"pending", "running", "diverged"} and (trials["budget"] == EPOCHS).all()
    assert trials["epochs"].sum() == len(curves) > 0
    assert (trials.pop("ema_decay") == 0).all(), "a hyperparameter that is newer than the study is at its default"
    assert trials.to_csv(index=False) == (GOLDEN / "trials.csv").read_text()
    assert curves.to_csv(index=False) == (GOLDEN / "curves.csv").read_text()
    assert curves[list(METRICS)].notna().any().all()
    for arguments in (["status"], ["status", "--json"], ["trials"], ["trials", "--curves"]):
        assert run([*arguments, str(golden)]) == 0, capsys.readouterr().err
    said = capsys.readouterr().out
    assert all(config_id in said for config_id in trials["config_id"])
    with Study.open(golden) as study:
        assert study.manifest.semantics == 1 and study.settings.data.endswith("tracks.csv")
        assert len(study.trials()) == 6 and study.segments()


def test_it_goes_on(ray_session: int, golden: Path) -> None:
    before, half_way = load_curves(golden), load_trials(golden).set_index("config_id")
    result = resume_sweep(golden)
    assert result.complete and result.epochs > 0
    after = load_curves(golden)
    kept = after.merge(before[["config_id", "epoch"]], on=["config_id", "epoch"])
    assert_frame_equal(kept, before, check_exact=True)
    trials = load_trials(golden).set_index("config_id")
    assert (trials["epochs"] >= half_way["epochs"]).all()
    for config_id, epochs in trials["epochs"].items():
        assert after.loc[after["config_id"] == config_id, "epoch"].tolist() == list(range(1, epochs + 1))
    assert load_model(golden / "best")[1].provenance.config_id in trials.index
    check_tidy(golden)
    assert run(["report", str(golden)]) == 0 and (golden / "report.html").is_file()
    assert resume_sweep(golden, epochs=EPOCHS + 2).complete
    assert load_trials(golden)["epochs"].max() == EPOCHS + 2
    choices = choices_of([Recorded.read(golden)]).set_index("setting")
    assert choices.loc["epochs", "ours"] == str(EPOCHS + 2)


def _newer(manifest: dict[str, Any]) -> None:
    manifest["schema"] = SCHEMA_VERSION + 1


def _other_arithmetic(manifest: dict[str, Any]) -> None:
    manifest["semantics"] = SEMANTICS_VERSION + 1


def _other_space(manifest: dict[str, Any]) -> None:
    manifest["settings"]["space"] = manifest["settings"]["space"].replace("0.001", "0.002")


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (_newer, ("written by a newer genresweep",)),
        (_other_arithmetic, ("version 2 of the training's arithmetic", "this is version 1", "can be read")),
        (_other_space, ("space", "cannot be resumed")),
        (lambda manifest: manifest["data"].update(genres=["a", "b"]), ('genres: the study has ["a", "b"]',)),
        (lambda manifest: manifest["data"].update(fingerprint="0"), ('fingerprint: the study has "0"',)),
        (lambda manifest: manifest["settings"].update(seed=7), ("fingerprint: the study has",)),
        (lambda manifest: manifest["settings"].update(split="track"), ("fingerprint: the study has",)),
    ],
)
def test_it_is_refused_where_it_is_another_study(
    golden: Path, edit: Callable[[dict[str, Any]], object], words: tuple[str, ...]
) -> None:
    edit_manifest(golden, edit)
    with pytest.raises(InputError) as caught:
        resume_sweep(golden)
    for word in words:
        assert word in str(caught.value), str(caught.value)


def test_versions_of_libraries_and_the_place_of_the_directory_do_not_matter(golden: Path) -> None:
    edit_manifest(golden, lambda manifest: manifest["versions"].update(torch="1.0", ray="1.0"))
    assert Manifest.read(golden).versions["torch"] == "1.0"
    moved = golden.rename(golden.with_name("moved"))
    assert len(load_trials(moved)) == 6


def test_it_holds_nothing_of_the_machine_that_made_it() -> None:
    texts = [path.read_bytes() for path in (GOLDEN / "study").rglob("*") if path.is_file()]
    assert DATA.encode() in b"".join(texts)
    assert not any(word in text for text in texts for word in (b"/tmp", b"/home", b"/root", b"/work"))
    assert sum(len(text) for text in texts) < 120_000
