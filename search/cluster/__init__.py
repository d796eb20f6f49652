"""Ray: where segments train, on this machine or on a cluster, and whether that can be trusted."""
