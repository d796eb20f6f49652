"""How a command hears that it is asked to stop."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass

import pytest

from search.studies.stopping import graceful_stop


@dataclass
class Work:
    stopping: bool = False


@dataclass
class Interrupted:
    """Asked to stop in the middle of being deleted."""

    deleted: list[bool]

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)
        self.deleted.append(True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_second_stops(number: signal.Signals) -> None:
    work, said = Work(), list[bool]()
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), graceful_stop(work, lambda: said.append(work.stopping)):
        signal.raise_signal(number)
        assert said == [True]
        signal.raise_signal(number)
    assert said == [True] and signal.getsignal(number) == before


def test_a_second_signal_is_not_lost_where_python_swallows_exceptions() -> None:
    work, deleted = Work(), list[bool]()
    with pytest.raises(KeyboardInterrupt), graceful_stop(work, lambda: None):
        signal.raise_signal(signal.SIGINT)
        Interrupted(deleted)
        assert deleted == [True]
        time.sleep(60)
