"""Watches that Ray lives: ``Tuner.fit()`` was seen hanging for minutes after its raylet had been killed."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import psutil

_VITAL = ("raylet", "gcs_server")
_GRACE = 3.0
"""Seconds that Tune gets to end by itself before the watchdog ends the process."""


@contextmanager
def watching(last_words: Callable[[str], None] | None) -> Iterator[None]:
    """While the body runs, end this process with code 1 if the Ray that it started dies.

    ``last_words`` is called with the cause first. A Ray that runs elsewhere has no processes here to watch.
    """
    if last_words is None:
        yield
        return
    finished = threading.Event()
    thread = threading.Thread(target=_watch, args=(_vital_children(), finished, last_words), daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()


def _vital_children() -> dict[str, psutil.Process]:
    children = psutil.Process().children(recursive=True)
    return {child.name(): child for child in children if child.name() in _VITAL}


def _watch(vital: Mapping[str, psutil.Process], finished: threading.Event, last_words: Callable[[str], None]) -> None:
    while not finished.wait(1.0):
        dead = [name for name, process in vital.items() if not _alive(process)]
        if dead and not finished.wait(_GRACE):
            last_words(f"Ray died: its {' and '.join(dead)} ended")
            _end_children()
            os._exit(1)


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _end_children() -> None:
    """No orphans: end whatever this process has started."""
    children = psutil.Process().children(recursive=True)
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.terminate()
    _, stubborn = psutil.wait_procs(children, timeout=3)
    for child in stubborn:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
