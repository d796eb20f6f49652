"""The driver, killed and interrupted for real, and what ``resume`` makes of what it left.

The default suite runs one chain; ``pytest -m faults --faults N`` runs every named moment and N random ones.
"""

from __future__ import annotations

import importlib
import random
import signal
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pandas.testing import assert_frame_equal

from results.dataframes.frames import load_curves
from tests.search_tests.conftest import GONE_WITHIN, Launch, Sweep
from tests.support.laws import (
    SLOTS,
    check_broken_off,
    check_interrupted,
    check_no_temporary_files,
    check_prefixes,
    check_same,
    check_words,
)
from tests.support.processes import SLOWER, WORKER, Command, Plan, segments
from tests.support.small import CONFIGURATIONS, EPOCHS, HALVING

KILL, TERM, INT = signal.SIGKILL, signal.SIGTERM, signal.SIGINT
FAULTS_PER_STUDY = 4
Arguments = tuple[object, ...]


def sweep_arguments(small: Path, study: Path, scheduler: str, *options: object) -> Arguments:
    """Stacks of one, so that there are many segments to be interrupted between."""
    rungs = () if scheduler == "none" else ("--reduction-factor", 2)
    return (
        *("sweep", "--data", small / "tracks.csv", "--space", small / "space.toml", "--out", study),
        *("--scheduler", scheduler, "--epochs", EPOCHS, "--stack-size", 1, *rungs, "--cpus", SLOTS, *options),
    )


def go_on(study: Path, first: Arguments) -> Arguments:
    """Resume what there is, or begin."""
    return ("resume", study, "--cpus", SLOTS) if study.exists() else first


def finish(launch: Launch, study: Path, first: Arguments) -> None:
    command = launch(*go_on(study, first), "--quiet")
    ended = command.wait()
    assert ended.code == 0, ended.err
    assert ended.err == "", "--quiet"


def check_against(study: Path, scheduler: str, sweep: Sweep, *, lost: bool = False) -> None:
    if scheduler == "asha":
        check_prefixes(study, sweep(stack_size=16), lost=lost)
    else:
        check_same(study, sweep(**(HALVING if scheduler == "halving" else {}), stack_size=16), lost=lost)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("scheduler", ["halving", "asha"])
def test_killed_inside_a_commit_then_interrupted(
    scheduler: str, launch: Launch, sweep: Sweep, small: Path, tmp_path: Path
) -> None:
    """``SIGKILL`` between two statements of a transaction, Ctrl-C of the whole terminal, then to the end."""
    study = tmp_path / "study"
    first = sweep_arguments(small, study, scheduler)
    killed = launch(*first, plan={"statement": 60, "signal": KILL})
    ended = killed.wait()
    assert ended.code == -KILL, ended.err
    committed, before = segments(study), load_curves(study)
    assert 0 < committed < CONFIGURATIONS
    assert not before.empty
    check_broken_off(ended, study)
    second = launch("resume", study, "--cpus", SLOTS)
    second.until(lambda: segments(study) > committed)
    second.interrupt(INT, group=True)
    check_interrupted(second.wait(), study)
    finish(launch, study, first)
    check_against(study, scheduler, sweep)
    after = load_curves(study).merge(before[["config_id", "epoch"]], on=["config_id", "epoch"])
    assert_frame_equal(after, before, obj="what was committed, its seconds among it")


POINTS = {
    "reading": ("search.studies.draft:prepare", 1),
    "creating": ("results.record.study:create_database", 1),
    "the first word": ("results.record.study:connect", 1),
    "Ray starting": ("search.cluster.connection:stage_code", 1),
    "Ray connecting": ("ray._private.worker:connect", 1),
    "Ray started": ("search.cluster.connection:watching", 1),
    "features": ("search.studies.sweep:put_encodings", 1),
    "Tune": ("search.cluster.tune_bridge:run_segments", 1),
    "the first commit": ("search.cluster.tune_bridge:commit", 1),
    "a later commit": ("search.cluster.tune_bridge:commit", 7),
    "tidying": ("search.studies.recovery:clear_leftovers", 1),
    "promotion": ("search.studies.promotion:promote", 1),
    "promotion's files": ("search.studies.promotion:write_model", 1),
    "between weights and card": ("trainables.checkpoint:write_atomically", 2),
    "after promotion": ("search.studies.promotion:Incumbent", 1),
}
"""Moments of a driver: the entry of a function, and which call of it."""


@pytest.mark.parametrize("moment", POINTS)
def test_a_moment_is_one_that_comes(moment: str) -> None:
    """A function that was renamed, or is now imported elsewhere, would leave nothing to be killed at."""
    module, name = POINTS[moment][0].split(":")
    assert callable(getattr(importlib.import_module(module), name))


