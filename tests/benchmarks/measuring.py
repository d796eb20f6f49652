"""A command as a process of its own: how long it takes, and how much memory its processes take at the worst moment."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
_INTERVAL = 2.0
"""Seconds between two samples: reading the sizes costs about 20 ms of one core."""
_ON_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "disabled"}
"""No port of any script's Ray is open to the network."""


@dataclass
class Memory:
    """Peak megabytes. A page that several processes share counts once (PSS), but for ``worker_private`` (USS)."""

    total: float = 0.0
    driver: float = 0.0
    workers: float = 0.0
    ray: float = 0.0
    """Ray's own processes: raylet, GCS, agents, monitors."""
    worker_private: float = 0.0
    """The largest worker's own pages, shared with nobody."""
    object_store: float = 0.0

    def take(self, other: Memory) -> None:
        """Keep the larger of each."""
        for name, value in vars(other).items():
            setattr(self, name, max(getattr(self, name), value))


@dataclass(frozen=True)
class Ended:
    """What a command has left."""

    began: float
    """Seconds since 1970."""
    seconds: float
    out: str
    memory: Memory = field(default_factory=Memory)


class CommandError(Exception):
    """A command of the benchmark has failed."""


def measured(arguments: Sequence[object], *, timeout: float = 6 * 3600) -> Ended:
    """Run ``python arguments`` from the repository's root; ``CommandError`` with its last words where it fails."""
    command = [sys.executable, *map(str, arguments)]
    # What genresweep has set for its own Ray must not help or hinder the other scripts.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "TUNE_"))}
    environment |= {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", **_ON_LOOPBACK}
    began = time.time()
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    memory = Memory()
    finished = threading.Event()
    sampler = threading.Thread(target=_sample, args=(process.pid, memory, finished), daemon=True)
    sampler.start()
    try:
        out, err = process.communicate(timeout=timeout)
    except BaseException:
        process.terminate()
        process.wait()
        raise
    finally:
        finished.set()
        sampler.join()
    seconds = time.time() - began
    if process.returncode != 0:
        raise CommandError(f"code {process.returncode} from {' '.join(command)}:\n{err[-2000:]}")
    return Ended(began, seconds, out, memory)


def _sample(pid: int, memory: Memory, finished: threading.Event) -> None:
    while not finished.wait(_INTERVAL):
        with contextlib.suppress(psutil.Error):
            root = psutil.Process(pid)
            memory.take(memory_now(root, root.children(recursive=True)))


def memory_now(driver: psutil.Process, descendants: Iterable[psutil.Process]) -> Memory:
    """Megabytes at this moment."""
    found = Memory(driver=_sizes(driver)[0])
    for process in descendants:
        with contextlib.suppress(psutil.Error, OSError):
            shared, private = _sizes(process)
            if _is_worker(process):
                found.workers += shared
                found.worker_private = max(found.worker_private, private)
            else:
                found.ray += shared
            if process.name() == "raylet":
                found.object_store = _object_store(process.pid)
    found.total = found.driver + found.workers + found.ray
    return found


def _sizes(process: psutil.Process) -> tuple[float, float]:
    sizes = process.memory_full_info()
    return sizes.pss / 1e6, sizes.uss / 1e6


def _is_worker(process: psutil.Process) -> bool:
    title = " ".join(process.cmdline())
    agent = "DashboardAgent" in title or "RuntimeEnvAgent" in title
    return not agent and (title.startswith("ray::") or "default_worker.py" in title)


def _object_store(raylet: int) -> float:
    """Pages in use of the shared memory in which Ray keeps its objects; its file has no name any more."""
    for descriptor in Path(f"/proc/{raylet}/fd").iterdir():
        if "plasma" in os.readlink(descriptor) and os.readlink(descriptor).startswith("/dev/shm"):
            return descriptor.stat().st_blocks * 512 / 1e6
    return 0.0
