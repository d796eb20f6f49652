"""The fusion stage's own sweep: a study within the study, gone on with after an interruption, and chosen if better."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from results.dataframes.frames import load_curves, load_trials
from results.paper.scorecard import scorecard
from results.record.places import FUSION_SWEEP
from results.record.settings import StageSettings, StudySettings
from results.record.stage_records import load_stage_curves, load_stage_scores, load_stages
from results.record.study import Study
from search.cli.texts.status import study_summary, summary_lines
from search.planning.settings import study_settings
from search.scheduling.untrainable import UntrainableError
from search.snapshots.copies import fetch
from search.studies.pipeline import STAGES, resume_study, run_study
from search.studies.pruning import prune
from search.studies.stages import fusion_sweep, networks
from search.studies.stages.fusion_sweep import SWEPT
from search.studies.sweep import SweepResult, run_sweep
from spaces.strong import STRONG
from tests.support.small import write_space
from tests.support.tables import table, write_csv
from trainables.checkpoint import load_model

SPACE = """
name = "tiny"
[parameters]
hidden_layers = [[16, 8]]
learning_rate = [1e-2, 1e-3]
"""
SETTINGS: dict[str, Any] = {"epochs": 3, "holdout": 0.2, "scheduler": "none"}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("inputs")
    rows, space = write_csv(table(150), folder / "tracks.csv"), write_space(folder / "space.toml", SPACE)
    return {"data": str(rows), "space": str(space), **SETTINGS}


@pytest.fixture(scope="module")
def study(ray_session: int, inputs: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose fusion sweep the user interrupted half-way, and resumed."""
    directory = tmp_path_factory.mktemp("run") / "study"
    with pytest.MonkeyPatch.context() as patch:
        _without_other_stages(patch)
        drive, asked = fusion_sweep.drive, []

        def interrupted(inner: Study, *arguments: Any) -> SweepResult:
            asked.append(inner.settings.features)
            return replace(drive(inner, *arguments), incumbent=None)

        patch.setattr(fusion_sweep, "drive", interrupted)
        stages = StageSettings(epochs=2, fusion_sweep=True)
        stopped = run_study(out=directory, stage_settings=stages, **inputs)
        assert asked == ["fusion"] and not stopped.complete and stopped.directory == directory
        assert "fusion" not in set(load_stages(directory)["stage"])
        patch.setattr(fusion_sweep, "drive", drive)
        assert resume_study(directory).complete
    return directory


def _fails(run: object, record: object) -> None:
    raise RuntimeError("stopped here")


def _without_other_stages(patch: pytest.MonkeyPatch) -> None:
    for name in ("baselines", "simple", "transfer"):
        patch.setitem(STAGES, name, lambda run, record: None)


def test_its_curves_are_those_of_a_sweep_on_audio_and_text(study: Path, inputs: dict[str, Any], tmp_path: Path) -> None:
    run_sweep(out=tmp_path / "alone", features="fusion", **inputs)
    whole, alone = (load_curves(place).drop(columns="seconds") for place in (study / FUSION_SWEEP, tmp_path / "alone"))
    pd.testing.assert_frame_equal(whole, alone)


def test_its_best_network_and_its_ensemble_are_scored_beside_the_others(study: Path) -> None:
    scores = load_stage_scores(study).query("stage == 'fusion'").set_index(["variant", "side"])
    assert set(scores.index) == {
        (variant, side)
        for variant in ("text", "scratch", "warm", SWEPT, "ensemble")
        for side in ("validation", "holdout")
    }
    best = load_trials(study / FUSION_SWEEP)["val_accuracy"].max()
    assert scores.loc[(SWEPT, "validation"), "accuracy"] == pytest.approx(best)
    curves = load_stage_curves(study).query(f"variant == '{SWEPT}'")
    assert curves["val_accuracy"].max() == best and list(curves["epoch"]) == [1, 2, 3]
    with Study.open(study / FUSION_SWEEP) as opened:
        judged = {one.side: one for one in opened.judgements if one.model == "ensemble"}
    for side, one in judged.items():
        assert scores.loc[("ensemble", side), ["accuracy", "recall"]].tolist() == pytest.approx([one.accuracy] * 2)
    card = scorecard([study])
    assert {"audio + text, best of its sweep", "audio + text, ensemble of its sweep"} <= set(card["model"])


def test_the_most_accurate_network_becomes_the_fusion_network(study: Path) -> None:
    scores = load_stage_scores(study).query("stage == 'fusion' and side == 'validation'").set_index("variant")
    candidates = scores.loc[["scratch", "warm", SWEPT], "accuracy"]
    network, card = load_model(study / "stages" / "fusion")
    assert card.provenance.variant in candidates.index[candidates == candidates.max()]
    own = study / (
        f"{FUSION_SWEEP}/best" if card.provenance.variant == SWEPT else f"stages/fusion-{card.provenance.variant}"
    )
    for name, tensor in load_model(own)[0].state_dict().items():
        assert tensor.equal(network.state_dict()[name])


def test_a_swept_network_that_is_better_is_copied_with_its_origin(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks, "_best", lambda results: None)
    with Study.open_for_writing(study) as opened, opened.transaction():
        opened.forget_stages(["fusion"])
    _without_other_stages(monkeypatch)
    resume_study(study)
    swept, copied = load_model(study / FUSION_SWEEP / "best"), load_model(study / "stages" / "fusion")
    assert copied[1].provenance.variant == SWEPT and copied[1].provenance.stage == "fusion"
    assert copied[1].provenance.config_id == swept[1].provenance.config_id
    for name, tensor in swept[0].state_dict().items():
        assert tensor.equal(copied[0].state_dict()[name])


