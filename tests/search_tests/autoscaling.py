"""``python -m tests.search_tests.autoscaling FOLDER``: a cluster that grows and shrinks, on one machine.

Ray's own autoscaler starts its nodes: a head without CPUs, and up to two workers of one CPU each by
Ray's fake provider. Prints the address; ends with its standard input. Whoever starts it ends what it has started.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

IDLE_MINUTES = 0.1


def config(address: str) -> dict[str, object]:
    """What ``ray up`` would hand to the autoscaler."""
    commands = ("initialization", "setup", "head_setup", "worker_setup", "head_start_ray", "worker_start_ray")
    return {
        "cluster_name": "fake",
        "max_workers": 2,
        "upscaling_speed": 1.0,
        "idle_timeout_minutes": IDLE_MINUTES,
        "provider": {
            "type": "fake_multinode",
            "gcs_address": address,
            "disable_node_updaters": True,
            "disable_launch_config_check": True,
        },
        "auth": {},
        "docker": {},
        "available_node_types": {
            "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
            "worker": {"resources": {"CPU": 1}, "node_config": {}, "min_workers": 0, "max_workers": 2},
        },
        "head_node_type": "ray.head.default",
        "file_mounts": {},
        "cluster_synced_files": [],
        "file_mounts_sync_continuously": False,
        "rsync_exclude": [],
        "rsync_filter": [],
        **{f"{name}_commands": [] for name in commands},
    }


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def main(folder: Path) -> None:
    port = free_port()
    address = f"127.0.0.1:{port}"
    file = folder / "autoscaling.json"
    file.write_text(json.dumps(config(address)))
    environment = os.environ | {
        "AUTOSCALER_UPDATE_INTERVAL_S": "1",
        "RAY_FAKE_CLUSTER": "1",
        "RAY_NODE_TYPE_NAME": "ray.head.default",  # as ``ray up`` does
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_AUTH_MODE": "disabled",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    options = [
        *(f"--port={port}", f"--autoscaling-config={file}", "--num-cpus=0", "--include-dashboard=false"),
        *("--node-ip-address=127.0.0.1", "--object-store-memory=100000000"),
    ]
    program = str(Path(sys.executable).with_name("ray"))
    subprocess.run([program, "start", "--head", *options], env=environment, check=True, stdout=subprocess.DEVNULL)
    print(address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
