"""``genresweep watch``: a study's progress from another terminal, or another machine that has the folder."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import astuple
from pathlib import Path

import typer
from rich.live import Live

from data.errors import FailureError, InputError, command
from search.cli import options
from search.cli.console import OUT, print_json
from search.cli.progress.live import Panel
from search.cli.progress.plain import LEAST_SECONDS, Pacer
from search.cli.progress.text import duration, one_line, stage_progress_text
from search.scheduling.study_view import Condition, StudyView, view_study
from search.scheduling.untrainable import WAY_OUT

_SECONDS = 1.0
"""Seconds between two looks at a study."""
_SHARE = 50
"""A look that takes long is followed by a wait of so many times as long: a large study is not read all the time."""
_ATTEMPTS = 5
"""Looks that may fail one after another while the study is in its place: its driver may just be closing it."""
_SILENT_SECONDS = 120.0
"""Seconds without a change after which that is said, where the driver is on another machine."""


def watch(study: options.StudyArgument, as_json: options.Json = False, debug: options.Debug = False) -> None:
    """The progress of a study that runs, also from another machine that has its folder; ends with the study."""
    if as_json:
        print_json(view_study(study).to_json())
        return
    view = watched(study, Screen() if OUT.is_terminal else Log())
    OUT.print("\n".join(end_lines(view)), markup=False)
    if view.condition is not Condition.FINISHED:
        raise typer.Exit(1)


class Screen:
    """The views of a study as lines that change in their place."""

    def __init__(self) -> None:
        self._panel = Panel()
        self.live = Live(self._panel, console=OUT, transient=True, refresh_per_second=4)
        self._begun = False
        self._stage: str | None = None

    def __call__(self, view: StudyView) -> None:
        """Draw a view in the place of the one before."""
        if not self._begun:
            self._panel.begin(str(view.directory), view.progress)
            self._begun = True
        self._panel.retitle(title(view))
        self._panel.show(view.progress)
        self._show_stage(view)

    def _show_stage(self, view: StudyView) -> None:
        """Show how far a stage is that tells it, in a line of its own."""
        stage = view.stage if view.stage_progress is not None else None
        if stage != self._stage:
            self._panel.wait(f"stage: {stage}" if stage else "")
            self._stage = stage
        if view.stage_progress is not None:
            self._panel.advance(*astuple(view.stage_progress))


class Log:
    """The views of a study as lines of a log."""

    live = nullcontext()

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pacer = Pacer(clock)
        self._stage: str | None = None
        self._begun = False
        self._said_stage = clock()

    def __call__(self, view: StudyView) -> None:
        """Print a line where one is due; the last view's is `end_lines`'s."""
        if view.condition is not Condition.RUNNING:
            return
        within = view.stage_progress
        if not self._begun or self._stage != view.stage or (within is None and self._pacer.is_due(view.progress)):
            self._pacer.begin(view.progress)
            self._begun, self._stage, self._said_stage = True, view.stage, self._clock()
            OUT.print(f"{title(view)}: {one_line(view.progress)}", markup=False)
        elif within is not None and self._clock() - self._said_stage >= LEAST_SECONDS:
            self._said_stage = self._clock()
            OUT.print(f"{title(view)}: {stage_progress_text(*astuple(within))}", markup=False)


def watched(directory: Path, show: Screen | Log, pause: Callable[[float], None] = time.sleep) -> StudyView:
    """Show a study once a second until it has ended, and return its last view.

    Raises ``InputError`` where there is no study, or none any more.
    """
    seen = failed = 0
    with show.live:
        while True:
            began = time.monotonic()
            try:
                view = view_study(directory)
            except (InputError, FailureError) as error:
                failed += 1
                _refuse_what_is_gone(directory, error, seen)
                if not seen or failed >= _ATTEMPTS:
                    raise
            else:
                seen, failed = seen + 1, 0
                show(view)
                if view.condition is not Condition.RUNNING:
                    return view
            pause(max(_SECONDS, _SHARE * (time.monotonic() - began)))


def _refuse_what_is_gone(directory: Path, error: Exception, seen: int) -> None:
    if seen and not ((directory / "manifest.json").is_file() and (directory / "study.db").is_file()):
        raise InputError(
            f"{directory} is gone: it was moved or deleted while it was watched; watch it in its new place"
        ) from error


def title(view: StudyView) -> str:
    """Return the study's name, with its stage and, after some minutes, the time since the record last changed."""
    said = [str(view.directory)]
    if view.stage is not None and view.stage != "sweep":
        said.append(f"stage {view.stage}")
    if view.silent > _SILENT_SECONDS:
        said.append(f"nothing new for {duration(view.silent)} from {view.driver}")
    return ", ".join(said)


def end_lines(view: StudyView) -> list[str]:
    """Return what has become of a study that runs no more, with the way on."""
    ends = {
        Condition.FINISHED: f"finished; its incumbent is in {view.directory / 'best'}",
        Condition.UNTRAINABLE: f"ended without a score. {WAY_OUT}",
        Condition.INTERRUPTED: f"interrupted; go on with: {command('resume', view.directory)}",
    }
    said = ends.get(view.condition, f"being written by {view.driver}")
    return [f"{view.directory}: {one_line(view.progress)}", said]
