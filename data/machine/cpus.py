"""The number of CPUs that this process may use."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator

import psutil

from data.errors import InputError
from data.machine.cgroups import groups, words

LIMIT_VARIABLE = "LOKY_MAX_CPU_COUNT"


def usable_cpus() -> int:
    """Return the number of CPUs that this process may use, at least 1; whatever starts one process per CPU uses it.

    It is the minimum of the machine's CPUs, the affinity (``taskset``, Slurm, ``docker --cpuset-cpus``), the quotas of
    control groups (``docker --cpus``, Kubernetes, systemd's ``CPUQuota``) and joblib's variable ``LOKY_MAX_CPU_COUNT``.
    Fractions are rounded up: two processes use up a quota of 1.5, one does not. Raises ``InputError`` if the variable
    is not a number.

    joblib 1.6 counts the same (``externals/loky/backend/context.py``), but its import adds 0.2 s to the start of a
    sweep, and it sees the quota of only one group, the one at ``/sys/fs/cgroup`` itself. Ray 2.60 reads that same group
    (``_private/utils.py``), ignores the affinity, and rounds 1.5 down to 1 and 0.5 to 0.
    """
    quotas = (math.ceil(quota) for quota in cpu_quotas())
    return max(1, min([os.cpu_count() or 1, affinity(), *quotas, *_wanted()]))


def affinity() -> int:
    """Return the number of CPUs on which the system lets this process run."""
    process = psutil.Process()
    return len(process.cpu_affinity()) if hasattr(process, "cpu_affinity") else os.cpu_count() or 1


def cpu_quotas() -> Iterator[float]:
    """Yield the CPU quota of each control group of this process, its own first; groups without a limit are skipped."""
    for folder in groups("cpu"):
        for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
            found = words(folder, *names)
            if len(found) == 2 and all(word.isdecimal() and int(word) > 0 for word in found):
                yield int(found[0]) / int(found[1])


def _wanted() -> Iterator[int]:
    """Yield the number in the user's variable, if it is set."""
    if text := os.environ.get(LIMIT_VARIABLE):
        if not text.isdecimal() or int(text) < 1:
            raise InputError(f"{LIMIT_VARIABLE}={text}: expected a whole number of CPUs: unset it, or set it to one")
        yield int(text)
