"""``python -m tests.support.ray_head autoscaling|jobs FOLDER``: a head by ``ray start``, on this machine.

``autoscaling``: a head without CPUs; Ray's own autoscaler, in the version that ``ray up`` runs, starts up to two
workers of one CPU each by its fake provider. ``jobs``: a head of one CPU whose dashboard takes jobs; it needs
``ray[default]``. Prints the address of the cluster, or of the dashboard. Whoever starts it ends what it has started.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from ray.autoscaler._private.fake_multi_node.node_provider import FAKE_HEAD_NODE_ID, FakeMultiNodeProvider

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
            # the provider that Ray calls fake_multinode, under which name Ray looks for a file that its wheel lacks
            "type": "external",
            "module": f"{FakeMultiNodeProvider.__module__}.FakeMultiNodeProvider",
            "gcs_address": address,
            "head_node_id": FAKE_HEAD_NODE_ID,
            "launch_multiple": True,
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


def main(kind: str, folder: Path) -> None:
    port, dashboard = free_port(), free_port()
    address = f"127.0.0.1:{port}"
    environment = os.environ | {
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_AUTH_MODE": "disabled",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    options = [f"--port={port}", "--node-ip-address=127.0.0.1", "--object-store-memory=100000000"]
    if kind == "autoscaling":
        file = folder / "autoscaling.json"
        file.write_text(json.dumps(config(address)))
        # what ``ray up`` sets, too: the newer autoscaler, and who the node is
        environment |= {"RAY_enable_autoscaler_v2": "1", "RAY_NODE_TYPE_NAME": "ray.head.default"}
        environment |= {"RAY_FAKE_CLUSTER": "1", "RAY_CLOUD_INSTANCE_ID": FAKE_HEAD_NODE_ID}
        environment["AUTOSCALER_UPDATE_INTERVAL_S"] = "1"
        options += ["--num-cpus=0", "--include-dashboard=false", f"--autoscaling-config={file}"]
    else:
        options += ["--num-cpus=1", "--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}"]
        options += [f"--dashboard-agent-listen-port={free_port()}"]
    program = str(Path(sys.executable).with_name("ray"))
    subprocess.run([program, "start", "--head", *options], env=environment, check=True, stdout=subprocess.DEVNULL)
    print(address if kind == "autoscaling" else f"http://127.0.0.1:{dashboard}", flush=True)
    signal.pause()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
