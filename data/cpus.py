"""How many CPUs this process may use."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator

from data.cgroups import groups, words
from data.errors import InputError

LIMIT_VARIABLE = "LOKY_MAX_CPU_COUNT"


def usable_cpus() -> int:
    """Return the CPUs that this process may use, at least 1: what every place that starts one process a CPU goes by.

    The least of the machine's CPUs, the affinity (``taskset``, Slurm, ``docker --cpuset-cpus``), the variable
    ``LOKY_MAX_CPU_COUNT`` and the quotas of control groups (``docker --cpus``, Kubernetes, systemd's ``CPUQuota``).
    A part of a CPU counts as one: two processes use a quota of 1.5 up, one does not. All but quotas of groups within
    others is joblib's work: joblib 1.6 ``loky/backend/context.py`` reads one group, at ``/sys/fs/cgroup`` itself, and
    rounds up, too; Ray 2.60 ``_private/utils.py`` reads the same one, knows no affinity, and cuts 0.5 down to 0.
    Raises ``InputError`` where the variable is no number.
    """
    from joblib.externals.loky import cpu_count  # 0.1 s, which only those who count pay for

    try:
        counted = cpu_count()
    except ValueError:
        raise InputError(
            f"{LIMIT_VARIABLE}={os.environ.get(LIMIT_VARIABLE)}: expected a whole number of CPUs: unset it, or set it "
            "to one"
        ) from None
    return max(1, min([counted, *(math.ceil(quota) for quota in cpu_quotas())]))


def cpu_quotas() -> Iterator[float]:
    """Yield the CPUs that each control group around this process grants it, its own first; none without a limit."""
    for folder in groups("cpu"):
        for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
            found = words(folder, *names)
            if len(found) == 2 and all(word.isdecimal() and int(word) > 0 for word in found):
                yield int(found[0]) / int(found[1])
