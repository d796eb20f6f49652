"""Ray's own processes, killed for real while a sweep trains."""

from __future__ import annotations

from pathlib import Path

import pytest

from results.dataframes.frames import load_curves
from tests.search_tests.conftest import Launch, Sweep
from tests.search_tests.faults.test_commands import finish, scratch, sweep_arguments
from tests.support.laws import check_broken_off, check_same
from tests.support.processes import SLOW, WORKER, Command, segments
from tests.support.small import HALVING

pytestmark = [pytest.mark.faults, pytest.mark.timeout(7200)]


SECRET = "a secret of the storage"


def training(command: Command, study: Path) -> None:
    """Wait until it is in the middle of its work."""
    command.until(lambda: segments(study) >= 2 and bool(command.started(WORKER)))


def test_a_worker_dies_and_the_sweep_goes_on(launch: Launch, sweep: Sweep, small: Path, tmp_path: Path) -> None:
    study = tmp_path / "study"
    command = launch(*sweep_arguments(small, study, "halving"), plan={"worker": SLOW})
    training(command, study)
    assert command.kill_started(WORKER)
    ended = command.wait()
    assert ended.code == 0, ended.err
    check_same(study, sweep(**HALVING, stack_size=16))


@pytest.mark.parametrize("name", ["raylet", "gcs_server", ""], ids=["raylet", "gcs_server", "reboot"])
def test_ray_dies_and_the_command_says_so(name: str, launch: Launch, sweep: Sweep, small: Path, tmp_path: Path) -> None:
    study = tmp_path / "study"
    first = sweep_arguments(small, study, "halving")
    command = launch(*first, plan={"worker": SLOW}, AWS_SECRET_ACCESS_KEY=SECRET)
    training(command, study)
    assert scratch(command), "the case is about folders like these"
    assert command.kill_started(name)
    before = load_curves(study)
    ended = command.wait()
    assert ended.code == 1, ended.err
    assert "genresweep: Ray died: its " in ended.err
    check_broken_off(ended, study)
    assert len(load_curves(study)) >= len(before)
    assert scratch(command) == []
    assert SECRET not in ended.out + ended.err
    assert not any(SECRET.encode() in path.read_bytes() for path in study.rglob("*") if path.is_file())
    finish(launch, study, first)
    check_same(study, sweep(**HALVING, stack_size=16))