@pytest.mark.faults
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(
    ("moment", "scheduler"),
    [(moment, "halving") for moment in POINTS]
    + [(moment, "asha") for moment in ("the first commit", "a later commit", "promotion")],
)
def test_killed_at(moment: str, scheduler: str, launch: Launch, sweep: Sweep, small: Path, tmp_path: Path) -> None:
    study, (point, call) = tmp_path / "study", POINTS[moment]
    first = sweep_arguments(small, study, scheduler)
    command = launch(*first, plan={"point": point, "call": call, "signal": KILL})
    ended = command.wait()
    assert ended.code == -KILL, ended.err
    check_broken_off(ended, study)
    finish(launch, study, first)
    check_against(study, scheduler, sweep)
    assert scratch(command) == [], "the next command deletes what a killed one has left"


def scratch(command: Command) -> list[str]:
    """The temporary folders of a command."""
    own = f"genresweep-{socket.gethostname()}-{command.process.pid}-*"
    return [path.name for path in Path(tempfile.gettempdir()).glob(own)]


INTERRUPTED = ("reading", "creating", "Ray connecting", "Ray started", "a later commit", "promotion's files")


@pytest.mark.faults
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("number", [TERM, INT])
@pytest.mark.parametrize("moment", INTERRUPTED)
def test_asked_to_stop_at(moment: str, number: int, launch: Launch, sweep: Sweep, small: Path, tmp_path: Path) -> None:
    study, (point, call) = tmp_path / "study", POINTS[moment]
    first = sweep_arguments(small, study, "none")
    command = launch(*first, plan={"point": point, "call": call, "signal": number})
    ended = command.wait()
    assert ended.code == 130, ended.err
    assert "interrupted" in ended.err
    check_broken_off(ended, study)
    check_no_temporary_files(ended, study)
    assert scratch(command) == []
    finish(launch, study, first)
    check_against(study, "none", sweep)


@pytest.mark.faults
@pytest.mark.timeout(7200)
def test_a_second_signal_stops_at_once(launch: Launch, sweep: Sweep, small: Path, tmp_path: Path) -> None:
    study = tmp_path / "study"
    first = sweep_arguments(small, study, "none")
    command = launch(*first)
    command.until(lambda: segments(study) >= 2)
    command.interrupt(INT)
    time.sleep(0.2)
    command.interrupt(INT)
    ended = command.wait()
    assert ended.code == 130, ended.err
    check_broken_off(ended, study)
    finish(launch, study, first)
    check_against(study, "none", sweep)


@pytest.mark.faults
@pytest.mark.timeout(7200)
def test_begun_and_gone_on_with_twice_at_once(launch: Launch, sweep: Sweep, small: Path, tmp_path: Path) -> None:
    study = tmp_path / "study"
    first = sweep_arguments(small, study, "halving")
    both = [launch(*first, plan={"worker": SLOWER}) for _ in range(2)]
    refused = _refused(both)
    (holder,) = [command for command in both if command.process.poll() is None]
    assert f"is being written by process {holder.process.pid} on " in refused, refused
    holder.until(lambda: segments(study) >= 2)
    third = launch("resume", study).wait()
    assert third.code == 2
    assert f"is being written by process {holder.process.pid} on " in third.err
    check_words(third)
    assert holder.wait().code == 0
    check_against(study, "halving", sweep)


def _refused(both: list[Command]) -> str:
    """The message of the one of two commands that was refused."""
    both[0].until_any(lambda: any(command.process.poll() is not None for command in both))
    (loser,) = [command for command in both if command.process.poll() is not None]
    ended = loser.wait()
    assert ended.code == 2, ended.err
    check_words(ended)
    return ended.err


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "chain" in metafunc.fixturenames:
        count = metafunc.config.getoption("--faults")
        full, rest = divmod(count, FAULTS_PER_STUDY)
        sizes = [FAULTS_PER_STUDY] * full + ([rest] if rest else [])
        metafunc.parametrize("chain", list(enumerate(sizes)), ids=lambda chain: f"seed{chain[0]}x{chain[1]}")


