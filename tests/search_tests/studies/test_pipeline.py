"""The whole study on a table small enough for a test, with the real sentence model."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data.errors import InputError
from data.inputs.features import Features
from results.page.files import write_report
from results.paper.published import PAPER_CHOICES
from results.paper.report import build_report
from results.paper.scorecard import scorecard
from results.record.settings import StageSettings
from results.record.stage_records import StageRecord, load_stage_curves, load_stage_scores, load_stages
from results.record.study import Study
from search.planning.prepared_data import prepare
from search.studies import sweep
from search.studies.pipeline import STAGES, resume_study, run_study
from search.studies.stages import baselines, networks
from search.studies.stages.context import Run, StageInterruptedError
from search.studies.sweep import SweepResult
from tests.search_tests.studies.stages.test_networks import check_no_leak
from tests.support.small import write_space
from tests.support.tables import table, write_csv
from trainables.baselines import GRIDS
from trainables.checkpoint import load_model

SPACE = """
name = "tiny"
[parameters]
hidden_layers = [[16, 8]]
learning_rate = [1e-2, 1e-3]
"""


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tables")
    edm = table(60, seed=5, genres=("edm",))
    # A third of the new rows are tracks that the old table holds too.
    known = table(150)
    for column in ("track_name", "track_album_name", "duration_ms"):
        edm.loc[:19, column] = known.loc[:19, column]
    return write_csv(known, folder / "tracks.csv"), write_csv(edm, folder / "edm.csv")


@pytest.fixture(scope="module")
def handed() -> list[Features]:
    """All features that the run hands to workers, in that order."""
    return []


@pytest.fixture(scope="module")
def study(
    ray_session: int, tables: tuple[Path, Path], handed: list[Features], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A run that failed in its transfer stage and was resumed."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name in ((baselines, "put_features"), (networks, "put_features"), (sweep, "put_encodings")):
            patch.setattr(module, name, _remembering(getattr(module, name), handed))
        return _run_and_resume(tables, tmp_path_factory.mktemp("run"))


def _remembering(put: Callable[..., Any], handed: list[Features]) -> Callable[..., Any]:
    def remember(features: Features, *arguments: Any) -> Any:
        handed.append(features)
        return put(features, *arguments)

    return remember


def _run_and_resume(tables: tuple[Path, Path], folder: Path) -> Path:
    settings = StageSettings(transfer_data=str(tables[1]), epochs=3, transfer_epochs=2, transfer_seeds=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(STAGES, "transfer", _fails)
        patch.setattr(baselines, "GRIDS", {kind: points[:1] for kind, points in GRIDS.items()})
        with pytest.raises(RuntimeError, match="stopped here"):
            run_study(
                str(tables[0]),
                out=folder / "study",
                stage_settings=settings,
                space=str(write_space(folder / "space.toml", SPACE)),
                epochs=3,
                holdout=0.2,
            )
    before = load_stage_scores(folder / "study")
    assert set(load_stages(folder / "study")["stage"]) == set(STAGES) - {"transfer"}
    assert resume_study(folder / "study").complete
    after = load_stage_scores(folder / "study")
    pd.testing.assert_frame_equal(before, after[after["stage"] != "transfer"].reset_index(drop=True))
    return folder / "study"


def _fails(run: object, record: object) -> None:
    raise RuntimeError("stopped here")


def test_every_stage_is_recorded_once_with_its_cost(study: Path) -> None:
    recorded = load_stages(study)
    assert sorted(recorded["stage"]) == sorted(STAGES)
    assert (recorded["seconds"] > 0).all()
    assert (recorded["peak_megabytes"] > 50).all()


def test_curves_and_scores_of_the_stages_agree(study: Path) -> None:
    curves, scores = load_stage_curves(study), load_stage_scores(study)
    variants = {(row.stage, row.variant) for row in curves.itertuples()}
    assert variants == {
        ("simple", "simple"),
        ("fusion", "text"),
        ("fusion", "scratch"),
        ("fusion", "warm"),
        ("transfer", "transfer"),
        ("transfer", "scratch"),
    }
    best = curves.groupby(["stage", "variant", "seed"])["val_accuracy"].max()
    trained = scores[(scores["side"] == "validation") & ~scores["stage"].isin(["baselines", "sweep"])]
    for row in trained.itertuples():
        assert row.accuracy == best[row.stage, row.variant, row.seed]
    assert set(scores["side"]) == {"validation", "holdout"}


def test_every_stage_leaves_a_model_that_describes_itself(study: Path) -> None:
    inputs = {"simple": 14, "text": 384, "fusion": 398, "fusion-scratch": 398, "fusion-warm": 398}
    inputs |= {"transfer": 398, "transfer-scratch": 398}
    for stage, size in inputs.items():
        network, card = load_model(study / "stages" / stage)
        assert network.architecture.input_size == size
        assert card.provenance.stage == stage
        assert card.genres == load_model(study / "best")[1].genres or "transfer" in stage
    assert "edm" in load_model(study / "stages" / "transfer")[1].genres


def test_the_promoted_network_is_judged_on_both_sides(study: Path) -> None:
    scores = load_stage_scores(study).query("stage == 'sweep'").set_index("side")["accuracy"]
    with Study.open(study) as opened:
        judged = {one.side: one for one in opened.judgements if one.model == "best"}
        rows = opened.manifest.data.validation_rows
    assert {side: one.accuracy for side, one in judged.items()} == pytest.approx(dict(scores))
    assert judged["validation"].rows == rows and list(judged) == ["validation", "holdout"]


def test_transfer_keeps_the_scaler_of_the_weights_that_it_copies(study: Path) -> None:
    transfer, fusion = (load_model(study / "stages" / stage)[1] for stage in ("transfer", "fusion"))
    assert transfer.scaler == fusion.scaler


def test_a_row_that_judges_a_stage_has_trained_no_stage_before_it(study: Path, handed: list[Features]) -> None:
    with Study.open(study) as opened:
        prepared = prepare(opened.settings)
    in_order = [features for features in handed if features.kind != "text"]
    # baselines, simple network, sweep, fusion, transfer
    assert [features.kind for features in in_order] == ["audio"] * 3 + ["fusion"] * 2
    check_no_leak(in_order, prepared)


def test_the_scorecard_holds_the_papers_numbers_beside_ours(study: Path, tmp_path: Path) -> None:
    card = scorecard([study])
    accuracy = card[card["score"] == "accuracy"].set_index("model")
    assert accuracy.loc["audio + text, from scratch", "paper"] == 0.6174
    assert accuracy["holdout"].notna().all()
    ours = accuracy.loc["text only"]
    assert ours["difference"] == pytest.approx(ours["validation"] - 0.4536)
    with pytest.raises(InputError, match="named twice"):
        scorecard([study, study])
    report = build_report([study])
    assert set(report.choices["model"]) == {choice.model for choice in PAPER_CHOICES}
    simple = report.choices[report.choices["model"] == "simple network"].set_index("setting")
    assert simple["agree"].drop("epochs").eq(1).all()
    assert simple.loc["epochs", "difference"] == 3 - 100
    assert report.statistics.empty  # these are not the paper's rows
    paths = {path.relative_to(tmp_path).as_posix() for path in write_report(report, tmp_path)}
    assert paths == {
        *("scorecard.csv", "choices.csv", "transfer-epochs.csv", "transfer-pairs.csv"),
        *("scorecard.md", "report.html"),
        *(f"figures/{name}.html" for name in ("search", "simple", "figure-4a", "figure-4b", "transfer")),
    }
    text = (tmp_path / "scorecard.md").read_text()
    assert "audio + text, from scratch" in text
    assert "nothing was chosen by" in text
    assert "Only 2 runs of each on the split random" in text


def test_the_baselines_record_their_whole_grid_and_the_point_they_chose(study: Path) -> None:
    scores = load_stage_scores(study)
    for row in scores[scores["stage"] == "baselines"].itertuples():
        detail = json.loads(row.detail)
        assert [point["point"] for point in detail["grid"]] == [dict(point) for point in GRIDS[row.variant][:1]]
        assert detail["point"] == detail["grid"][0]["point"]
        assert 0 < detail["grid"][0]["mean"] < 1 and detail["grid"][0]["std"] > 0
    with Study.open(study) as opened:
        assert opened.settings.stages is not None


@pytest.mark.parametrize("stage", ["simple", "text", "fusion-warm", "transfer-scratch"])
def test_a_stage_whose_model_is_damaged_is_done_again(study: Path, stage: str, tmp_path: Path) -> None:
    shutil.copytree(study, tmp_path / "study")
    (tmp_path / "study" / "stages" / stage / "model.safetensors").write_bytes(b"damaged")
    done: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for name in STAGES:
            patch.setitem(STAGES, name, lambda run, record: done.append(record.stage))
        resume_study(tmp_path / "study")
    assert done == [{"text": "fusion", "fusion-warm": "fusion", "transfer-scratch": "transfer"}.get(stage, stage)]


@pytest.mark.parametrize("another", [False, True])
def test_stages_stand_on_the_incumbent_that_they_were_made_from(study: Path, another: bool, tmp_path: Path) -> None:
    """The sweep is done again, as after ``--epochs``: what follows it is, too, only if its incumbent is another."""
    shutil.copytree(study, tmp_path / "study")
    with Study.open_for_writing(tmp_path / "study") as opened, opened.transaction():
        opened.forget_stages(["sweep"])
    card = tmp_path / "study" / "best" / "model.json"
    promoted = json.loads(card.read_text())
    if another:
        epoch = promoted["provenance"]["epoch"]
        card.write_text(json.dumps(promoted | {"provenance": promoted["provenance"] | {"epoch": epoch + 1}}))
    done: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for name in ("fusion", "transfer"):
            patch.setitem(STAGES, name, lambda run, record: done.append(record.stage))
        resume_study(tmp_path / "study")
    assert done == (["fusion", "transfer"] if another else [])
    assert json.loads(card.read_text()) == promoted
    assert set(load_stages(tmp_path / "study")["stage"]) == set(STAGES)


def test_the_seconds_of_a_sweep_are_those_of_all_commands_that_it_took(study: Path, tmp_path: Path) -> None:
    shutil.copytree(study, tmp_path / "study")
    before = load_stages(study).set_index("stage").loc["sweep", "seconds"]
    with Study.open_for_writing(tmp_path / "study") as opened:
        for _ in range(2):  # as by two interrupted commands
            with opened.transaction():
                opened.reopen_stage("sweep")

    def interrupted(run: Run, record: StageRecord) -> None:
        time.sleep(0.5)
        raise StageInterruptedError(result)

    result = SweepResult(directory=study, incumbent=None, states={}, epochs=0, seconds=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(STAGES, "sweep", interrupted)
        for _ in range(2):
            assert resume_study(tmp_path / "study") is result
        patch.setitem(STAGES, "sweep", lambda run, record: None)
        resume_study(tmp_path / "study")
    recorded = load_stages(tmp_path / "study").set_index("stage")
    assert before + 1.0 < recorded.loc["sweep", "seconds"] < before + 60
