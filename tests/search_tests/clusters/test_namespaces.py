"""A cluster of two addresses: a head, and a spot node with a disk of its own and without the project's code."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.search_tests.conftest import Launch, Sweep
from tests.search_tests.faults.test_commands import sweep_arguments
from tests.support.laws import check_same
from tests.support.namespaces import ADDRESS, WORKER, Namespaces, UnavailableError, two_addresses
from tests.support.processes import SLOW, SLOWER, Command
from tests.support.small import HALVING, check_record

pytestmark = pytest.mark.timeout(1800)

SPOT = ("--resources-per-segment", '{"spot": 1}')


def cluster() -> Iterator[Namespaces]:
    try:
        with two_addresses() as nodes:
            yield nodes
    except UnavailableError as error:
        pytest.skip(f"no network namespaces: {error}")


nodes = pytest.fixture(scope="module")(cluster)
"""One cluster for the tests that leave it as they found it."""
mortal = pytest.fixture()(cluster)
"""A cluster for one test."""


def sweep_there(launch: Launch, small: Path, study: Path, nodes: Namespaces, *options: object, worker: str) -> Command:
    arguments = (*sweep_arguments(small, study, "halving"), "--address", ADDRESS, "--cpus", 3, *options)
    return launch(*arguments, plan={"worker": worker}, within=nodes.on_head)


def check_done(command: Command, study: Path, sweep: Sweep) -> None:
    """Every configuration once, and the numbers of a sweep on one machine."""
    ended = command.wait()
    assert ended.code == 0, ended.err
    check_record(study)
    check_same(study, sweep(**HALVING, stack_size=16))


@pytest.mark.slow
def test_both_addresses_train_though_one_has_none_of_the_code(
    nodes: Namespaces, launch: Launch, sweep: Sweep, small: Path, tmp_path: Path
) -> None:
    there = nodes.on_worker(sys.executable, "-I", "-c", "import torch, ray, search.cli.main")
    assert "No module named 'search" in there.stderr, there.stderr
    command = sweep_there(launch, small, tmp_path / "study", nodes, worker=SLOW)
    check_done(command, tmp_path / "study", sweep)
    assert nodes.trained(tmp_path / "study") == {nodes.head, nodes.worker}


@pytest.mark.faults
def test_a_custom_resource_keeps_segments_to_the_node_that_has_it(
    nodes: Namespaces, launch: Launch, sweep: Sweep, small: Path, tmp_path: Path
) -> None:
    command = sweep_there(launch, small, tmp_path / "study", nodes, *SPOT, worker="")
    check_done(command, tmp_path / "study", sweep)
    assert nodes.trained(tmp_path / "study") == {nodes.worker}


@pytest.mark.slow
def test_a_folder_that_another_node_has_not_is_refused(nodes: Namespaces, launch: Launch, small: Path) -> None:
    study = nodes.disk / "study"
    ended = sweep_there(launch, small, study, nodes, worker="").wait()
    assert ended.code == 2, ended.err
    assert f"{nodes.disk} is not one folder for all nodes of the cluster" in ended.err
    assert f"  - {WORKER}: " in ended.err and ended.err.count("  - ") == 1, ended.err
    assert sorted(path.name for path in nodes.disk.iterdir()) == ["ray"]
    assert nodes.on_worker("ls", "-A", str(nodes.disk)).stdout == "ray\n"


@pytest.mark.faults
@pytest.mark.parametrize("fault", ["power", "cable"])
def test_a_node_is_lost_and_the_other_trains_on(
    fault: str, mortal: Namespaces, launch: Launch, sweep: Sweep, small: Path, tmp_path: Path
) -> None:
    study = tmp_path / "study"
    command = sweep_there(launch, small, study, mortal, worker=SLOWER)
    command.until(lambda: mortal.trained(study) == {mortal.head, mortal.worker})
    if fault == "power":
        mortal.kill(mortal.worker)
    else:
        mortal.cut()
    check_done(command, study, sweep)
