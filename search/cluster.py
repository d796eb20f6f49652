"""Connecting to Ray, and shipping the code to its workers."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray

from data.errors import InputError
from search.environment import PACKAGES
from search.watchdog import scratch_prefix, watching

_PATIENCE = 10.0
"""Seconds that a cluster's head may take to accept a connection."""


def package_root() -> Path:
    """The folder that holds the five packages."""
    return Path(__file__).resolve().parent.parent


def stage_code(directory: Path) -> None:
    """Copy the five packages, and nothing else, into ``directory``.

    Ray would otherwise put the user's current directory first on the workers' path, and a file called ``search.py``
    in it would replace ours.
    """
    for package in PACKAGES:
        shutil.copytree(
            package_root() / package,
            directory / package,
            ignore=shutil.ignore_patterns("__pycache__", "*.pyc"),
        )


@contextmanager
def connected(
    address: str | None = None, cpus: int | None = None, last_words: Callable[[str], None] | None = None
) -> Iterator[int]:
    """A Ray session for one command; yields the number of segments that can train at once.

    Without an address, and without ``RAY_ADDRESS``, Ray is started on this machine with ``cpus`` slots and stopped
    again. If Ray dies, here or there, ``last_words`` is called with the cause and the process ends with code 1. A Ray
    that this process is connected to already is used and left running.
    """
    if ray.is_initialized():
        yield _slots(cpus)
        return
    with tempfile.TemporaryDirectory(prefix=f"{scratch_prefix()}code-") as staged:
        stage_code(Path(staged))
        with _own_sigterm():
            _start_or_join(_arguments(address, cpus, staged))
        try:
            with watching(last_words):
                yield _slots(cpus)
        finally:
            with _own_sigterm():
                ray.shutdown()


def cluster_address(address: str | None) -> str:
    """Where Ray is: the option, else ``RAY_ADDRESS``, else ``local``; ``InputError`` for an address of Ray Client."""
    found = address or os.environ.get("RAY_ADDRESS") or "local"
    if found.startswith("ray://"):
        raise InputError(
            f"--address {found}: expected auto or HOST:PORT; through ray:// the sweep would run on the head, and the "
            "study with it: run the command on a node of the cluster (ray exec, ray job submit) with --address auto"
        )
    return found


def _start_or_join(arguments: Mapping[str, Any]) -> None:
    """``ray.init``; ``InputError`` where no cluster answers, or one of another version."""
    host, _, port = arguments["address"].rpartition(":")
    try:
        if host:  # Ray itself would knock for a minute and a half
            socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()
        ray.init(**arguments)
    except (OSError, RuntimeError, ValueError) as error:
        if arguments["address"] == "local":
            raise
        raise InputError(
            f"--address {arguments['address']}: no Ray cluster that this command can join (expected Ray "
            f"{ray.__version__} there): {' '.join(str(error).split())[:300]}"
        ) from error


@contextmanager
def _own_sigterm() -> Iterator[None]:
    """Ray replaces the handler of SIGTERM when it starts and when it ends; this puts ours back."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)


def _arguments(address: str | None, cpus: int | None, staged: str) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "address": cluster_address(address),
        "runtime_env": {"working_dir": staged, "env_vars": {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}},
        "log_to_driver": False,
        "logging_level": logging.ERROR,
    }
    if arguments["address"] == "local":
        arguments |= {"num_cpus": cpus or os.cpu_count(), "include_dashboard": False}
    return arguments


def _slots(cpus: int | None) -> int:
    available = int(ray.cluster_resources().get("CPU", 1))
    return max(1, min(available, cpus or available))
