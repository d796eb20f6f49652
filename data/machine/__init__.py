"""Resources of the machine: usable CPUs and the cache folder."""
