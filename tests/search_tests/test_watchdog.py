"""What watches Ray must outlast what it looks at."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from search import watchdog
from search.watchdog import Vital, _name, _watch, end_autoscaler


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


def test_the_autoscaler_is_ended_and_no_other_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "_AUTOSCALER", str(tmp_path / "autoscaler"))
    children = []
    for folder in ("autoscaler", "mine"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "monitor.py").write_text("import time; time.sleep(600)")
        children.append(subprocess.Popen([sys.executable, str(tmp_path / folder / "monitor.py")]))
    autoscaler, mine = children
    try:
        end_autoscaler()
        assert autoscaler.wait(timeout=60) != 0
        assert mine.poll() is None
    finally:
        for child in children:
            child.kill()
            child.wait()


def test_ray_still_starts_an_autoscaler_from_there(ray_session: int) -> None:
    started = [argument for child in psutil.Process().children() for argument in child.cmdline()]
    assert any(argument.startswith(watchdog._AUTOSCALER) for argument in started)
