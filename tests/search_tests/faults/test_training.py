"""Networks that cannot be trained, and workers that run out of memory: recorded with the reason, the rest goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
from pandas.testing import assert_frame_equal

from results.dataframes.frames import load_trials
from results.record.study import Study
from tests.search_tests.conftest import Launch, Sweep
from tests.search_tests.faults.test_commands import finish, sweep_arguments
from tests.support.laws import check_broken_off, check_ended, check_same
from tests.support.small import HALVING, check_record, curves

pytestmark = [pytest.mark.faults, pytest.mark.timeout(7200)]

ONE_RAISES = """
_sound = train_segment

def train_segment(configurations, *rest, **options):
    if any(c.learning_rate == 1e-2 and c.optimizer == "sgd" and c.hidden_layers == (24, 16) for c in configurations):
        {what}
    return _sound(configurations, *rest, **options)
"""
MEMORY = """
import numpy, resource
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, -1))
try:
    numpy.ones(2**29)
finally:
    resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
"""
WAYS = {
    "raises": ('raise ValueError("a bad member")', "ValueError: a bad member"),
    "memory": ("exec(_MEMORY)", "MemoryError"),
    "dies": ("os._exit(1)", "its worker died twice"),
}


@pytest.mark.parametrize("way", WAYS)
def test_one_member_of_a_stack_cannot_be_trained(
    way: str, launch: Launch, sweep: Sweep, small: Path, tmp_path: Path
) -> None:
    """The stack of six is halved until that member is alone; everyone else has the curves of an undisturbed study."""
    study, (what, reason) = tmp_path / "study", WAYS[way]
    arguments = (*sweep_arguments(small, study, "none"), "--stack-size", 16)
    code = f"_MEMORY = {MEMORY!r}\n{ONE_RAISES.format(what=what)}"
    ended = launch(*arguments, plan={"worker": code}).wait()
    assert ended.code == 0, ended.err
    trials = load_trials(study)
    (failed,) = trials[trials["state"] == "failed"].itertuples()
    assert (failed.learning_rate, failed.optimizer, failed.hidden_layers, failed.epochs) == (1e-2, "sgd", "24-16", 0)
    assert reason in failed.reason
    whole = curves(sweep(stack_size=16))
    others = whole[whole["config_id"] != failed.config_id].reset_index(drop=True)
    assert_frame_equal(curves(study), others, check_exact=True)
    check_record(study)
    check_ended(study)
    with Study.open(study) as opened:
        errors = [segment.error for segment in opened.segments() if segment.error is not None]
    assert errors and all(reason in error for error in errors)


def test_every_worker_dies_and_a_sound_machine_makes_up_for_it(
    launch: Launch, sweep: Sweep, small: Path, tmp_path: Path
) -> None:
    study, code = tmp_path / "study", "def train_segment(*_, **__):\n    os._exit(1)"
    first = sweep_arguments(small, study, "halving")
    ended = launch(*first, plan={"worker": code}).wait()
    assert ended.code == 1, ended.err
    assert "workers die one after another" in ended.err
    check_broken_off(ended, study)
    assert "failed" in set(load_trials(study)["state"]), "the case is about those that were given up"
    finish(launch, study, first)
    check_same(study, sweep(**HALVING, stack_size=16))


def test_memory_that_runs_out_once_costs_nothing(launch: Launch, sweep: Sweep, small: Path, tmp_path: Path) -> None:
    study, flag = tmp_path / "study", tmp_path / "flag"
    what = f"if not os.path.exists({str(flag)!r}): open({str(flag)!r}, 'w').close(); exec(_MEMORY)"
    code = f"_MEMORY = {MEMORY!r}\n{ONE_RAISES.format(what=what)}"
    ended = launch(*sweep_arguments(small, study, "halving"), plan={"worker": code}).wait()
    assert ended.code == 0, ended.err
    assert flag.exists()
    check_same(study, sweep(**HALVING, stack_size=16))


def test_a_network_that_diverges_is_recorded_and_the_rest_go_on(
    launch: Launch, sweep: Sweep, small: Path, tmp_path: Path
) -> None:
    study = tmp_path / "study"
    assert launch(*sweep_arguments(small, study, "none")).wait().code == 0
    trials = load_trials(study)
    wild = trials[trials["learning_rate"] > 1]
    assert len(wild) == 4 and set(wild["state"]) == {"diverged"} and (wild["epochs"] == 1).all()
    assert wild["reason"].str.contains("not a finite number at epoch 1").all()
    check_same(study, sweep(stack_size=16))


LATER = """
_sound = train_segment

def train_segment(configurations, state, *rest, first_epoch, **options):
    for row, configuration in enumerate(configurations):
        if first_epoch > 1 and configuration.learning_rate == 1e-2 and configuration.optimizer == "adam":
            state.parameters[row] = float("nan")
    return _sound(configurations, state, *rest, first_epoch=first_epoch, **options)
"""


def test_a_network_that_diverges_later_keeps_its_best_epoch(
    launch: Launch, sweep: Sweep, small: Path, tmp_path: Path
) -> None:
    study = tmp_path / "study"
    ended = launch(*sweep_arguments(small, study, "halving"), plan={"worker": LATER}).wait()
    assert ended.code == 0, ended.err
    trials = load_trials(study)
    late = trials[(trials["state"] == "diverged") & (trials["epochs"] > 1)]
    assert len(late) and (late["best_epoch"] == 1).all() and late["val_accuracy"].notna().all()
    assert late["reason"].str.contains("not a finite number at epoch 2").all()
    whole = curves(sweep(stack_size=16)).set_index(["config_id", "epoch"])
    found = curves(study).set_index(["config_id", "epoch"])
    sound = found.drop(index=[(config_id, 2) for config_id in late["config_id"]])
    assert_frame_equal(sound, whole.loc[sound.index], check_exact=True)
    check_record(study)
    check_ended(study)
