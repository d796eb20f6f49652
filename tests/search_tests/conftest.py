from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from search.cluster import connected
from tests.search_tests.small import write_space, write_tracks

torch.set_num_threads(1)

settings.register_profile("search", deadline=None, max_examples=40)
settings.load_profile("search")


@pytest.fixture(scope="session")
def ray_session() -> Iterator[int]:
    """One Ray of two slots for all tests of a session that need one; ``run_sweep`` finds it and leaves it running."""
    with connected(cpus=2) as slots:
        yield slots


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``tracks.csv``, 400 made-up rows, and ``space.toml``, 12 configurations."""
    folder = tmp_path_factory.mktemp("small")
    write_tracks(folder / "tracks.csv")
    write_space(folder / "space.toml")
    return folder
