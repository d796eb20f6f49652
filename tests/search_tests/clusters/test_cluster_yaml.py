"""``cluster.yaml`` as ``ray up`` would take it, by Ray's own checks and without a cloud."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

_FILE = Path(__file__).resolve().parents[3] / "cluster.yaml"


@pytest.fixture
def config() -> dict[str, Any]:
    return prepare_config(yaml.safe_load(_FILE.read_text()))


def test_ray_accepts_it(config: dict[str, Any]) -> None:
    validate_config(config)


def test_ray_would_refuse_a_mistake(config: dict[str, Any]) -> None:
    with pytest.raises(Exception, match="idle_timeout_minute"):
        validate_config(config | {"idle_timeout_minute": 5})


def test_workers_are_spot_nodes_that_come_and_go(config: dict[str, Any]) -> None:
    worker = config["available_node_types"]["cpu_worker"]
    assert worker["min_workers"] == 0 and worker["max_workers"] > 0
    assert worker["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert config["available_node_types"]["head"]["resources"]["CPU"] == 0
    assert config["idle_timeout_minutes"] <= 10


def test_nothing_of_ray_is_open_to_the_world(config: dict[str, Any]) -> None:
    (start,) = (command for command in config["head_start_ray_commands"] if "--head" in command)
    assert "--dashboard-host=127.0.0.1" in start
    assert "security_group" not in config["provider"], "Ray's own group admits SSH and the cluster itself alone"


def test_every_node_gets_the_tested_versions_and_the_shared_folder(config: dict[str, Any]) -> None:
    commands = "\n".join(config["setup_commands"])
    assert "-c ~/genresweep/.ci/constraints.txt" in commands and "genresweep[cluster]" in commands
    assert "/mnt/genresweep" in commands
    for kind in ("head", "worker"):
        start = config[f"{kind}_start_ray_commands"][-1]
        assert "export PATH=$HOME/venv/bin:$PATH; ray start" in start, "jobs get the path of Ray's processes"


def test_the_commands_keep_the_record_off_the_shared_folder() -> None:
    """SQLite needs a local disk: on NFS the record could be damaged."""
    sweep = next(line for line in _FILE.read_text().splitlines() if "genresweep sweep" in line)
    assert "--storage /mnt/genresweep/runs --name" in sweep and "--out" not in sweep


def test_the_gpu_nodes_are_valid_once_uncommented() -> None:
    block = re.search(r"^  # gpu_worker:\n(  # .*\n)+", _FILE.read_text(), re.MULTILINE)
    assert block is not None
    uncommented = re.sub(r"^  # ", "  ", block[0], flags=re.MULTILINE)
    config = prepare_config(yaml.safe_load(_FILE.read_text().replace(block[0], uncommented)))
    validate_config(config)
    gpu, cpu = (config["available_node_types"][f"{kind}_worker"] for kind in ("gpu", "cpu"))
    assert gpu["resources"]["GPU"] == 1 and gpu["node_config"]["ImageId"].startswith("resolve:ssm:")
    assert gpu["node_config"]["BlockDeviceMappings"] == cpu["node_config"]["BlockDeviceMappings"]
