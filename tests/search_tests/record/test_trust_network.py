"""The ports of a running sweep: who reaches them, and who is obeyed."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path
from socket import SocketKind

import psutil
import pytest

from tests.search_tests.conftest import Launch
from tests.search_tests.faults.test_commands import sweep_arguments
from tests.support.laws import check_interrupted
from tests.support.processes import SLOW, WORKER, segments

ASK = """
import ray, sys
from ray._raylet import GcsClient
print(len(GcsClient(address=sys.argv[1]).get_all_node_info()))
"""


def nodes_told(address: str, **variables: str) -> str:
    """What Ray's control store says to somebody who may have a token."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")} | variables
    asked = [sys.executable, "-c", ASK, address]
    return subprocess.run(asked, env=environment, capture_output=True, text=True, timeout=60, check=False).stdout


@pytest.mark.slow
def test_a_running_sweep_takes_orders_from_itself_alone(launch: Launch, small: Path, tmp_path: Path) -> None:
    """Loopback is open to every user of the machine, and whoever Ray listens to can run code as the sweep's."""
    study = tmp_path / "study"
    command = launch(*sweep_arguments(small, study, "none"), plan={"worker": SLOW})
    command.until(lambda: segments(study) >= 1 and bool(command.started(WORKER)))
    raylet = command.started("raylet")[0]
    token = raylet.environ()["RAY_AUTH_TOKEN"]
    address = re.findall(r"--gcs-address=([\d.:]+)", " ".join(raylet.cmdline()))[0]
    session = re.findall(r"--session_dir=(\S+)", " ".join(raylet.cmdline()))[0]
    commands = [" ".join(process.cmdline()) for process in command.started()]
    answers = [nodes_told(address, RAY_AUTH_MODE="disabled")]
    answers += [nodes_told(address, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=t) for t in ("0" * 64, token)]
    command.interrupt()
    ended = command.wait()
    assert ended.code in (0, 130), ended.err
    assert answers == ["", "", "1\n"]
    assert len(token) == 64 and not any(token in text for text in (*commands, ended.out, ended.err))
    files = [path for folder in (study, Path(session)) for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 5 and [path for path in files if token.encode() in path.read_bytes()] == []


@pytest.mark.slow
@pytest.mark.parametrize("address", ["", "local"])
def test_a_running_sweep_listens_on_this_machine_alone(
    address: str, launch: Launch, small: Path, tmp_path: Path
) -> None:
    """Ray would listen on every interface, and whoever reaches its ports can run code."""
    study = tmp_path / "study"
    command = launch(*sweep_arguments(small, study, "none"), plan={"worker": SLOW}, RAY_ADDRESS=address)
    command.until(lambda: segments(study) >= 1 and bool(command.started(WORKER)))
    found: dict[str, set[str]] = {}
    for process in (psutil.Process(command.process.pid), *command.started()):
        with contextlib.suppress(psutil.NoSuchProcess):
            sockets = process.net_connections("inet")
            bound = {s.laddr.ip for s in sockets if s.status == psutil.CONN_LISTEN or s.type is SocketKind.SOCK_DGRAM}
            found.setdefault(process.name(), set()).update(bound)
    command.interrupt()
    check_interrupted(command.wait(), study)
    assert all(found.get(name) for name in ("raylet", "gcs_server")), found
    assert any(name.startswith("ray::") and ips for name, ips in found.items()), found
    addresses = set().union(*found.values())
    assert addresses <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}, found
