"""The README's two other clusters, as far as they can be checked without machines."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from tests.support.processes import ROOT

README = ROOT / "search" / "cluster" / "README.md"


def blocks() -> list[dict[str, Any]]:
    section = README.read_text()
    return [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)]


@pytest.fixture
def onprem() -> dict[str, Any]:
    (found,) = (block for block in blocks() if "provider" in block)
    return prepare_config(found)


@pytest.fixture
def kubernetes() -> dict[str, Any]:
    (found,) = (block for block in blocks() if "apiVersion" in block)
    return found


def test_every_sweep_keeps_the_record_off_the_shared_folder() -> None:
    """SQLite needs a local disk: on NFS the record could be damaged."""
    sweeps = [line for line in README.read_text().splitlines() if "sweep --address auto --data /mnt" in line]
    assert len(sweeps) == 2
    assert all("--storage /mnt/genresweep/runs --name first" in line and "--out" not in line for line in sweeps)


class TestOwnMachines:
    def test_ray_accepts_them(self, onprem: dict[str, Any]) -> None:
        validate_config(onprem)
        assert onprem["provider"]["type"] == "local"

    def test_ray_would_refuse_a_mistake(self, onprem: dict[str, Any]) -> None:
        with pytest.raises(Exception, match="idle_timeout_minute"):
            validate_config(onprem | {"idle_timeout_minute": 5})

    def test_all_of_them_belong_to_the_cluster(self, onprem: dict[str, Any]) -> None:
        (kind,) = onprem["available_node_types"].values()
        assert kind["min_workers"] == kind["max_workers"] == len(onprem["provider"]["worker_ips"])

    def test_they_are_set_up_like_those_on_aws(self, onprem: dict[str, Any]) -> None:
        aws = yaml.safe_load((ROOT / "cluster.yaml").read_text())
        ours = [command for command in aws["setup_commands"] if "venv/bin" in command]
        assert ours and set(ours) <= set(onprem["setup_commands"])
        assert onprem["worker_start_ray_commands"][-1] == aws["worker_start_ray_commands"][-1]
        (start,) = (command for command in onprem["head_start_ray_commands"] if "--head" in command)
        assert "--dashboard-host=127.0.0.1" in start and "--num-cpus=0" in start
        for kind in ("head", "worker"):
            assert "export PATH=$HOME/venv/bin:$PATH; ray start" in onprem[f"{kind}_start_ray_commands"][-1]


class TestKubernetes:
    def test_workers_come_and_go_and_the_driver_is_alone(self, kubernetes: dict[str, Any]) -> None:
        assert (kubernetes["apiVersion"], kubernetes["kind"]) == ("ray.io/v1", "RayCluster")
        spec = kubernetes["spec"]
        assert spec["enableInTreeAutoscaling"] is True
        assert spec["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
        (group,) = spec["workerGroupSpecs"]
        assert 0 == group["minReplicas"] < group["maxReplicas"]

    def test_parameters_of_ray_start_are_strings(self, kubernetes: dict[str, Any]) -> None:
        spec = kubernetes["spec"]
        for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
            assert all(isinstance(value, str) for value in group["rayStartParams"].values())

    def test_every_pod_reaches_the_studies(self, kubernetes: dict[str, Any]) -> None:
        spec = kubernetes["spec"]
        for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
            pod = group["template"]["spec"]
            mounts = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
            assert mounts == {pod["volumes"][0]["name"]: "/mnt/genresweep"}

    def test_it_runs_the_tested_ray(self, kubernetes: dict[str, Any]) -> None:
        pinned = (ROOT / ".ci" / "constraints.txt").read_text().splitlines()
        assert f"ray=={kubernetes['spec']['rayVersion']}" in pinned