def test_status_says_at_which_stage_a_run_is(study: Path, tmp_path: Path) -> None:
    assert study_summary(study)["complete"] and study_summary(study)["stage"] is None
    shutil.copytree(study, tmp_path / "study")
    with Study.open_for_writing(tmp_path / "study") as opened, opened.transaction():
        opened.forget_stages(["fusion"])
    summary = study_summary(tmp_path / "study")
    assert not summary["complete"] and summary["stage"] == "fusion"
    assert "interrupted in its stage fusion; go on with: " in summary_lines(summary)[-1]


def test_a_prune_of_the_run_prunes_its_fusion_sweep(study: Path, tmp_path: Path) -> None:
    shutil.copytree(study, tmp_path / "study")
    checkpoints = tmp_path / "study" / FUSION_SWEEP / "checkpoints"
    kept = sorted(checkpoints.iterdir())
    shutil.copyfile(kept[0], checkpoints / f"0{kept[0].name}")
    assert prune(tmp_path / "study").files == 1
    assert sorted(checkpoints.iterdir()) == kept


def test_a_larger_budget_of_the_run_is_one_of_its_fusion_sweep(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _without_other_stages(monkeypatch)
    resume_study(study, epochs=4)
    assert set(load_trials(study / FUSION_SWEEP)["epochs"]) == {4}


def test_the_space_strong_has_a_fusion_sweep_unless_told_otherwise() -> None:
    def swept(space: str, **stages: Any) -> bool | None:
        found = study_settings("synthetic", space, stages=StageSettings(**stages)).stages
        assert found is not None
        return found.fusion_sweep

    assert swept("strong") is True and swept("paper") is False
    assert swept("strong", fusion_sweep=False) is False and swept("paper", fusion_sweep=True) is True


def test_a_run_begun_before_has_none() -> None:
    settings = study_settings("synthetic", "strong", stages=StageSettings()).to_mapping()
    del settings["stages"]["fusion_sweep"]
    older = StudySettings.from_mapping(settings).stages
    assert settings["space"] == STRONG.to_toml() and older is not None and older.fusion_sweep is False


def test_a_sweep_that_only_the_storage_has_is_fetched_and_not_trained_again(
    ray_session: int, inputs: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _without_other_stages(monkeypatch)
    study, stages = tmp_path / "study", StageSettings(epochs=2, fusion_sweep=True)
    (tmp_path / "store").mkdir()
    run_study(out=study, stage_settings=stages, storage=str(tmp_path / "store"), **inputs)
    before, trained = load_curves(study / FUSION_SWEEP), load_stage_scores(study)
    shutil.rmtree(study)
    fetch(str(tmp_path / "store" / "study"), study)
    assert not (study / FUSION_SWEEP).exists()
    monkeypatch.setitem(STAGES, "fusion", _fails)
    resume_study(study)
    pd.testing.assert_frame_equal(load_curves(study / FUSION_SWEEP), before)  # the seconds, too
    pd.testing.assert_frame_equal(load_stage_scores(study), trained)


@pytest.mark.parametrize("search", [{}, {"search": "optuna", "trials": 3}])
def test_a_run_extended_before_its_fusion_sweep_has_ended_extends_that_once_it_has(
    ray_session: int, inputs: dict[str, Any], search: dict[str, Any], tmp_path: Path
) -> None:
    study, stages = tmp_path / "study", StageSettings(epochs=2, fusion_sweep=True)
    with pytest.MonkeyPatch.context() as patch:
        _without_other_stages(patch)
        drive = fusion_sweep.drive

        def broken_off(inner: Study, *arguments: Any) -> SweepResult:
            raise RuntimeError("stopped here")

        patch.setattr(fusion_sweep, "drive", broken_off)
        with pytest.raises(RuntimeError, match="stopped here"):
            run_study(out=study, stage_settings=stages, **inputs, **search)
        if not search:
            shutil.rmtree(study / FUSION_SWEEP)
        patch.setattr(fusion_sweep, "drive", drive)
        assert resume_study(study, epochs=4).complete
    assert set(load_trials(study)["epochs"]) == set(load_trials(study / FUSION_SWEEP)["epochs"]) == {4}


def test_a_place_in_the_storage_that_a_kill_left_half_made_is_used(
    ray_session: int, inputs: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _without_other_stages(monkeypatch)
    study, stages = tmp_path / "study", StageSettings(epochs=2, fusion_sweep=True)
    store = tmp_path / "store"
    store.mkdir()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(RuntimeError, match="stopped here"):
        patch.setitem(STAGES, "fusion", _fails)
        run_study(out=study, stage_settings=stages, storage=str(store), **inputs)
    inner = store / "study" / FUSION_SWEEP
    (inner / "checkpoints").mkdir(parents=True)
    for name in ("manifest.json", "driver.json", ".manifest.json.1.tmp"):
        (inner / name).write_text("{}")
    assert resume_study(study).complete
    assert (inner / "record").is_dir() and not (inner / ".manifest.json.1.tmp").exists()


def test_a_sweep_without_any_score_leaves_the_other_networks(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def untrainable(run: object) -> None:
        raise UntrainableError("every configuration diverged")

    shutil.copytree(study, tmp_path / "study")
    _without_other_stages(monkeypatch)
    monkeypatch.setattr(networks, "sweep_fusion", untrainable)
    with Study.open_for_writing(tmp_path / "study") as opened, opened.transaction():
        opened.forget_stages(["fusion"])
    assert resume_study(tmp_path / "study").complete
    assert load_model(tmp_path / "study" / "stages" / "fusion")[1].provenance.variant in ("scratch", "warm")
    assert "every configuration diverged" in (tmp_path / "study" / "log.txt").read_text()
