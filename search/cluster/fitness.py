"""Checks of this machine before a Ray is started, each made in milliseconds, without importing Ray."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import psutil

from data.errors import InputError
from data.files import why_not_writable
from data.machine.cache_folder import CACHE_VARIABLE, choose_cache
from data.machine.cgroups import groups, words
from search.cluster.address import VARIABLE, find_address
from search.cluster.session_folder import check_session_folder

_SHARE = 0.3
"""Share of the free memory that Ray 2.60 reserves for objects (``_private/ray_constants.py``)."""
_MOST_OBJECTS = 200_000_000_000
"""Most bytes that Ray reserves for objects, however large the machine."""
_SLOW_OBJECTS = 10_000_000_000
"""Bytes up to which Ray reserves more than ``/dev/shm`` holds, and puts its objects on disk."""
_MEMORY = 1_000_000_000
"""Least bytes of memory: with fewer, Ray, the command and one worker end one another; 2 GB are comfortable."""
_MAPPED = 8_000_000_000
"""Bytes of addresses that a process of Ray's maps besides its objects, of which it uses few."""
_MEMORY_FILES = (
    ("memory.usage_in_bytes", "memory.limit_in_bytes", "total_"),
    ("memory.current", "memory.max", ""),
)
"""For each version of control groups: files of the used and granted bytes, and the prefix in ``memory.stat``."""
_FILES = 256
"""Open files that a process of Ray's may hold in a small sweep."""


class Fit(StrEnum):
    """Verdict on a part of a machine."""

    OK = "ok"
    NOTE = "note"
    """Verdict where sweeps run, but slower, or with less than one would expect."""
    FAILS = "fails"
    """Verdict where no sweep can run."""


@dataclass(frozen=True)
class Check:
    """The result of one check of a machine."""

    name: str
    state: Fit
    found: str
    fix: str | None = None
    """Remedy, for every check that is not ok."""


Checks = Iterable[Callable[[], Check]]


def refuse_unfit_machine(address: str | None) -> None:
    """Check in milliseconds that a sweep can run here; raise ``InputError`` with all that fails, each with its fix.

    ``address`` is the option of that name, or ``None``: where it, or ``RAY_ADDRESS``, names a cluster, only what the
    command itself needs is looked at, and nothing where this process is connected to a Ray already, which it will use.
    Neither Ray nor torch is imported. ``genresweep doctor`` prints all this.
    """
    where = find_address(address)
    if _is_connected():
        return
    failing = [
        check for each in (here() if where.is_local else beside_a_cluster()) if (check := each()).state is Fit.FAILS
    ]
    if failing:
        listed = "\n".join(f"  - {check.name}: {check.found}\n    Fix: {check.fix}" for check in failing)
        raise InputError(f"no sweep can run on this machine (`genresweep doctor` says more):\n{listed}")


def _is_connected() -> bool:
    """Return True where this process has a Ray; one that has not imported it has none."""
    ray = sys.modules.get("ray")
    return ray is not None and bool(ray.is_initialized())


def beside_a_cluster() -> Checks:
    """Return the checks for a command whose Ray runs elsewhere."""
    return (check_home, check_temporary_folder, check_cache_folder)


def here() -> Checks:
    """Return the checks for a command that starts its own Ray."""
    return (
        *(check_home, check_temporary_folder, check_cache_folder, check_ray_folder, check_loopback),
        *(check_memory, check_addresses, check_open_files, check_shared_memory),
    )


def check_home() -> Check:
    """Tell whether there is a home directory: ``import ray.tune`` raises where there is none.

    Ray 2.60 ``train/constants.py``: ``Path("~/ray_results").expanduser()``, whether or not anything is put there.
    """
    home = os.path.expanduser("~")
    if home.startswith("~"):
        found = f"HOME is not set, and user {os.geteuid()} has no entry in the system's list of users"
        return Check("home", Fit.FAILS, found, f"HOME={_temporary()} genresweep ..., or any other folder")
    state = "" if os.access(home, os.W_OK) else ", which cannot be written"
    return Check("home", Fit.OK, f"{home}{state}")


