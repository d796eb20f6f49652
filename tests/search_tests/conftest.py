from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from search import run_sweep
from search.cluster.connection import connected
from search.cluster.environment import settle
from search.cluster.placement import Resources
from tests.support.golden_study import GOLDEN
from tests.support.processes import Command
from tests.support.small import EPOCHS, write_space, write_tracks

Sweep = Callable[..., Path]
Launch = Callable[..., Command]
GONE_WITHIN = 120.0
"""Seconds that Ray's processes have to notice that their driver is gone."""

torch.set_num_threads(1)
settle()


@pytest.fixture(scope="session")
def ray_session() -> Iterator[int]:
    """One Ray of two slots for all tests of a session that need one; ``run_sweep`` finds it and leaves it running."""
    with connected(Resources(cpus=2)):
        yield 2


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``tracks.csv``, 400 made-up rows, and ``space.toml``, 12 configurations."""
    folder = tmp_path_factory.mktemp("small")
    write_tracks(folder / "tracks.csv")
    write_space(folder / "space.toml")
    return folder


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A copy of the golden study, for tests that damage it."""
    (tmp_path / "home").mkdir()
    return Path(shutil.copytree(GOLDEN / "study", tmp_path / "home" / "study"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place to work in, with sound tracks and a sound space."""
    write_tracks(tmp_path / "tracks.csv", rows=120)
    write_space(tmp_path / "space.toml")
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


@pytest.fixture
def launch(small: Path) -> Iterator[Launch]:
    """Starts commands as processes; in the end, whatever became of them, nothing that they started may be left."""
    commands: list[Command] = []

    def start(*arguments: object, **options: Any) -> Command:
        commands.append(Command(*arguments, folder=small, **options))
        return commands[-1]

    yield start
    left = [command.left_behind(GONE_WITHIN) for command in commands]
    for command in commands:
        command.kill_started()
    assert not any(left), left


@pytest.fixture(scope="session")
def sweep(ray_session: int, small: Path, tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """Runs the small study with these settings, once for all tests that ask for the same; returns its directory."""
    done: dict[str, Path] = {}

    def run(**settings: Any) -> Path:
        name = json.dumps(settings, sort_keys=True)
        if name not in done:
            out = tmp_path_factory.mktemp("studies") / "study"
            space, wanted = str(small / "space.toml"), {"epochs": EPOCHS, "scheduler": "none", **settings}
            result = run_sweep(str(small / "tracks.csv"), out=out, space=space, **wanted)
            assert result.complete and result.directory == out
            done[name] = out
        return done[name]

    return run
