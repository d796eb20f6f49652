"""A sweep that is watched by dashboards which are killed, while other studies go away under them."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.search_tests.conftest import Launch, Sweep
from tests.search_tests.faults.test_commands import sweep_arguments
from tests.support.dashboards import Dashboard
from tests.support.laws import check_same
from tests.support.made_studies import made_study
from tests.support.small import HALVING


@contextlib.contextmanager
def asking(dashboard: Dashboard, *names: str) -> Iterator[None]:
    """Ask for the list and for pages all the time, as several open pages do."""
    over = threading.Event()

    def ask() -> None:
        while not over.wait(0.2):
            with contextlib.suppress(OSError, HTTPException):
                dashboard.get("/studies")
                for name in names:
                    dashboard.get(f"/studies/{name}/content")

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.faults
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [1, 2])
def test_dashboards_killed_while_a_sweep_runs(
    seed: int, launch: Launch, sweep: Sweep, small: Path, tmp_path: Path
) -> None:
    """The sweep ends as if nobody had watched; each dashboard that follows shows what is there."""
    chance, runs = random.Random(seed), tmp_path / "runs"
    undisturbed = sweep(**HALVING, stack_size=16)
    other = made_study(runs / "other", count=5)
    first = launch(*sweep_arguments(small, runs / "study", "halving"), "--quiet")
    port, kills = 0, 0
    while first.process.poll() is None:
        dashboard = Dashboard(runs, port)
        port = dashboard.port
        with asking(dashboard, "study", "other"):
            time.sleep(chance.uniform(0, 3))
            other = other.rename(runs / "elsewhere" if other.name == "other" else runs / "other")
            time.sleep(chance.uniform(0, 3))
            dashboard.kill()
        kills += 1
    ended = first.wait()
    assert (ended.code, ended.err) == (0, "") and kills >= 2
    check_same(runs / "study", undisturbed)
    last = Dashboard(runs, port)
    try:
        found = last.listed()
        assert set(found) == {"study", other.name} and found["study"]["state"] == "finished"
        gone = "elsewhere" if other.name == "other" else "other"
        assert last.get(f"/studies/{gone}/content").status == 404
        assert last.get("/studies/study/content").json["state"] == "finished"
    finally:
        last.kill()
