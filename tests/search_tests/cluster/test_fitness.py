"""What is looked at before a Ray is started: how each part of a machine that cannot work is told, and how soon."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray._private.utils as ray_utils

from data.errors import InputError
from data.machine import cgroups
from search.cluster import fitness, session_folder
from search.cluster.fitness import Check, Fit, beside_a_cluster, here, refuse_unfit_machine
from tests.support.processes import ROOT

HEAVY = ("ray", "torch", "sklearn", "optuna", "pandas")


def test_a_sound_machine_is_not_refused_and_nothing_heavy_is_imported() -> None:
    script = (
        "import sys, time\nfrom search.cluster.fitness import refuse_unfit_machine\nbegan = time.monotonic()\n"
        "refuse_unfit_machine(None)\n"
        f"print(time.monotonic() - began, *[name for name in {HEAVY} if name in sys.modules])"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    out = subprocess.check_output([sys.executable, "-c", script], env=environment, cwd=ROOT, text=True).split()
    assert float(out[0]) < 1 and out[1:] == []


@pytest.fixture(autouse=True)
def _no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a cluster's address, nor the Ray that other tests of this process share."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(fitness, "_is_connected", lambda: False)


def refused_at_once() -> str:
    began = time.monotonic()
    with pytest.raises(InputError) as refused:
        refuse_unfit_machine(None)
    assert time.monotonic() - began < 1
    return str(refused.value)


def test_all_that_fails_is_told_in_one_message_each_with_its_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitness, "check_memory", lambda: Check("memory", Fit.FAILS, "0.1 GB", "give more"))
    monkeypatch.setattr(fitness, "check_loopback", lambda: Check("loopback", Fit.FAILS, "down", "bring it up"))
    monkeypatch.setattr(fitness, "check_shared_memory", lambda: Check("/dev/shm", Fit.NOTE, "small", "more"))
    said = refused_at_once()
    assert "  - memory: 0.1 GB\n    Fix: give more" in said and "  - loopback: down\n    Fix: bring it up" in said
    assert "small" not in said and "genresweep doctor" in said


def test_beside_a_cluster_what_its_nodes_do_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_folder, "temporary_bases", lambda: [])
    assert refused_at_once()
    refuse_unfit_machine("10.0.0.1:6379")
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    refuse_unfit_machine(None)
    assert set(beside_a_cluster()) < set(here())


def test_no_place_for_rays_folder_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_TMPDIR", "TEMP", "TMP", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TMPDIR", "/" + "x" * 100)
    monkeypatch.setattr(session_folder, "_USUAL", ())
    said = refused_at_once()
    assert "TMPDIR=/xxx" in said and "Fix:" in said


def test_no_home_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    said = refused_at_once()
    assert "HOME is not set" in said and "HOME=" in said.partition("Fix: ")[2]


def test_no_temporary_directory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", none)
    assert "set TMPDIR to a folder" in refused_at_once()


def test_a_tmpdir_that_python_passes_over_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "missing"))
    monkeypatch.setattr("tempfile.tempdir", None)
    found = fitness.check_temporary_folder()
    assert found.state is Fit.NOTE and f"TMPDIR={tmp_path / 'missing'} cannot be written" in found.found


def test_no_loopback_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: Any, **__: Any) -> None:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr("socket.create_connection", unreachable)
    assert "127.0.0.1 cannot be reached: Network is unreachable" in refused_at_once()


def test_a_host_name_that_does_not_resolve_is_no_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "no-such-host.invalid")
    refuse_unfit_machine(None)


@pytest.mark.parametrize(
    ("kind", "check"),
    [(resource.RLIMIT_AS, fitness.check_addresses), (resource.RLIMIT_NOFILE, fitness.check_open_files)],
)
def test_limits_of_the_shell(kind: int, check: Callable[[], Check], monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {kind: (100, 100)}
    monkeypatch.setattr(resource, "getrlimit", lambda asked: limits.get(asked, (-1, -1)))
    found = check()
    assert found.state is Fit.FAILS and "ulimit" in (found.fix or "")
    limits[kind] = (-1, -1)
    assert check().state is Fit.OK


GB = 1_000_000_000


@dataclass(frozen=True)
class Host:
    """What the made-up machine has, in GB, and what its container may use."""

    memory: int
    shared: float
    container: int | None = None


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Host], None]:
    """Makes this process take the machine for another, 8 GB of whose memory are in use, half of them by files."""

    def make(machine: Host) -> None:
        memory = SimpleNamespace(total=machine.memory * GB, used=4 * GB, available=(machine.memory - 4) * GB)
        monkeypatch.setattr("psutil.virtual_memory", lambda: memory)
        monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=int(machine.shared * GB)))
        monkeypatch.setattr(cgroups, "_PROC", tmp_path)
        (tmp_path / "cgroup").write_text("0::/\n")
        (tmp_path / "mountinfo").write_text(f"30 20 0:2 / {tmp_path}/groups rw - cgroup2 cgroup2 rw\n")
        if machine.container:
            (tmp_path / "groups").mkdir()
            (tmp_path / "groups" / "memory.max").write_text(str(machine.container * GB))
            (tmp_path / "groups" / "memory.current").write_text(str(8 * GB))
            files = f"anon {4 * GB}\nactive_file {3 * GB}\ninactive_file {1 * GB}\n"
            (tmp_path / "groups" / "memory.stat").write_text(files)

    return make


@pytest.mark.parametrize(
    ("machine", "reserved", "state"),
    [
        (Host(memory=16, shared=8), 3.6, Fit.OK),
        (Host(memory=16, shared=2), 3.6, Fit.NOTE),
        (Host(memory=128, shared=16), 15.2, Fit.OK),
        (Host(memory=128, shared=64), 37.2, Fit.OK),
        (Host(memory=128, shared=0.064), 10, Fit.NOTE),
        (Host(memory=512, shared=256, container=16), 3.6, Fit.OK),
        (Host(memory=2048, shared=1024), 200, Fit.OK),
    ],
)
def test_what_ray_reserves_for_objects(
    machine: Host, reserved: float, state: Fit, host: Callable[[Host], None]
) -> None:
    host(machine)
    assert fitness.object_store_bytes() == pytest.approx(reserved * GB, rel=1e-6)
    assert fitness.check_shared_memory().state is state


def test_it_is_what_ray_itself_reserves_here() -> None:
    reserved = ray_utils.resolve_object_store_memory(ray_utils.estimate_available_memory())
    assert fitness.object_store_bytes() == pytest.approx(reserved, rel=0.1)


@pytest.mark.parametrize(
    ("machine", "limit", "state"),
    [
        (Host(memory=512, shared=256, container=16), 64, Fit.OK),
        (Host(memory=512, shared=256, container=16), 11, Fit.FAILS),
        (Host(memory=512, shared=256), 64, Fit.FAILS),
        (Host(memory=512, shared=256), 168, Fit.OK),
        (Host(memory=512, shared=4), 20, Fit.OK),
    ],
)
def test_a_limit_on_addresses_that_ray_can_live_with(
    machine: Host, limit: int, state: Fit, host: Callable[[Host], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    host(machine)
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (limit * GB, limit * GB))
    assert fitness.check_addresses().state is state


@pytest.mark.parametrize(("limit", "state"), [("500000000", Fit.FAILS), ("4000000000", Fit.OK), ("max", Fit.OK)])
def test_memory_of_a_control_group(limit: str, state: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "_PROC", tmp_path)
    memory = SimpleNamespace(total=64_000_000_000, available=60_000_000_000)
    monkeypatch.setattr("psutil.virtual_memory", lambda: memory)
    (tmp_path / "cgroup").write_text("0::/job/step\n")
    (tmp_path / "mountinfo").write_text(f"30 20 0:2 / {tmp_path}/groups rw - cgroup2 cgroup2 rw\n")
    (tmp_path / "groups" / "job" / "step").mkdir(parents=True)
    (tmp_path / "groups" / "job" / "memory.max").write_text(limit)
    found = fitness.check_memory()
    assert found.state is state and ("control group" in found.found) == (limit != "max")


def test_a_small_shared_memory_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray goes on, in its folder on disk."""
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=64_000_000))
    found = fitness.check_shared_memory()
    assert found.state is Fit.NOTE and "--shm-size" in (found.fix or "")


@pytest.mark.parametrize("address", ["", "local", "auto", "ray://head:10001"])
def test_the_address_that_commands_use(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    expected = {"auto": Fit.NOTE, "ray://head:10001": Fit.FAILS}.get(address, Fit.OK)
    found = fitness.check_address()
    assert found.state is expected and (address or "not set") in found.found


def test_the_command_ends_with_code_2_before_ray(small: Path, tmp_path: Path) -> None:
    """In a network of its own, where loopback is down."""
    unshared = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--net", "--map-root-user"]
    if subprocess.run([*unshared, "true"], capture_output=True, check=False).returncode:
        pytest.skip("networks cannot be unshared here")
    arguments = ["--data", str(small / "tracks.csv"), "--space", str(small / "space.toml")]
    command = [*unshared, sys.executable, "-m", "search.cli", "sweep", *arguments, "--out", str(tmp_path / "study")]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert ended.returncode == 2, ended.stderr
    assert "ip link set lo up" in ended.stderr
    assert not (tmp_path / "study").exists()