def check_temporary_folder() -> Check:
    """Tell where temporary files go; the length of ``TMPDIR`` matters for Ray's folder alone."""
    try:
        folder = tempfile.gettempdir()
    except OSError:
        found = f"neither TMPDIR={os.environ.get('TMPDIR', '')} nor /tmp, /var/tmp or this directory can be written"
        return Check("temporary files", Fit.FAILS, found, "set TMPDIR to a folder that can be written and has room")
    if (reason := why_not_writable(Path(folder))) is not None:
        return Check("temporary files", Fit.FAILS, f"{folder}: {reason}", "make room there, or set TMPDIR to another")
    given = os.environ.get("TMPDIR")
    if given and os.path.abspath(given) != folder:
        found = f"{folder}, since TMPDIR={given} cannot be written"
        return Check("temporary files", Fit.NOTE, found, "set TMPDIR to a folder that can be written, or unset it")
    free = shutil.disk_usage(folder).free
    return Check(
        "temporary files", Fit.OK, f"{folder} ({len(os.fsencode(folder))} bytes long), {free / 1e9:.1f} GB free"
    )


def check_cache_folder() -> Check:
    """Tell where compiled kernels, embeddings and the public table are kept."""
    fix = f"set {CACHE_VARIABLE} to a folder that can be written and lasts"
    try:
        chosen = choose_cache()
    except InputError as error:
        return Check("cache folder", Fit.FAILS, str(error), fix)
    if chosen.reason is None:
        return Check("cache folder", Fit.OK, str(chosen.folder))
    found = f"{chosen.wished} cannot be written ({chosen.reason}): {chosen.folder} instead"
    return Check("cache folder", Fit.NOTE, found, fix)


def check_ray_folder() -> Check:
    """Tell where Ray's sockets and logs go while a sweep runs."""
    try:
        base = check_session_folder()
    except InputError as error:
        found, _, fix = str(error).partition("\nFix: ")
        return Check("Ray's folder", Fit.FAILS, found, fix)
    return Check("Ray's folder", Fit.OK, f"in {base}, one of our own for each command, closed to others")


def check_loopback() -> Check:
    """Tell whether processes of this machine reach each other by 127.0.0.1, as those of a Ray here do."""
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname(), timeout=2).close()
    except OSError as error:
        found = f"127.0.0.1 cannot be reached: {error.strerror or error}"
        return Check("loopback", Fit.FAILS, found, "bring the interface up: ip link set lo up")
    return Check("loopback", Fit.OK, "127.0.0.1 can be reached")


def check_memory() -> Check:
    """Tell how much memory there is for this command: the least of the machine's and of its control groups' limits."""
    memory, limit = psutil.virtual_memory(), memory_limit()
    total = min([memory.total, *([limit] if limit else [])])
    of = f" of {memory.total / 1e9:.1f} GB (control group)" if limit and limit < memory.total else ""
    found = f"{total / 1e9:.1f} GB{of}, {min(total, memory.available) / 1e9:.1f} GB free"
    if total < _MEMORY:
        fix = f"give at least {_MEMORY / 1e9:.0f} GB, better 2 (docker --memory, Slurm's --mem, Kubernetes' limit)"
        return Check("memory", Fit.FAILS, found, fix)
    if memory.available < _MEMORY:
        return Check("memory", Fit.NOTE, found, "end what takes it, or workers may die for want of it")
    return Check("memory", Fit.OK, found)


def memory_limit() -> int | None:
    """Return the bytes of memory that this process's control groups grant; ``None`` without a limit."""
    found = [text for folder in groups("memory") for text in words(folder, "memory.max")]
    found += [text for folder in groups("memory") for text in words(folder, "memory.limit_in_bytes")]
    limits = [int(text) for text in found if text.isdecimal()]
    return min((limit for limit in limits if limit < 1 << 60), default=None)  # version 1 says no limit by 2 ** 63


