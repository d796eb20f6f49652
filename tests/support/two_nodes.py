"""``python -m tests.support.two_nodes``: a cluster of two nodes on this machine, and what becomes of them.

Prints the address; then each line of standard input kills the newest ``worker`` or the ``head``, or lets another node
``join``; the end of it ends the rest.
"""

from __future__ import annotations

import os
import sys

from search.cluster.environment import settle


def main() -> None:
    settle()
    from ray.cluster_utils import Cluster

    os.environ["RAY_AUTH_MODE"] = "disabled"
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    nodes = [cluster.add_node(num_cpus=1)]
    cluster.wait_for_nodes()
    print(cluster.address, flush=True)
    for line in sys.stdin:
        if line.strip() == "join":
            nodes.append(cluster.add_node(num_cpus=1))
        else:
            cluster.remove_node(nodes.pop() if line.strip() == "worker" else cluster.head_node, allow_graceful=False)
        print("done", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
