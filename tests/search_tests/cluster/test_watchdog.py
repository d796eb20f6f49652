"""What watches Ray must outlast what it looks at."""

from __future__ import annotations

import subprocess
import threading

import psutil

from search.cluster.watchdog import Vital, _name, _watch


def test_a_look_that_fails_is_not_the_last() -> None:
    finished, looks, said = threading.Event(), list[int](), list[str]()

    def lives() -> bool:
        looks.append(1)
        if len(looks) == 1:
            raise psutil.NoSuchProcess(1)
        finished.set()
        return True

    _watch(Vital({"raylet": lives}, 0.0), finished, said.append)
    assert len(looks) == 2 and not said


def test_a_process_that_has_just_ended_has_no_name() -> None:
    child = subprocess.Popen(["sleep", "60"])
    process = psutil.Process(child.pid)
    child.kill()
    child.wait()
    assert _name(process) == ""
