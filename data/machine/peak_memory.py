"""Peak memory of this process and of all its descendants."""

from __future__ import annotations

import contextlib
import threading

import psutil

_INTERVAL = 1.0


class PeakMemory:
    """Meter that samples memory once a second while it is open; a page shared by several processes counts once."""

    def __init__(self) -> None:
        self.megabytes = 0.0
        self._finished = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._finished.set()
        self._thread.join()

    def _sample(self) -> None:
        while True:
            self.megabytes = max(self.megabytes, proportional_megabytes())
            if self._finished.wait(_INTERVAL):
                return


def proportional_megabytes() -> float:
    """Return the proportional set size of this process and its descendants, or the resident size where unavailable."""
    total = 0
    process = psutil.Process()
    for member in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            memory = member.memory_full_info()
            total += getattr(memory, "pss", memory.rss)
    return total / 1e6
