"""The command as a process of its own, to be interrupted and killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

Plan = dict[str, Any]
"""What ``tests.support.saboteur`` is to do."""

ROOT = Path(__file__).parents[2]
MARK = "GENRESWEEP_TEST_MARK"
WORKER = ("ray::SegmentTrainable", "ray::ResourceTrainable")
SLOW = """
import time

_sound = train_segment

def train_segment(*arguments, **options):
    time.sleep(1)
    return _sound(*arguments, **options)
"""
"""So that a sweep is still in the middle of its work when it is found there."""
SLOW_STAGE = SLOW.replace("train_segment", "segment_by_epochs")
"""The same for a stage after the sweep."""
SLOWER = SLOW.replace("sleep(1)", "sleep(4)")
"""So that nodes have the time to join, and another command to start."""
BOUND = 1800.0
"""Seconds after which a process that should have done something has not."""


@dataclass(frozen=True)
class Ended:
    """What a command has left."""

    code: int
    out: str
    err: str


class Command:
    """A running ``genresweep``, begun ``within`` another command; what it starts has a mark in its environment."""

    def __init__(
        self,
        *arguments: object,
        folder: Path,
        plan: Plan | None = None,
        module: str = "search.cli",
        within: Sequence[str] = (),
        **variables: str,
    ) -> None:
        self.mark = f"{os.getpid()}-{time.monotonic_ns()}"
        environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
        environment |= {MARK: self.mark, "PYTHONPATH": str(ROOT), "COLUMNS": "200", **variables}
        program = [module] if plan is None else ["tests.support.saboteur", json.dumps(plan)]
        self.process = subprocess.Popen(
            [*within, sys.executable, "-m", *program, *map(str, arguments)],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # a test run in the background ignores Ctrl-C, and what it starts would inherit that
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
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

    def listens(self) -> bool:
        """Whether it has a handler for ``SIGTERM`` by now."""
        try:
            status = Path(f"/proc/{self.process.pid}/status").read_text()
        except OSError:
            return False
        caught = next((line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")), "0")
        return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)

    def until(self, happened: Callable[[], bool]) -> None:
        """Wait for something while it runs."""
        self.until_any(lambda: happened() or self.process.poll() is not None)
        if not happened():
            ended = self.wait()
            raise AssertionError(f"it ended too early, with code {ended.code}:\n{ended.out}\n{ended.err}")

    def until_any(self, happened: Callable[[], bool]) -> None:
        """Wait for something, in good time."""
        end = time.monotonic() + BOUND
        while not happened():
            if time.monotonic() > end:
                self.kill()
                raise AssertionError("it did not happen in time")
            time.sleep(0.02)

    def left_behind(self, seconds: float = 20.0) -> list[str]:
        """Processes that it started and that still run after so many seconds."""
        end = time.monotonic() + seconds
        while (found := self.started()) and time.monotonic() < end:
            time.sleep(1.0)
        return [_name(process) for process in found]

    def started(self, name: str | tuple[str, ...] = "") -> list[psutil.Process]:
        """What it has started and still runs, of names that begin so."""
        own = [process for process in psutil.process_iter() if _has_mark(process, self.mark)]
        return [p for p in own if p.pid != self.process.pid and _name(p).startswith(name)]

    def kill_started(self, name: str | tuple[str, ...] = "") -> int:
        """``SIGKILL`` to what it has started, of names that begin so; returns how many there were."""
        found = self.started(name)
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        return len(found)


def _name(process: psutil.Process) -> str:
    """What it is called now; ``psutil`` remembers its ``name``, and Ray's workers change theirs."""
    try:
        return Path((process.cmdline() or [""])[0]).name
    except psutil.Error:
        return ""


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


def trained_on(study: Path) -> set[str]:
    """Workers, as ``host:pid``, whose segments have been committed."""
    connection = sqlite3.connect(f"{(study / 'study.db').as_uri()}?mode=ro", uri=True)
    try:
        return {host for (host,) in connection.execute("SELECT host FROM segments WHERE host != ''")}
    finally:
        connection.close()
