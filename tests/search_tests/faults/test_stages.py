"""A whole run, killed and interrupted in the stages after its sweep, and what ``resume`` makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pandas.testing import assert_frame_equal

from results.record.stage_records import load_stage_curves, load_stage_scores, load_stages
from tests.search_tests.conftest import Launch
from tests.search_tests.faults.test_commands import INT, KILL, TERM, Arguments
from tests.support.laws import SLOTS, check_broken_off, check_no_temporary_files, check_same, check_words
from tests.support.processes import SLOW_STAGE, Command, Plan
from tests.support.small import EPOCHS
from tests.support.tables import table, write_csv

pytestmark = [pytest.mark.faults, pytest.mark.timeout(7200)]

TASK = "ray::remote_variants"
QUICK: Plan = {"grids": True}
FUSION = [
    ("search.studies.stages.networks:warm_start", 1, KILL),
    ("search.studies.stages.networks:map_remote", 1, TERM),
    ("search.studies.stages.networks:write_model", 1, INT),
    ("search.studies.stages.networks:write_model", 3, KILL),
    ("search.studies.stages.networks:write_model", 4, TERM),
    ("search.studies.stages.fusion_sweep:drive", 1, KILL),
    ("search.studies.stages.fusion_sweep:load_curves", 1, TERM),
    ("search.studies.pipeline:commit_stage", 1, KILL),
]
"""Moments of a command that has the stage of fusion before it: the entry of a function, which call of it, a signal."""
TRANSFER = [
    ("search.studies.stages.networks:join_tracks", 1, TERM),
    ("search.studies.stages.networks:write_model", 2, KILL),
    ("search.studies.pipeline:commit_stage", 1, INT),
]


def run_arguments(small: Path, model: Path, study: Path) -> Arguments:
    edm = small / "edm.csv"
    if not edm.exists():
        write_csv(table(60, seed=5, genres=("edm",)), edm)
    return (
        *("run", "--data", small / "tracks.csv", "--transfer-data", edm, "--text-model", model, "--out", study),
        *("--space", small / "space.toml", "--scheduler", "none", "--epochs", EPOCHS, "--stage-epochs", 3),
        *("--fusion-sweep", "--transfer-epochs", 2, "--transfer-seeds", 2, "--holdout", 0.2, "--cpus", SLOTS),
    )


@pytest.fixture(scope="module")
def whole(small: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing has happened to."""
    study = tmp_path_factory.mktemp("whole") / "study"
    ended = Command(*run_arguments(small, tiny_model, study), folder=small, plan=QUICK).wait()
    assert ended.code == 0, ended.err
    return study


def stages(study: Path) -> set[str]:
    return set(load_stages(study)["stage"])


def check_same_stages(study: Path, whole: Path) -> None:
    """The sweep, every stage's curves and scores, and the weights of every model are those of the undisturbed run."""
    check_same(study, whole)
    columns = {"seconds": -1.0}
    assert_frame_equal(
        load_stage_curves(study).assign(**columns), load_stage_curves(whole).assign(**columns), check_exact=True
    )
    assert_frame_equal(load_stage_scores(study), load_stage_scores(whole), check_exact=True)
    assert_frame_equal(load_stages(study)[["stage", "note"]], load_stages(whole)[["stage", "note"]])
    weights = [path.relative_to(whole) for path in whole.rglob("model.safetensors")]
    assert sum("ensemble" not in path.parts for path in weights) == 9
    for path in weights:
        assert (study / path).read_bytes() == (whole / path).read_bytes(), path


def test_killed_and_interrupted_during_fusion_and_transfer(
    launch: Launch, whole: Path, small: Path, tiny_model: Path, tmp_path: Path
) -> None:
    study = tmp_path / "study"
    arguments: Arguments = run_arguments(small, tiny_model, study)
    for after, moments in (("fusion", FUSION), ("transfer", TRANSFER)):
        for point, call, number in moments:
            command = launch(*arguments, plan={**QUICK, "point": point, "call": call, "signal": number})
            ended = command.wait()
            assert ended.code == (-KILL if number == KILL else 130), (point, call, ended.err)
            check_broken_off(ended, study)
            check_no_temporary_files(ended, study)
            assert "sweep" in stages(study) and after not in stages(study)
            arguments = ("resume", study, "--cpus", SLOTS)
        if after == "fusion":
            _fuse_with_a_worker_killed(launch, study, arguments)
    ended = launch(*arguments).wait()
    assert ended.code == 0, ended.err
    check_words(ended)
    check_same_stages(study, whole)


def _fuse_with_a_worker_killed(launch: Launch, study: Path, arguments: Arguments) -> None:
    """Go on to the stage after it."""
    command = launch(
        *arguments, plan={"task": SLOW_STAGE, "point": "search.studies.stages.networks:join_tracks", "signal": TERM}
    )
    command.until(lambda: bool(command.started(TASK)))
    assert command.kill_started(TASK)
    assert command.wait().code == 130
    assert "fusion" in stages(study)


def test_ray_dies_during_fusion(launch: Launch, whole: Path, small: Path, tiny_model: Path, tmp_path: Path) -> None:
    study = tmp_path / "study"
    command = launch(*run_arguments(small, tiny_model, study), plan={**QUICK, "task": SLOW_STAGE})
    command.until(lambda: study.exists() and "sweep" in stages(study) and bool(command.started(TASK)))
    assert command.kill_started("raylet")
    ended = command.wait()
    assert ended.code == 1, ended.err
    assert "genresweep: Ray died: its " in ended.err
    check_broken_off(ended, study)
    ended = launch("resume", study, "--cpus", SLOTS).wait()
    assert ended.code == 0, ended.err
    check_same_stages(study, whole)
