from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from hypothesis import settings

from search.cluster import connected

torch.set_num_threads(1)

settings.register_profile("search", deadline=None, max_examples=40)
settings.load_profile("search")


@pytest.fixture(scope="session")
def ray_session() -> Iterator[int]:
    """One Ray of two slots for all tests of a session that need one; ``run_sweep`` finds it and leaves it running."""
    with connected(cpus=2) as slots:
        yield slots
