"""A command that may use one CPU plans for one and trains on one, whatever the machine has."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import ROOT

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")


def bound(small: Path, out: Path, *more: str, **variables: str) -> str:
    """What a sweep says that is bound to one CPU."""
    arguments = ["--data", str(small / "tracks.csv"), "--space", str(small / "space.toml"), "--epochs", "1", *more]
    one = min(os.sched_getaffinity(0))
    ended = subprocess.run(
        [sys.executable, "-m", "search.cli", "sweep", *arguments, "--out", str(out)],
        env={k: v for k, v in os.environ.items() if not k.startswith("RAY_")} | {"PYTHONPATH": str(ROOT), **variables},
        preexec_fn=lambda: os.sched_setaffinity(0, {one}),
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout + ended.stderr


@pytest.mark.slow
def test_a_dry_run(small: Path, tmp_path: Path) -> None:
    said = bound(small, tmp_path / "study", "--dry-run")
    assert "segments on 1 workers" in said and "asks no cluster" not in said
    assert "asks no cluster" in bound(small, tmp_path / "study", "--dry-run", RAY_ADDRESS="10.0.0.1:6379")


@pytest.mark.slow
def test_a_dry_run_that_asks_for_more_is_told(small: Path, tmp_path: Path) -> None:
    said = bound(small, tmp_path / "study", "--dry-run", "--cpus", "3")
    assert "on 3 workers" in said and said.count("--cpus 3: this command may use 1 CPU ") == 1


@pytest.mark.slow
def test_a_sweep(small: Path, tmp_path: Path) -> None:
    assert re.search(r"training, 1 at once", bound(small, tmp_path / "study"))
