"""Two Ray nodes with addresses and disks of their own on this machine: network namespaces joined by a cable.

The head has one CPU. The worker has two CPUs, two ``spot``, a host name and a private disk, and none of the project's
code: only what the project depends on. Nothing leaves the two namespaces.
"""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from search.cluster.environment import PACKAGES
from tests.support.processes import ROOT, trained_on

HEAD, WORKER = "10.231.7.1", "10.231.7.2"
ADDRESS = f"{HEAD}:6379"
TOOLS = ("ip", "unshare", "nsenter", "mount")
RAY = str(Path(sys.executable).with_name("ray"))


class UnavailableError(Exception):
    """Why there can be no namespaces here."""


@dataclass(frozen=True)
class Namespaces:
    """The cluster: its namespaces, and the ``disk``, a path at which either node has a folder of its own."""

    head: str
    worker: str
    disk: Path

    @property
    def on_head(self) -> tuple[str, ...]:
        """What a command begins with that runs on the head."""
        return ("ip", "netns", "exec", self.head)

    def pids(self, namespace: str) -> list[int]:
        listed = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True, check=False)
        return [int(pid) for pid in listed.stdout.split()]

    def kill(self, namespace: str) -> None:
        """``SIGKILL`` to all of a node, as when its power goes."""
        for _ in range(100):
            for pid in (found := self.pids(namespace)):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if not found:
                return
            time.sleep(0.1)
        raise AssertionError(f"{namespace} cannot be ended")

    def on_worker(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run this with the worker's disk, network and name."""
        inside = ["nsenter", f"--target={self.pids(self.worker)[0]}", "--mount", "--net", "--uts", "--wd=/"]
        return subprocess.run([*inside, *command], capture_output=True, text=True, timeout=60, check=False)

    def cut(self) -> None:
        """Pull the cable."""
        _run("ip", "-n", self.head, "link", "set", "cable", "down")

    def trained(self, study: Path) -> set[str]:
        """The nodes whose segments have been committed, by their namespaces' names."""
        hosts = {host.rpartition(":")[0] for host in trained_on(study)} if (study / "study.db").exists() else set()
        return {self.worker if host == self.worker else self.head for host in hosts}


@contextmanager
def two_addresses() -> Iterator[Namespaces]:
    """The cluster, up; in the end nothing of it is left. ``UnavailableError`` where there can be none."""
    _check_tools()
    name = f"gs{secrets.token_hex(2)}"
    # short, for the paths of Ray's sockets
    nodes = Namespaces(f"{name}a", f"{name}b", Path(tempfile.mkdtemp(prefix=f"{name}-", dir="/tmp")))
    try:
        _connect(nodes)
        _start(nodes)
        yield nodes
    finally:
        for namespace in (nodes.worker, nodes.head):
            nodes.kill(namespace)
            subprocess.run(["ip", "netns", "delete", namespace], capture_output=True, check=False)
        shutil.rmtree(nodes.disk, ignore_errors=True)


def _check_tools() -> None:
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if os.geteuid() != 0 or missing:
        raise UnavailableError(f"no {', '.join(missing)}" if missing else "only root makes network namespaces")


def _connect(nodes: Namespaces) -> None:
    try:
        for namespace in (nodes.head, nodes.worker):
            _run("ip", "netns", "add", namespace)
        ends = ("cable", "netns", nodes.head, "type", "veth", "peer", "name", "cable", "netns", nodes.worker)
        _run("ip", "link", "add", *ends)
        for namespace, address in ((nodes.head, HEAD), (nodes.worker, WORKER)):
            _run("ip", "-n", namespace, "address", "add", f"{address}/30", "dev", "cable")
            for device in ("lo", "cable"):
                _run("ip", "-n", namespace, "link", "set", device, "up")
        _run("ip", "netns", "exec", nodes.worker, *_shell(nodes, "true"))
    except subprocess.CalledProcessError as error:
        raise UnavailableError(f"{shlex.join(error.cmd)}: {error.stderr.strip()}") from error


def _start(nodes: Namespaces) -> None:
    common = ["--object-store-memory=100000000", f"--temp-dir={nodes.disk / 'ray'}"]
    head = ["--head", "--port=6379", f"--node-ip-address={HEAD}", "--num-cpus=1", "--include-dashboard=false"]
    worker = [f"--address={ADDRESS}", f"--node-ip-address={WORKER}", "--num-cpus=2", '--resources={"spot": 2}']
    _run(*nodes.on_head, RAY, "start", *head, *common)
    start = shlex.join([RAY, "start", *worker, *common])
    _run("ip", "netns", "exec", nodes.worker, *_shell(nodes, start))


def _shell(nodes: Namespaces, command: str) -> Sequence[str]:
    """On the worker: mounts that it alone sees, over its disk and over every copy of our code; then the command."""
    hidden = [nodes.disk, *sorted(_copies())]
    mounts = [shlex.join(["mount", "-t", "tmpfs", "tmpfs", str(folder)]) for folder in hidden]
    return ("unshare", "--uts", "sh", "-ec", "\n".join([f"hostname {nodes.worker}", *mounts, f"exec {command}"]))


def _copies() -> set[Path]:
    """The folders of the five packages: those of this checkout, and those that this environment has installed."""
    find = f"import importlib.util as u; print(*(f.origin for n in {PACKAGES} if (f := u.find_spec(n))), sep='\\n')"
    installed = _run(sys.executable, "-I", "-c", find).split("\n")
    return {ROOT / name for name in PACKAGES} | {Path(file).parent for file in installed if file}


def _run(*command: str) -> str:
    """Its output; what it leaves running does not hold this process's pipes."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "PYTHON"))}
    environment |= {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        ended = subprocess.run(command, env=environment, stdout=out, stderr=err, cwd="/", timeout=120, check=False)
        out.seek(0)
        err.seek(0)
        if ended.returncode:
            raise subprocess.CalledProcessError(ended.returncode, command, stderr=err.read())
        return out.read()
