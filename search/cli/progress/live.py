"""Progress as a few lines that change in their place, on standard error: standard output is for results."""

from __future__ import annotations

import time

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.text import Text

from results.record.stage_records import StageRecord
from results.record.study import Study
from search.cli.progress.plain import stage_text, stopping_text
from search.cli.progress.text import (
    at_once,
    best_text,
    configuration_text,
    left_text,
    rungs_text,
    saved_text,
    stage_progress_text,
    work_text,
)
from search.scheduling.coordinator import Coordinator, Outcome
from search.scheduling.listener import CountingListener
from search.scheduling.progress import Progress

_STILL_SECONDS = 4.0
"""Seconds without a first segment after which a line says what takes its time."""
_COMPILING = "the first segments compile their kernels: about 20 s, once for each machine and version"


class Panel:
    """The lines that show a study's progress: a bar of epochs, the rungs' survivors, the best so far.

    ``genresweep sweep`` and ``genresweep watch`` draw with it, each from a ``Progress``.
    """

    def __init__(self) -> None:
        self._bars = Bars(
            SpinnerColumn(finished_text=" "),
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[said]}"),
            TimeElapsedColumn(),
            auto_refresh=False,
        )
        self._waiting = self._bars.add_task("", total=None, said="", visible=False)
        self._task = self._bars.add_task("", total=None, said="", visible=False)
        self._progress: Progress | None = None
        self._began: float | None = None

    def wait(self, what: str) -> None:
        """Show what the command waits for, with the seconds that it takes; nothing where ``what`` is empty."""
        self._bars.reset(self._waiting, description=what, total=None, said="", visible=bool(what))

    def advance(self, done: int, total: int, what: str) -> None:
        """Show how far the present stage is."""
        said = stage_progress_text(done, total, what)
        self._bars.update(self._waiting, completed=done, total=total, said=said)

    def begin(self, title: str, progress: Progress) -> None:
        """Show the bar of epochs."""
        self.wait("")
        self._began = time.monotonic() if not progress.trained else None
        self._bars.update(self._task, description=title, visible=True)
        self.show(progress)

    def retitle(self, title: str) -> None:
        """Replace the words before the bar."""
        self._bars.update(self._task, description=title)

    def show(self, progress: Progress) -> None:
        """Show this progress."""
        self._progress = progress
        said = ", ".join(filter(None, [work_text(progress), left_text(progress)]))
        self._bars.update(self._task, total=progress.total, completed=progress.done, said=said)

    def end(self) -> None:
        """Take the bar of epochs away: what follows is no sweep."""
        self._bars.update(self._task, visible=False)
        self._progress = None

    def __rich__(self) -> RenderableType:
        return Group(self._bars.get_renderable(), *(_line(text) for text in self._lines() if text))

    def _lines(self) -> list[str]:
        if self._progress is None:
            return []
        if self._began is not None and not self._progress.trained:
            return [_COMPILING] if time.monotonic() - self._began > _STILL_SECONDS else []
        rungs = ", ".join(filter(None, [rungs_text(self._progress), saved_text(self._progress)]))
        best = self._progress.best
        return [rungs, f"{best_text(best)}, {configuration_text(best)}" if best is not None else ""]


def _line(text: str) -> Text:
    return Text(f"  {text}", no_wrap=True, overflow="ellipsis")


class LiveProgress(CountingListener):
    """Progress of a command that trains, drawn by a ``Panel``."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console, self._panel = console, Panel()
        self._live = Live(self._panel, console=console, transient=True, refresh_per_second=8)

    def __enter__(self) -> LiveProgress:
        self._panel.wait("starting")
        self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._live.stop()

    def waiting(self, what: str) -> None:
        """Show what the command does before it can train."""
        self._panel.wait(what)

    def started(self, study: Study, slots: int) -> None:
        """Replace the waiting line by the bar."""
        self._console.print(f"the study is in {study.directory}", highlight=False, markup=False)
        super().started(study, slots)
        if self.counter is not None:
            self._panel.begin(at_once(slots), self.counter.progress)

    def resized(self, slots: int) -> None:
        """Show the new number of workers."""
        self._panel.retitle(at_once(slots))

    def segment(self, coordinator: Coordinator, outcome: Outcome) -> None:
        """Move the bar."""
        super().segment(coordinator, outcome)
        if self.counter is not None:
            self._panel.show(self.counter.progress)

    def stopping(self, in_flight: int) -> None:
        """Say that the segments in flight are waited for."""
        self._console.print(stopping_text(in_flight))

    def stage(self, name: str) -> None:
        """Name the stage that begins."""
        self._panel.end()
        self._panel.wait(f"stage: {name}")

    def stage_progress(self, done: int, total: int, what: str) -> None:
        """Move the bar of the stage."""
        self._panel.advance(done, total, what)

    def stage_done(self, record: StageRecord) -> None:
        """Print a line that stays."""
        self._console.print(stage_text(record), markup=False)
