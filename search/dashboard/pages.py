"""The content of the study pages, made anew only where a record has changed, and never more often than it may cost."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from results.page.context import Context
from results.page.payload import Note, Page, Section
from results.page.sections import SECTIONS, page_of
from search.dashboard.studies import Fingerprint, fingerprint
from search.scheduling.study_view import Condition

SLOW = ("importance", "stopping", "way", "time")
"""Sections that take long: while a study runs they are made anew after `_SLOW_SECONDS` at the earliest."""
_SECONDS, _SLOW_SECONDS = 1.0, 30.0
_SHARE, _SLOW_SHARE = 8, 40
"""Making a page, or its slow sections, is followed by a pause of so many times the processor seconds that it took."""
_MOST = 8
"""Pages that are kept: those asked for last."""
_LATER = Note(
    text=f"Drawn once the study has ended, and from time to time while it runs: first after {_SLOW_SECONDS:.0f} s."
)


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
    """The last page of a study, and the times on `Pages`'s clock at which it may be made anew."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    answer: Answer | None = None
    key: tuple[Fingerprint, str] | None = None
    due: float = 0.0
    slow: Mapping[str, Section] = field(default_factory=dict)
    slow_due: float = 0.0


class Pages:
    """The pages of the studies that are looked at; safe to be asked from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
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
            if kept.answer is None or (key != kept.key and self._clock() >= kept.due):
                with self._one:
                    self._make(kept, directory, key)
            assert kept.answer is not None
            return kept.answer
        finally:
            kept.lock.release()

    def _of(self, directory: Path) -> _Kept:
        with self._lock:
            kept = self._kept.setdefault(directory, _Kept(slow_due=self._clock() + _SLOW_SECONDS))
            self._kept.move_to_end(directory)
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)
            return kept

    def _make(self, kept: _Kept, directory: Path, key: tuple[Fingerprint, str]) -> None:
        began, state = time.thread_time(), key[1]
        running = state == Condition.RUNNING
        whole = not running or self._clock() >= kept.slow_due
        page = page_of(Context.read([directory]), {} if whole else kept.slow or _PROMISED)
        kept.answer, kept.key = Answer.of(replace(page, state=state)), key
        took = time.thread_time() - began
        kept.due = self._clock() + max(_SECONDS, 0 if whole else _SHARE * took)
        if whole:
            kept.slow = {section.id: section for section in page.sections if section.id in SLOW}
            kept.slow_due = self._clock() + max(_SLOW_SECONDS, _SLOW_SHARE * took)


_PROMISED = {
    kind.id: Section(id=kind.id, heading=kind.heading, blocks=(_LATER,)) for kind in SECTIONS if kind.id in SLOW
}


def why_not(error: Exception) -> str:
    """Return the message of an error as text that UTF-8 can hold."""
    return str(error).encode(errors="replace").decode()
