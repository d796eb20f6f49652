"""Clusters of several nodes on this machine, which join, leave and die while a sweep trains.

One node is killed in the middle with ``-m slow``; the rest runs with ``-m faults``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.search_tests.conftest import Launch, Sweep
from tests.search_tests.faults.test_commands import finish, sweep_arguments
from tests.support.laws import check_broken_off, check_same
from tests.support.processes import ROOT, SLOW, SLOWER, Command, segments, trained_on
from tests.support.small import HALVING, check_record

pytestmark = pytest.mark.timeout(1800)

Cluster = tuple[str, Callable[[str], None]]
"""Its address, and what is told of its nodes."""


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.two_nodes"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None and process.stdin is not None
    to, of = process.stdin, process.stdout
    address = of.readline().strip()
    assert address, "the cluster did not start"

    def tell(word: str) -> None:
        to.write(f"{word}\n")
        to.flush()
        assert of.readline() == "done\n"

    yield address, tell
    to.close()
    process.wait(300)


def start(launch: Launch, small: Path, study: Path, address: str, *options: object, worker: str = SLOW) -> Command:
    """A sweep on the cluster, in the middle of its work."""
    arguments = (*sweep_arguments(small, study, "halving"), "--address", address, *options)
    command = launch(*arguments, plan={"worker": worker})
    command.until(lambda: segments(study) >= 2)
    return command


def check_done(command: Command, study: Path, sweep: Sweep) -> None:
    """It has ended well, with every configuration once, and as if nothing had happened."""
    ended = command.wait()
    assert ended.code == 0, ended.err
    check_record(study)
    check_same(study, sweep(**HALVING, stack_size=16))


@pytest.mark.slow
def test_a_node_dies_and_the_other_trains_on(
    cluster: Cluster, launch: Launch, sweep: Sweep, small: Path, tmp_path: Path
) -> None:
    (address, tell), study = cluster, tmp_path / "study"
    command = start(launch, small, study, address)
    tell("worker")
    check_done(command, study, sweep)


@pytest.mark.faults
def test_a_node_joins_and_trains_and_another_leaves(
    cluster: Cluster, launch: Launch, sweep: Sweep, small: Path, tmp_path: Path
) -> None:
    (address, tell), study = cluster, tmp_path / "study"
    tell("worker")
    command = start(launch, small, study, address, "--cpus", 3, worker=SLOWER)
    tell("join")
    tell("join")
    command.until(lambda: len(trained_on(study)) >= 2)
    tell("worker")
    check_done(command, study, sweep)


@pytest.mark.faults
def test_the_head_dies_and_the_command_says_so(
    cluster: Cluster, launch: Launch, sweep: Sweep, small: Path, tmp_path: Path
) -> None:
    (address, tell), study = cluster, tmp_path / "study"
    command = start(launch, small, study, address)
    tell("head")
    ended = command.wait()
    assert ended.code == 1, ended.err
    assert "genresweep: Ray died: its " in ended.err
    check_broken_off(ended, study)
    finish(launch, study, sweep_arguments(small, study, "halving"))
    check_same(study, sweep(**HALVING, stack_size=16))


@pytest.mark.faults
def test_what_no_node_has_is_said_before_there_is_a_study(
    cluster: Cluster, launch: Launch, small: Path, tmp_path: Path
) -> None:
    study = tmp_path / "study"
    asked = sweep_arguments(small, study, "halving", "--address", cluster[0], "--resources-per-segment", '{"spot": 1}')
    ended = launch(*asked).wait()
    assert ended.code == 2 and "no node can hold a segment, which takes 1 CPU, 1 spot" in ended.err, ended.err
    assert ended.err.count(": 1 CPU") == 2 and not study.exists()


@pytest.mark.faults
def test_other_code_on_a_node_is_said_before_there_is_a_study(
    cluster: Cluster, launch: Launch, small: Path, tmp_path: Path
) -> None:
    study = tmp_path / "study"
    plan = {"code": "0123456789abcdef"}
    ended = launch(*sweep_arguments(small, study, "halving", "--address", cluster[0]), plan=plan).wait()
    assert ended.code == 2 and ended.err.count("genresweep's code is ") == 2, ended.err
    assert not study.exists()


@pytest.fixture
def head(launch: Launch, tmp_path: Path) -> Iterator[Callable[[str], tuple[Command, str]]]:
    """Starts a head of a kind; returns it and its address."""
    started: list[Command] = []

    def start(kind: str) -> tuple[Command, str]:
        # as on the nodes of cluster.yaml
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        started.append(launch(kind, tmp_path, module="tests.support.ray_head", PATH=path))
        assert started[-1].process.stdout is not None
        address = started[-1].process.stdout.readline().strip()
        assert address, "the head did not start"
        return started[-1], address

    yield start
    for command in started:
        command.process.kill()
        command.kill_started()


Head = Callable[[str], tuple[Command, str]]


@pytest.mark.faults
def test_pending_segments_make_a_cluster_grow_and_idleness_makes_it_shrink(
    head: Head, launch: Launch, sweep: Sweep, small: Path, tmp_path: Path
) -> None:
    (ray, address), study = head("autoscaling"), tmp_path / "study"
    assert len(ray.started("raylet")) == 1, "the head"
    command = start(launch, small, study, address, worker=SLOWER)
    command.until(lambda: len(ray.started("raylet")) == 3)
    check_done(command, study, sweep)
    ray.until(lambda: len(ray.started("raylet")) == 1)


@pytest.mark.faults
def test_a_sweep_is_a_job(head: Head, sweep: Sweep, small: Path, tmp_path: Path) -> None:
    pytest.importorskip("aiohttp", reason="jobs need ray[default]")
    (_, address), study = head("jobs"), tmp_path / "study"
    sweep_it = ["genresweep", *sweep_arguments(small, study, "halving"), "--quiet"]
    submit = [Path(sys.executable).with_name("ray"), "job", "submit", "--address", address]
    command = [*submit, "--", *sweep_it]
    code, said = _submit(list(map(str, command)))
    assert code == 0, said
    check_record(study)
    check_same(study, sweep(**HALVING, stack_size=16))


def _submit(command: list[str]) -> tuple[int, str]:
    """A head takes no jobs before its agent has started."""
    deadline = time.monotonic() + 60
    while True:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=1200, check=False)
        said = ended.stdout + ended.stderr
        if "No available agent" not in said or time.monotonic() > deadline:
            return ended.returncode, said
        time.sleep(1)
