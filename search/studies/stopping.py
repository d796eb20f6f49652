"""Ends of a study before its work is done: asked to stop, with Ray dead, or by an error that goes to its log."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Protocol

from data.errors import InputError, command


class Stoppable(Protocol):
    """Work that can be asked to hand out no more."""

    stopping: bool


@contextmanager
def graceful_stop(work: Stoppable, on_stop: Callable[[], None]) -> Iterator[None]:
    """Run the body so that the first Ctrl-C or SIGTERM lets segments in flight finish, and the second stops at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(signum: int, frame: FrameType | None) -> None:
        if work.stopping and _is_finalizing(frame):
            threading.Timer(0.01, os.kill, (os.getpid(), signum)).start()
            return
        if work.stopping:
            raise KeyboardInterrupt
        work.stopping = True
        on_stop()

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _is_finalizing(frame: FrameType | None) -> bool:
    """Return True where an object is being deleted, in which case Python swallows every exception."""
    while frame is not None:
        if frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False


def last_words(study: Path) -> Callable[[str], None]:
    """Return a function that says, when Ray has died, the cause and how to go on."""

    def say(cause: str) -> None:
        sys.stderr.write(f"\ngenresweep: {cause}. Nothing that was committed is lost.\n")
        sys.stderr.write(f"Go on with: {command('resume', study)}\n")
        sys.stderr.flush()

    return say


class _LogFile(logging.FileHandler):
    """A log that loses lines where its disk is full or gone; the study itself decides whether it can go on."""

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(OSError):
            super().emit(record)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            super().close()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        pass


@contextmanager
def logging_to(path: Path) -> Iterator[None]:
    """Run the body with warnings, Ray's messages and tracebacks written to the study's log."""
    handler = _LogFile(path, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("genresweep")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    except (InputError, KeyboardInterrupt):
        raise
    except BaseException:
        logger.exception("the study failed")
        raise
    finally:
        logger.removeHandler(handler)
        handler.close()
