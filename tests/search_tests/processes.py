"""The command as a process of its own, to be interrupted and killed."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
MARK = "GENRESWEEP_TEST_MARK"
BOUND = 240.0
"""Seconds after which a process that should have done something has not."""


@dataclass(frozen=True)
class Ended:
    """What a command has left."""

    code: int
    out: str
    err: str


class Command:
    """A running ``genresweep``; what it starts can be found by a mark in its environment."""

    def __init__(self, *arguments: object, folder: Path) -> None:
        self.mark = f"{os.getpid()}-{time.monotonic_ns()}"
        environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
        environment |= {MARK: self.mark, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "search.cli", *map(str, arguments)],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def wait(self) -> Ended:
        """Its end, in good time."""
        try:
            out, err = self.process.communicate(timeout=BOUND)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        return Ended(self.process.returncode, out, err)

    def kill(self) -> Ended:
        """``SIGKILL`` to the command alone: what it started has to notice."""
        self.process.kill()
        out, err = self.process.communicate(timeout=BOUND)
        return Ended(self.process.returncode, out, err)

    def interrupt(self, number: signal.Signals = signal.SIGINT, *, group: bool = False) -> None:
        """Send a signal to the command, or, as a terminal does, to all that it started."""
        if group:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)

    def until(self, happened: Callable[[], bool]) -> None:
        """Wait for something while it runs."""
        end = time.monotonic() + BOUND
        while not happened():
            if self.process.poll() is not None:
                ended = self.wait()
                raise AssertionError(f"it ended too early, with code {ended.code}:\n{ended.out}\n{ended.err}")
            if time.monotonic() > end:
                self.kill()
                raise AssertionError("it did not happen in time")
            time.sleep(0.02)

    def left_behind(self, seconds: float = 20.0) -> list[str]:
        """Processes that it started and that still run after so many seconds."""
        end = time.monotonic() + seconds
        while (found := self._descendants()) and time.monotonic() < end:
            time.sleep(0.2)
        return found

    def _descendants(self) -> list[str]:
        return [process.name() for process in psutil.process_iter() if _has_mark(process, self.mark)]


def _has_mark(process: psutil.Process, mark: str) -> bool:
    try:
        return process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def segments(study: Path) -> int:
    """Segments committed so far; 0 before there is a study."""
    if not (study / "study.db").exists():
        return 0
    connection = sqlite3.connect(f"{(study / 'study.db').as_uri()}?mode=ro", uri=True)
    try:
        return int(connection.execute("SELECT count(*) FROM segments").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()
