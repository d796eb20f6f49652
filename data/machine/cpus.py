"""How many CPUs this process may use."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator

import psutil

from data.errors import InputError
from data.machine.cgroups import groups, words

LIMIT_VARIABLE = "LOKY_MAX_CPU_COUNT"


def usable_cpus() -> int:
    """Return the CPUs that this process may use, at least 1: what every place that starts one process a CPU goes by.

    The least of the machine's CPUs, the affinity (``taskset``, Slurm, ``docker --cpuset-cpus``), the quotas of control
    groups (``docker --cpus``, Kubernetes, systemd's ``CPUQuota``) and joblib's variable ``LOKY_MAX_CPU_COUNT``. A part
    of a CPU counts as one: two processes use a quota of 1.5 up, one does not. Raises ``InputError`` where the variable
    is no number.

    It is what joblib 1.6 counts (``externals/loky/backend/context.py``), whose import takes 0.2 s of a sweep's start,
    and which sees the quota of one group alone, the one at ``/sys/fs/cgroup`` itself. Ray 2.60 reads the same one
    (``_private/utils.py``), knows no affinity, and cuts 1.5 down to 1 and 0.5 to 0.
    """
    quotas = (math.ceil(quota) for quota in cpu_quotas())
    return max(1, min([os.cpu_count() or 1, affinity(), *quotas, *_wanted()]))


def affinity() -> int:
    """Return the CPUs on which the system lets this process run, of all there are."""
    process = psutil.Process()
    return len(process.cpu_affinity()) if hasattr(process, "cpu_affinity") else os.cpu_count() or 1


def cpu_quotas() -> Iterator[float]:
    """Yield the CPUs that each control group around this process grants it, its own first; none without a limit."""
    for folder in groups("cpu"):
        for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
            found = words(folder, *names)
            if len(found) == 2 and all(word.isdecimal() and int(word) > 0 for word in found):
                yield int(found[0]) / int(found[1])


def _wanted() -> Iterator[int]:
    """What the user's variable says."""
    if text := os.environ.get(LIMIT_VARIABLE):
        if not text.isdecimal() or int(text) < 1:
            raise InputError(f"{LIMIT_VARIABLE}={text}: expected a whole number of CPUs: unset it, or set it to one")
        yield int(text)
