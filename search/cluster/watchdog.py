"""Watchdog of Ray's life: ``Tuner.fit()`` was seen hanging for minutes after its raylet had been killed."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import ray

from data.files import clear_abandoned, own_mark

_VITAL = ("raylet", "gcs_server")
_SCRATCH = "genresweep-"

_log = logging.getLogger("genresweep")


@dataclass(frozen=True)
class Vital:
    """Parts that must live: how to check each by name, and the seconds for which one may seem dead.

    In that time Tune may end by itself, or a network come back.
    """

    alive: dict[str, Callable[[], bool]]
    grace: float

    def dead(self) -> list[str]:
        """Return the names of the parts that do not live."""
        return [name for name, lives in self.alive.items() if not lives()]


@contextmanager
def watching(last_words: Callable[[str], None] | None) -> Iterator[None]:
    """Run the body, and end this process with code 1 if its Ray dies, after a call of ``last_words`` with the cause.

    A Ray that this process started is watched by its processes, another one by its ports.
    """
    if last_words is None:
        yield
        return
    finished = threading.Event()
    vital = _started_here() or _elsewhere()
    thread = threading.Thread(target=_watch, args=(vital, finished, last_words), daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()


def scratch_prefix() -> str:
    """Return the prefix of the names of this process's temporary folders."""
    return f"{_SCRATCH}{own_mark()}-"


def clear_scratch() -> None:
    """Delete the temporary folders of commands that were killed."""
    clear_abandoned(Path(tempfile.gettempdir()), _SCRATCH, "-")


def _started_here() -> Vital | None:
    named = {_name(child): child for child in psutil.Process().children(recursive=True)}
    own = {name: named[name] for name in _VITAL if name in named}
    return Vital({name: functools.partial(_alive, process) for name, process in own.items()}, 3.0) if own else None


def _elsewhere() -> Vital:
    context = ray.get_runtime_context()
    host, _, port = context.gcs_address.rpartition(":")
    ports = {"head node": (host.strip("[]"), int(port))}
    for node in ray.nodes():
        if node["NodeID"] == context.get_node_id():
            ports["node beside this command"] = (node["NodeManagerAddress"], node["NodeManagerPort"])
    return Vital({name: functools.partial(_listens, port) for name, port in ports.items()}, 10.0)


def _watch(vital: Vital, finished: threading.Event, last_words: Callable[[str], None]) -> None:
    children: set[psutil.Process] = set()
    while not finished.wait(1.0):
        try:
            _look(vital, finished, last_words, children)
        except Exception:
            _log.exception("a look at Ray failed; the next one follows")


def _look(
    vital: Vital, finished: threading.Event, last_words: Callable[[str], None], children: set[psutil.Process]
) -> None:
    # those of a dead raylet are no longer found among the descendants
    children.update(psutil.Process().children(recursive=True))
    if vital.dead() and not finished.wait(vital.grace) and (dead := vital.dead()):
        try:
            with contextlib.suppress(Exception):  # nobody listens
                last_words(f"Ray died: its {' and '.join(dead)} ended{_logs()}")
            _end(children)
            for folder in Path(tempfile.gettempdir()).glob(f"{scratch_prefix()}*"):
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os._exit(1)


def _logs() -> str:
    """Return a note on where a Ray started by this process has its logs; the next command deletes their folder."""
    node = ray._private.worker._global_node
    if node is None or not node.is_head():
        return ""
    return f" (its logs are in {node.get_logs_dir_path()} until the next command)"


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.Error:  # it has just ended
        return ""


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _listens(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, timeout=5).close()
    except OSError:
        return False
    return True


def _end(children: set[psutil.Process]) -> None:
    """End all processes that this one has started, so that none is orphaned."""
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.terminate()
    _, stubborn = psutil.wait_procs(children, timeout=3)
    for child in stubborn:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
