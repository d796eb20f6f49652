"""The content of the study pages, made anew only where a record has changed, and never more often than it may cost."""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from results.page.context import Context
from results.page.payload import Note, Page, Section
from results.page.sections import SECTIONS, page_of, section_of
from results.paper.report import Report, read_report
from search.dashboard.studies import Fingerprint, fingerprint
from search.scheduling.study_view import Condition

SLOW = ("rungs", "importance", "stopping", "way", "time")
"""Sections that take longer than all others: while a study runs each keeps its own time."""
OF_STAGES = ("ensemble", "confusion", "baselines", "fusion", "transfer", "data", "scorecard")
"""Sections that change with the stages around a sweep, and hardly while it trains."""
_SECONDS, _SLOW_SECONDS = 1.5, 10.0
"""Seconds between two makings of a page that runs, and of its slow sections and those of stages, at least."""
_SHARE, _SLOW_SHARE = 8, 100
"""Each of them is followed by a pause of so many times the processor seconds that it took."""
_FIRST = 60.0
"""Seconds that a page is looked at before its slow sections are made, since a short study has ended by then."""
_MOST = 8
"""Pages that are kept: those asked for last."""
_LATER = Note(text=f"Drawn once the study has ended, and now and then while it runs: first after {_FIRST:.0f} s.")


@dataclass(frozen=True)
class Answer:
    """The content of a page as UTF-8 JSON, and a tag that is equal for equal content."""

    body: bytes
    tag: str

    @classmethod
    def of(cls, page: Page) -> Answer:
        """Return a page as it is sent."""
        body = page.to_json().encode()
        return cls(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


@dataclass
class _Kept:
    """The last page of a study, and the times on `Pages`'s clock at which it and its slow sections are made anew."""

    due: float
    slow_due: dict[str, float]
    lock: threading.Lock = field(default_factory=threading.Lock)
    answer: Answer | None = None
    key: tuple[Fingerprint, str] | None = None
    slow: dict[str, Section] = field(default_factory=dict)
    report: Report | None = None
    report_due: float = -math.inf
    of_stages: dict[str, Section] = field(default_factory=dict)
    """Sections made from ``report``, those without content, too: they go with it."""

    @classmethod
    def begun(cls, now: float) -> _Kept:
        """Return what is kept of a page that nobody has looked at before."""
        return cls(due=now, slow_due=dict.fromkeys(SLOW, now + _FIRST))

    def is_waiting(self, now: float) -> bool:
        """Return True where a slow section is due that has not been made yet, though the record stays as it is."""
        return any(section.blocks == (_LATER,) and now >= self.slow_due[name] for name, section in self.slow.items())


class Pages:
    """The pages of the studies that are looked at; safe to be asked from several threads.

    ``worked`` returns the processor seconds that this thread has used.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, worked: Callable[[], float] = time.thread_time
    ) -> None:
        self._clock, self._worked = clock, worked
        self._kept: OrderedDict[Path, _Kept] = OrderedDict()
        self._lock, self._one = threading.Lock(), threading.Lock()

    def answer(self, directory: Path, state: str) -> Answer:
        """Return the page of a study in this state, of now or of a moment ago.

        Raises ``InputError`` or ``FailureError`` where the record cannot be read.
        """
        kept = self._of(directory)
        if not kept.lock.acquire(blocking=kept.answer is None):
            assert kept.answer is not None
            return kept.answer  # another request makes the next one
        try:
            key = fingerprint(directory), state
            changed = key != kept.key or kept.is_waiting(self._clock())
            if kept.answer is None or (changed and self._clock() >= kept.due):
                with self._one:
                    self._make(kept, directory, key)
            assert kept.answer is not None
            return kept.answer
        finally:
            kept.lock.release()

    def _of(self, directory: Path) -> _Kept:
        with self._lock:
            kept = self._kept.setdefault(directory, _Kept.begun(self._clock()))
            self._kept.move_to_end(directory)
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)
            return kept

    def _make(self, kept: _Kept, directory: Path, key: tuple[Fingerprint, str]) -> None:
        began, running = self._worked(), key[1] == Condition.RUNNING
        context = self._read(kept, directory, running)
        slow = self._slow(kept, context) if running else 0.0
        if running and not kept.of_stages:
            kept.of_stages = {kind.id: section_of(kind, context) for kind in SECTIONS if kind.id in OF_STAGES}
        page = page_of(context, {**kept.of_stages, **kept.slow} if running else {})
        kept.answer, kept.key = Answer.of(replace(page, state=key[1])), key
        took = self._worked() - began - slow
        kept.due = self._clock() + max(_SECONDS, _SHARE * took if running else 0)

    def _read(self, kept: _Kept, directory: Path, running: bool) -> Context:
        """Return what a page is made from; while a sweep trains, its report may be that of some seconds ago."""
        context = Context.read([directory], kept.report if running and self._clock() < kept.report_due else None)
        if context.report is kept.report and all(trial.state.is_final for trial in context.rows[0].trials):
            context = replace(context, report=read_report([directory]))
        if context.report is not kept.report:
            kept.report, kept.report_due, kept.of_stages = context.report, self._clock() + _SLOW_SECONDS, {}
        return context

    def _slow(self, kept: _Kept, context: Context) -> float:
        """Make the slow sections that are due, or say in their place when they will be; return the seconds it took."""
        total = 0.0
        for kind in SECTIONS:
            if kind.id not in SLOW:
                continue
            if self._clock() < kept.slow_due[kind.id]:
                kept.slow.setdefault(kind.id, Section(id=kind.id, heading=kind.heading, blocks=(_LATER,)))
                continue
            began = self._worked()
            kept.slow[kind.id] = section_of(kind, context)
            took = self._worked() - began
            kept.slow_due[kind.id] = self._clock() + max(_SLOW_SECONDS, _SLOW_SHARE * took)
            total += took
        return total


def why_not(error: Exception) -> str:
    """Return the message of an error as text that UTF-8 can hold."""
    return str(error).encode(errors="replace").decode()
