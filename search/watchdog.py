"""Watches that Ray lives: ``Tuner.fit()`` was seen hanging for minutes after its raylet had been killed."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

_VITAL = ("raylet", "gcs_server")
_PATIENCE = 5.0
"""Seconds a process may be missing, since Ray starts them one after another."""


@contextmanager
def watching(last_words: Callable[[str], None]) -> Iterator[None]:
    """While the body runs, end this process with code 1 if the Ray that it started dies.

    ``last_words`` is called with the cause first. A Ray that runs elsewhere has no processes here to watch.
    """
    children = _vital_children()
    finished = threading.Event()
    thread = threading.Thread(target=_watch, args=(children, finished, last_words), daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()


def _vital_children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children(recursive=True) if child.name() in _VITAL]


def _watch(children: list[psutil.Process], finished: threading.Event, last_words: Callable[[str], None]) -> None:
    while not finished.wait(1.0):
        dead = [child for child in children if not _alive(child)]
        if dead and not finished.wait(_PATIENCE):
            last_words("Ray died: its " + " and ".join(_names(dead)) + " ended")
            sys.stdout.flush()
            _end_children()
            os._exit(1)


def _names(processes: list[psutil.Process]) -> list[str]:
    return ["raylet or gcs_server" if not process.pid else f"process {process.pid}" for process in processes]


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _end_children() -> None:
    """No orphans: end whatever this process has started."""
    children = psutil.Process().children(recursive=True)
    for child in children:
        try:
            child.terminate()
        except psutil.NoSuchProcess:
            continue
    _, stubborn = psutil.wait_procs(children, timeout=3)
    for child in stubborn:
        child.kill()
    time.sleep(0.1)
