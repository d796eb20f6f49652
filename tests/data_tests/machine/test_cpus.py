"""How many CPUs are counted, under every kind of limit that containers, batch systems and users set."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from joblib.externals.loky.backend import context
from joblib.externals.loky.backend.context import cpu_count

from data.errors import InputError
from data.machine import cgroups, cpus

COUNT = "from data.machine.cpus import usable_cpus; print(usable_cpus())"
HYBRID = Path("/sys/fs/cgroup/cpu")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A made-up machine of 64 CPUs, whose ``/proc/self`` is here."""
    monkeypatch.setattr(cgroups, "_PROC", tmp_path)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(cpus, "affinity", lambda: 64)
    monkeypatch.delenv(cpus.LIMIT_VARIABLE, raising=False)
    return tmp_path


def grouped(machine: Path, own: str, *mounts: str) -> None:
    """Put this process into groups; ``HERE`` in a mount stands for the machine's folder."""
    (machine / "cgroup").write_text(own)
    lines = [f"{30 + n} 20 0:2{n} {mount}\n" for n, mount in enumerate(mounts)]
    (machine / "mountinfo").write_text("".join(lines).replace("HERE", str(machine)))


def put(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text + "\n")


VERSION_2 = "/ HERE/cgroup2 rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate"


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("max 100000", 64),
        ("100000 100000", 1),
        ("150000 100000", 2),
        ("50000 100000", 1),
        ("400000 50000", 8),
        ("9900000 100000", 64),
        ("", 64),
        ("nonsense 1", 64),
    ],
)
def test_a_quota_of_version_2(machine: Path, quota: str, expected: int) -> None:
    grouped(machine, "0::/\n", VERSION_2)
    put(machine / "cgroup2", cpu__max=quota)
    assert cpus.usable_cpus() == expected


@pytest.mark.parametrize("level", ["", "user.slice", "user.slice/user-7.slice", "user.slice/user-7.slice/run-5.scope"])
def test_the_least_of_all_groups_around_it_counts(machine: Path, level: str) -> None:
    own = "user.slice/user-7.slice/run-5.scope"
    grouped(machine, f"0::/{own}\n", VERSION_2)
    put(machine / "cgroup2" / own, cpu__max="max 100000")
    put(machine / "cgroup2" / "user.slice", cpu__max="2000000 100000")
    put(machine / "cgroup2" / level, cpu__max="300000 100000")
    assert cpus.usable_cpus() == 3


def test_a_quota_of_version_1_beside_version_2(machine: Path) -> None:
    """As on older systems; the controllers that share a mount share its line."""
    first = "/ HERE/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct"
    grouped(machine, "4:cpu,cpuacct:/slurm/job_7/step_0\n1:name=systemd:/x\n0::/y\n", first, VERSION_2)
    put(machine / "cpu,cpuacct/slurm/job_7", cpu__cfs_quota_us="500000", cpu__cfs_period_us="100000")
    put(machine / "cpu,cpuacct/slurm/job_7/step_0", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
    assert cpus.usable_cpus() == 5


@pytest.mark.parametrize(("own", "root"), [("/docker/ab", "/docker/ab"), ("/", "/"), ("/../other", "/"), ("/a", "/b")])
def test_in_a_container_the_mount_itself_is_the_group(machine: Path, own: str, root: str) -> None:
    grouped(machine, f"0::{own}\n", VERSION_2.replace("/ ", f"{root} ", 1))
    put(machine / "cgroup2", cpu__max="200000 100000")
    assert cpus.usable_cpus() == 2


def test_a_mount_over_another_hides_it(machine: Path) -> None:
    over = "/inner HERE/cpu rw - cgroup cgroup rw,cpu"
    grouped(machine, "4:cpu:/inner\n", "/ HERE/cpu rw - cgroup cgroup rw,cpu", over)
    put(machine / "cpu", cpu__cfs_quota_us="300000", cpu__cfs_period_us="100000")
    put(machine / "cpu" / "inner", cpu__cfs_quota_us="100000", cpu__cfs_period_us="100000")
    assert cpus.usable_cpus() == 3, "what is at inner is of the mount that is hidden"


def test_without_control_groups_affinity_counts(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cpus.usable_cpus() == 64
    monkeypatch.setattr(cpus, "affinity", lambda: 3)
    assert cpus.usable_cpus() == 3


@pytest.mark.parametrize(("text", "expected"), [("5", 5), ("99", 64), ("", 64)])
def test_joblibs_variable_counts(machine: Path, monkeypatch: pytest.MonkeyPatch, text: str, expected: int) -> None:
    monkeypatch.setenv(cpus.LIMIT_VARIABLE, text)
    assert cpus.usable_cpus() == expected


@pytest.mark.parametrize("text", ["all", "0", "-3", "1.5"])
def test_a_variable_that_is_no_number_of_cpus_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(cpus.LIMIT_VARIABLE, text)
    with pytest.raises(InputError, match=f"LOKY_MAX_CPU_COUNT={text}: expected a whole number"):
        cpus.usable_cpus()


@pytest.mark.parametrize("wanted", ["", "4"])
@pytest.mark.parametrize("bound", [64, 3])
@pytest.mark.parametrize("quota", ["max 100000", "50000 100000", "100000 100000", "150000 100000", "700000 100000"])
def test_it_agrees_with_joblib_of_one_group(
    machine: Path, monkeypatch: pytest.MonkeyPatch, quota: str, bound: int, wanted: str
) -> None:
    """Joblib is shown the made-up group where it looks for one."""
    grouped(machine, "0::/\n", VERSION_2)
    put(machine / "cgroup2", cpu__max=quota)
    files = {"/sys/fs/cgroup/cpu.max": machine / "cgroup2" / "cpu.max"}
    monkeypatch.setattr(context, "open", lambda name: files[name].open(), raising=False)
    monkeypatch.setattr(os.path, "exists", lambda path: path in files)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(bound)), raising=False)
    monkeypatch.setattr(cpus, "affinity", lambda: bound)
    if wanted:
        monkeypatch.setenv(cpus.LIMIT_VARIABLE, wanted)
    assert cpus.usable_cpus() == cpu_count()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_of_a_process_bound_to_one_cpu() -> None:
    one = min(os.sched_getaffinity(0))
    script = f"import os; os.sched_setaffinity(0, {{{one}}}); {COUNT}"
    assert subprocess.check_output([sys.executable, "-c", script], text=True).strip() == "1"


@pytest.fixture
def group() -> Iterator[Path]:
    """A real control group of this machine, and one within it, in which processes can be put."""
    outer = HYBRID / f"genresweep-test-{os.getpid()}"
    if os.geteuid() or not (HYBRID / "cpu.cfs_quota_us").exists():
        pytest.skip("needs root, and control groups of version 1 at /sys/fs/cgroup/cpu")
    (outer / "inner").mkdir(parents=True)
    yield outer
    (outer / "inner").rmdir()
    outer.rmdir()


def test_of_a_process_in_a_real_group_within_another(group: Path) -> None:
    """What neither joblib nor Ray sees without a mount of its own."""
    (group / "cpu.cfs_quota_us").write_text("100000")
    procs = group / "inner" / "cgroup.procs"
    script = f"import os; open({str(procs)!r}, 'w').write(str(os.getpid())); {COUNT}"
    assert subprocess.check_output([sys.executable, "-c", script], text=True).strip() == "1"