def object_store_bytes() -> int:
    """Return the bytes that Ray 2.60 reserves for objects (``_private/utils.py``, ``resolve_object_store_memory``).

    The least of a share of the free memory, of 200 GB, and of what ``/dev/shm`` has free (or 10 GB, if that is more).
    """
    shared = 0
    with suppress(OSError):  # where there is none, another check says so
        shared = shutil.disk_usage("/dev/shm").free
    return min(int(_SHARE * _free_for_ray()), _MOST_OBJECTS, max(_SLOW_OBJECTS, int(0.95 * shared)))


def _free_for_ray() -> int:
    """Return the memory that Ray takes for free (``estimate_available_memory``): it reads the container's group alone.

    That is the outermost that can be read. Contents of files, which it could drop, do not count as used.
    """
    memory = psutil.virtual_memory()
    every = groups("memory")
    for folder in (each for each in every if each.parent not in every):
        for usage, limit, prefix in _MEMORY_FILES:
            if used := words(folder, usage):
                stat = words(folder, "memory.stat")
                amounts = dict(zip(stat[::2], map(int, stat[1::2]), strict=False))
                files = sum(amounts.get(f"{prefix}{state}_file", 0) for state in ("active", "inactive"))
                most = [int(text) for text in words(folder, limit) if text.isdecimal()]
                return min([memory.total, *most]) - int(used[0]) + files
    return memory.total - memory.used


def check_addresses() -> Check:
    """Tell whether a limit on addresses (``ulimit -v``) leaves room for those that Ray maps: far more than it uses."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return Check("ulimit -v", Fit.OK, "unlimited")
    wanted = object_store_bytes() + _MAPPED
    found = f"{limit / 1e9:.1f} GB of addresses, of which Ray maps {wanted / 1e9:.0f} GB"
    if limit < wanted:
        return Check("ulimit -v", Fit.FAILS, found, "ulimit -v unlimited, before the command")
    return Check("ulimit -v", Fit.OK, found)


def check_open_files() -> Check:
    """Tell how many files a process may open; Ray raises the soft limit to the hard one by itself."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    found = "unlimited" if hard == resource.RLIM_INFINITY else f"{hard:,}"
    if hard != resource.RLIM_INFINITY and hard < _FILES:
        return Check("ulimit -n", Fit.FAILS, f"{found} open files", f"ulimit -Hn {4 * _FILES}, before the command")
    return Check("ulimit -n", Fit.OK, f"{found} open files")


def check_shared_memory() -> Check:
    """Tell whether ``/dev/shm`` holds Ray's objects, a sweep's features among them.

    Where it is smaller than what Ray reserves, Ray 2.60 puts them into its temporary folder
    (``_private/services.py``, ``determine_plasma_store_config``): on a disk, though mostly in its cache.
    """
    try:
        free = shutil.disk_usage("/dev/shm").free
    except OSError as error:
        found = f"/dev/shm: {error.strerror}"
        return Check("/dev/shm", Fit.FAILS, found, "mount one: mount -t tmpfs tmpfs /dev/shm")
    wanted = object_store_bytes()
    found = f"{free / 1e9:.2f} GB free"
    if free < wanted:
        found += f", less than the {wanted / 1e9:.1f} GB that Ray reserves: its objects go to its folder on disk"
        return Check(
            "/dev/shm", Fit.NOTE, found, "docker run --shm-size, or delete what lies there; few tables need it"
        )
    return Check("/dev/shm", Fit.OK, found)


def check_address() -> Check:
    """Tell which Ray a command without ``--address`` uses."""
    try:
        where = find_address(None)
    except InputError as error:
        return Check(VARIABLE, Fit.FAILS, str(error), f"unset {VARIABLE}")
    if where.is_local:
        given = os.environ.get(VARIABLE) or "not set"
        return Check(VARIABLE, Fit.OK, f"{given}: commands start their own Ray here")
    found = f"{where.where}: commands join that cluster"
    return Check(VARIABLE, Fit.NOTE, found, f"unset {VARIABLE} to train on this machine")


def _temporary() -> str:
    try:
        return tempfile.gettempdir()
    except OSError:
        return "/tmp"
