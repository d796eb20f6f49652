"""Where Ray is, and what is said of a place where it is not."""

from __future__ import annotations

import gc
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray

from data.errors import InputError
from search.cluster import connection as cluster
from search.cluster.address import cluster_address
from search.snapshots.local_disk import shared_disk, warning


def test_an_option_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert cluster_address(None) == "local"
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert cluster_address(None) == "10.0.0.1:6379"
    assert cluster_address("auto") == "auto"


def test_a_ray_of_its_own_is_refused_where_its_ports_would_be_open(small: Path, tmp_path: Path) -> None:
    arguments = ["--data", str(small / "tracks.csv"), "--space", str(small / "space.toml"), "--address", "local"]
    command = [sys.executable, "-m", "search.cli", "sweep", *arguments, "--out", str(tmp_path / "study"), "--quiet"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")} | {"RAY_ADDRESS": "10.0.0.1:6379"}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 2, ended.stderr
    assert "unset RAY_ADDRESS" in ended.stderr
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize("way", ["option", "environment"])
def test_ray_client_is_refused_with_the_reason(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "ray://head:10001" if way == "environment" else "")
    with pytest.raises(InputError, match="the sweep would run on the head"):
        cluster_address("ray://head:10001" if way == "option" else None)


def test_what_the_raylet_says_goes_to_the_log(
    ray_session: int, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Where Ray itself calls it, and not a line on standard output."""
    worker = ray._private.worker
    assert "print_to_stdstream" in worker.listen_error_messages.__code__.co_names
    with caplog.at_level(logging.INFO, logger="genresweep"):
        worker.print_to_stdstream({"lines": ["A worker died"], "pid": "raylet", "is_err": False}, ignore_prefix=False)
    assert "A worker died" in caplog.text
    assert "died" not in "".join(capfd.readouterr())


def test_workers_look_for_garbage_rarely(ray_session: int) -> None:
    def threshold() -> int:
        return gc.get_threshold()[0]

    assert ray.get(ray.remote(threshold).remote()) == 10_000


def test_a_ray_of_its_own_is_shut_down_without_waiting_for_its_autoscaler() -> None:
    """In a process of its own: who else uses a Ray here goes on."""
    script = (
        "from ray._private import worker\n"
        "from search.cluster import connection as cluster, environment\n"
        "environment.settle()\n"
        "shut_down, left = cluster.ray.shutdown, []\n"
        "def look():\n"
        "    left.extend(worker._global_node.all_processes)\n"
        "    shut_down()\n"
        "cluster.ray.shutdown = look\n"
        "with cluster.connected(cluster.Resources(cpus=1)):\n"
        "    assert 'monitor' in worker._global_node.all_processes\n"
        "assert 'raylet' in left and 'monitor' not in left, left\n"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True, timeout=300, capture_output=True)


def test_where_no_cluster_answers_nothing_is_written(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "study"
    arguments = ["--data", str(small / "tracks.csv"), "--space", str(small / "space.toml"), "--out", str(out)]
    command = [sys.executable, "-m", "search.cli", "sweep", *arguments, "--address", "127.0.0.1:9", "--quiet"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 2, ended.stderr
    assert "no Ray cluster that this command can join" in ended.stderr
    assert "RAY_AUTH_MODE=token" in ended.stderr and "on a node of the cluster" in ended.stderr
    assert not out.exists()


def test_the_cause_of_a_failed_connection_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise ConnectionError("Failed to connect") from RuntimeError("no node of this machine belongs to it")

    monkeypatch.setattr("ray.init", refuse)
    with pytest.raises(InputError, match="Failed to connect: no node of this machine belongs to it"):
        cluster._start_or_join({"address": "auto"})


def test_a_job_with_a_working_directory_of_its_own_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """By Ray's own words, which it says before it connects."""
    job = {"runtime_env": {"working_dir": "gcs://_ray_pkg_a.zip"}}
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", json.dumps(job))
    monkeypatch.delenv("RAY_OVERRIDE_JOB_RUNTIME_ENV", raising=False)
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    with pytest.raises(InputError, match="submit without --working-dir") as refused:
        cluster._start_or_join({"address": "auto", "runtime_env": {"working_dir": "/tmp"}})
    assert "no Ray cluster" not in str(refused.value)


def test_a_study_on_a_network_file_system_is_warned_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mounts = {"/": "ext4", str(tmp_path / "efs"): "nfs4", str(tmp_path / "efs" / "disk"): "ext4"}
    partitions = [SimpleNamespace(mountpoint=point, fstype=kind) for point, kind in mounts.items()]
    monkeypatch.setattr("psutil.disk_partitions", lambda all: partitions)
    assert shared_disk(tmp_path / "efs" / "runs" / "first") == "nfs4"
    assert "--storage" in (warning(tmp_path / "efs" / "runs" / "first") or "")
    assert shared_disk(tmp_path / "efs" / "disk" / "first") is shared_disk(tmp_path / "efs2") is None
    assert warning(tmp_path) is None
