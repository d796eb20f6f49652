"""The checks of ``genresweep doctor``: resources of this machine, and what will not work, before hours are spent."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Any

from data.errors import InputError
from data.machine.cache_folder import choose_cache
from data.machine.cpus import LIMIT_VARIABLE, affinity, cpu_quotas, usable_cpus
from search.cluster.fitness import Check, Fit, check_address, here
from search.cluster.leftovers import leftover_sessions

LIBRARIES = (
    *("genresweep", "torch", "ray", "numpy", "numba", "pandas", "scikit-learn", "xgboost", "optuna"),
    "sentence-transformers",
)
"""Libraries on which a study's numbers depend, besides the code."""


def examine() -> list[Check]:
    """Return every check of this machine, in the order in which they are shown; takes some seconds, for its imports.

    The first part is the checks of `search.cluster.fitness.refuse_unfit_machine` before a sweep.
    """
    return [guarded(check) for check in (check_cpus, *here(), check_address, *_SLOW)]


def guarded(check: Callable[[], Check]) -> Check:
    """Return the result of a check, or that it could not be made, so that the others are shown all the same.

    Wrong input, such as a variable that no sweep could use either, fails; anything else that goes wrong is a note.
    """
    name = check.__name__.removeprefix("check_").replace("_", " ")
    try:
        return check()
    except InputError as error:
        return Check(name, Fit.FAILS, str(error), "mend what the message names")
    except Exception as error:
        return Check(name, Fit.NOTE, f"could not be looked at: {type(error).__name__}: {error}", "see the message")


def check_cpus() -> Check:
    """Tell how many CPUs sweeps use here, and what keeps them from the others."""
    try:
        usable = usable_cpus()
    except InputError as error:
        return Check("CPUs", Fit.FAILS, str(error), f"unset {LIMIT_VARIABLE}")
    there = os.cpu_count() or 1
    found = f"{usable} of {there}{''.join(f', {limit}' for limit in _limits(there))}"
    if usable == there:
        return Check("CPUs", Fit.OK, found)
    fix = "ask for more CPUs (taskset, docker --cpus, Slurm's --cpus-per-task, a limit of Kubernetes, CPUQuota)"
    return Check("CPUs", Fit.NOTE, found, fix)


def _limits(there: int) -> Iterator[str]:
    if (bound := affinity()) < there:
        yield f"affinity {bound}"
    if quota := min(cpu_quotas(), default=None):
        yield f"quota {quota:g}"
    if limit := os.environ.get(LIMIT_VARIABLE):
        yield f"{LIMIT_VARIABLE}={limit}"


def check_rays_cpus() -> Check:
    """Tell how many CPUs ``ray start`` would count here, which is for clusters: commands tell their own Ray."""
    from ray._private.utils import get_num_cpus

    counted, usable = int(get_num_cpus(override_docker_cpu_warning=True)), usable_cpus()
    found = f"ray start counts {counted}, genresweep {usable}"
    if counted == usable:
        return Check("Ray's CPUs", Fit.OK, found)
    return Check("Ray's CPUs", Fit.NOTE, found, f"for a cluster: ray start --num-cpus {usable}")


def check_kernels() -> Check:
    """Tell whether the kernels are compiled already."""
    from trainables.stack.compiled import are_compiled

    compiled = are_compiled(choose_cache().folder)
    return Check("kernels", Fit.OK, "compiled" if compiled else "not compiled yet: the first sweep does, 40 s")


def check_leftovers() -> Check:
    """Tell which leftovers of ended Rays are on the disk."""
    left = leftover_sessions()
    found = f"{len(left)} sessions that have ended, {left.megabytes:.1f} MB"
    return Check("Ray's leftovers", Fit.NOTE if left.folders else Fit.OK, found, left.command or None)


def check_versions() -> Check:
    """Tell the versions of the libraries that fix a study's numbers; those that genresweep requires must be there."""
    found = [f"{name} {_version(name)}" for name in LIBRARIES]
    if problems := list(_unmet()):
        return Check("versions", Fit.FAILS, "; ".join(problems), "pip install -e . in genresweep's folder")
    return Check("versions", Fit.OK, ", ".join([f"Python {platform.python_version()}", *found]))


def _unmet() -> Iterator[str]:
    """Yield the requirements of this package that the installed versions do not meet."""
    from packaging.requirements import Requirement

    for line in requires("genresweep") or ():
        wanted = Requirement(line)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        installed = _version(wanted.name)
        if not wanted.specifier.contains(installed, prereleases=True):
            yield f"{wanted.name} {installed}, expected {wanted.specifier}"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def check_processor() -> Check:
    """Tell the processor, on which the last bits of a learning curve depend."""
    from llvmlite.binding import get_host_cpu_features, get_host_cpu_name

    features = get_host_cpu_features()
    vectors = next((name for name in ("avx512f", "avx2", "neon", "sse2") if features.get(name)), "no vectors")
    return Check("processor", Fit.OK, f"{get_host_cpu_name()} ({platform.machine()}, {vectors}), {platform.platform()}")


def check_gpu() -> Check:
    """Tell which GPUs PyTorch can use."""
    import torch

    if not torch.cuda.is_available():
        return Check("GPU", Fit.OK, "none that PyTorch can use: --device cpu, the default, is what runs here")
    names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return Check("GPU", Fit.OK, f"{', '.join(names)}: --device cuda")


_SLOW = (check_rays_cpus, check_kernels, check_leftovers, check_versions, check_processor, check_gpu)
"""Checks whose imports take seconds."""


def as_json(checks: list[Check]) -> dict[str, Any]:
    """Return the checks as plain values: ``fit``, whether a sweep can run here, and ``checks``, one object each."""
    listed = [{"name": c.name, "state": str(c.state), "found": c.found, "fix": c.fix} for c in checks]
    return {"fit": can_sweep(checks), "checks": listed}


def can_sweep(checks: list[Check]) -> bool:
    """Return True where no check that would stop a sweep fails."""
    return all(check.state is not Fit.FAILS for check in checks)