@pytest.mark.faults
@pytest.mark.timeout(7200)
def test_random_faults(
    chain: tuple[int, int],
    launch: Launch,
    sweep: Sweep,
    small: Path,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """One study, some faults one after the other, each at a moment of the seed's choosing, then to the end."""
    seed, faults = chain
    rng, study = random.Random(seed), tmp_path / "study"
    scheduler = ("asha", "halving", "none")[seed % 3]
    record_property("chain", f"seed {seed} {scheduler}")
    first, lost = sweep_arguments(small, study, scheduler), False
    commands: list[Command] = []

    def recorded(*arguments: object, **options: Any) -> Command:
        commands.append(launch(*arguments, **options))
        return commands[-1]

    for _ in range(faults):
        kind = rng.choice([kind for kind in FAULTS if kind != "checkpoint" or segments(study)])
        lost |= kind == "checkpoint"
        record_property("fault", kind)
        print(f"seed {seed}, {scheduler}: {kind}", flush=True)
        print(f"  {FAULTS[kind](rng, study, go_on(study, first), recorded)}", flush=True)
        # now and then the next command begins beside what is left of the last one
        check_gone(commands if rng.random() < 0.5 else commands[:-1])
    finish(launch, study, first)
    check_against(study, scheduler, sweep, lost=lost)


def check_gone(commands: list[Command]) -> None:
    """Nothing that these commands have started still runs, or not for long."""
    left = {command.process.pid: command.left_behind(GONE_WITHIN) for command in commands}
    assert not any(left.values()), left


def _planned(rng: random.Random, study: Path, arguments: Arguments, launch: Launch, plan: Plan) -> str:
    command = launch(*arguments, plan=plan)
    ended = command.wait()
    check_broken_off(ended, study, drivers=2)
    check_no_temporary_files(ended, study)
    return f"{plan}, code {ended.code}"


def _at_a_statement(rng: random.Random, *where: Any) -> str:
    return _planned(rng, *where, {"statement": rng.randrange(1, 90), "signal": rng.choice([KILL, KILL, TERM, INT])})


def _at_a_point(rng: random.Random, *where: Any) -> str:
    point, call = POINTS[rng.choice(list(POINTS))]
    return _planned(rng, *where, {"point": point, "call": call, "signal": rng.choice([KILL, KILL, TERM, INT])})


def _at_a_moment(rng: random.Random, study: Path, arguments: Arguments, launch: Launch) -> str:
    command, number = launch(*arguments), rng.choice([KILL, TERM, INT])
    committed, more = segments(study), rng.randrange(4)
    command.until_any(lambda: segments(study) >= committed + more or command.process.poll() is not None)
    time.sleep(rng.uniform(0, 2))
    if number != KILL:  # before it listens, it just ends, as every program does
        command.until_any(lambda: command.listens() or command.process.poll() is not None)
    command.interrupt(number, group=number == INT)
    ended = command.wait()
    check_broken_off(ended, study, drivers=2)
    check_no_temporary_files(ended, study)
    return f"signal {number} after {more} segments, code {ended.code}"


def _of_rays(name: str | tuple[str, ...]) -> Callable[[random.Random, Path, Arguments, Launch], str]:
    def kill(rng: random.Random, study: Path, arguments: Arguments, launch: Launch) -> str:
        command, committed, more = launch(*arguments), segments(study), rng.randrange(3)
        command.until_any(
            lambda: (
                bool(segments(study) >= committed + more and command.started(name or WORKER))
                or command.process.poll() is not None
            )
        )
        killed = command.kill_started(name)
        ended = command.wait()
        check_broken_off(ended, study, drivers=2)
        return f"{killed} killed after {more} segments, code {ended.code}"

    return kill


def _reboot(rng: random.Random, study: Path, arguments: Arguments, launch: Launch) -> str:
    """The command and all that it has started, at once."""
    command, committed, more = launch(*arguments), segments(study), rng.randrange(4)
    command.until_any(lambda: segments(study) >= committed + more or command.process.poll() is not None)
    time.sleep(rng.uniform(0, 1))
    command.interrupt(KILL)
    killed = command.kill_started()
    check_broken_off(command.wait(), study, drivers=2)
    return f"{killed} killed beside the command after {more} segments"


def _checkpoint(rng: random.Random, study: Path, arguments: Arguments, launch: Launch) -> str:
    files = sorted((study / "checkpoints").glob("*.safetensors"))
    if not files:
        return "none yet"
    path, other = rng.choice(files), rng.choice(files).read_bytes()
    damage = rng.choice(["cut short", "emptied", "another's", "deleted"])
    content = {"cut short": path.read_bytes()[:-7], "emptied": b"", "another's": other, "deleted": b""}[damage]
    path.write_bytes(content)
    if damage == "deleted":
        path.unlink()
    return damage


FAULTS: dict[str, Callable[[random.Random, Path, Arguments, Launch], str]] = {
    "statement": _at_a_statement,
    "point": _at_a_point,
    "a moment": _at_a_moment,
    "worker": _of_rays(WORKER),
    "raylet": _of_rays("raylet"),
    "gcs_server": _of_rays("gcs_server"),
    "all of Ray": _of_rays(""),
    "reboot": _reboot,
    "checkpoint": _checkpoint,
}
