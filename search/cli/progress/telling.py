"""The listeners of a command that trains: its progress for people on standard error, its events for programs."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from data.errors import InputError, command
from search.cli.console import ERR, silence
from search.cli.progress.live import LiveProgress
from search.cli.progress.plain import PlainProgress
from search.scheduling.events import Event, EventListener, Interrupted, StudyFailed
from search.scheduling.listener import Listener, Listeners


@contextmanager
def telling(study: Path, *, quiet: bool, json_events: bool) -> Iterator[Listener]:
    """Run the body with its listener; an end before its time is an event, too."""
    with contextlib.ExitStack() as shown:
        told: list[Listener] = []
        if not quiet:
            told.append(shown.enter_context(LiveProgress(ERR)) if ERR.is_terminal else PlainProgress(ERR))
        if not json_events:
            yield Listeners(told)
            return
        tell = EventLines(sys.stdout)
        try:
            yield Listeners([*told, EventListener(tell)])
        except KeyboardInterrupt:
            tell(interrupted(study))
            raise
        except Exception as error:
            tell(StudyFailed(error=str(error)))
            raise


def refuse_two_outputs(as_json: bool, json_events: bool) -> None:
    """Raise ``InputError`` where both kinds of JSON are asked for on one standard output."""
    if as_json and json_events:
        raise InputError("--json and --json-events exclude each other: the last event holds what --json prints")


def interrupted(study: Path) -> Interrupted:
    """Return the event of a command that ends before its study."""
    return Interrupted(study=str(study), resume=command("resume", study))


class EventLines:
    """Writer of events, one JSON object a line; where its reader has gone, it is silent, and the study goes on."""

    def __init__(self, stream: TextIO) -> None:
        # now: while Ray Tune runs, what it prints goes to the study's log
        self._stream: TextIO | None = stream

    def __call__(self, event: Event) -> None:
        """Write an event, and send it off."""
        if self._stream is None:
            return
        try:
            self._stream.write(json.dumps(event.to_json()) + "\n")
            self._stream.flush()
        except OSError:
            silence(self._stream)
            self._stream = None
