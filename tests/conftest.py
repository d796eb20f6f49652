from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    folder = os.environ.get("GENRESWEEP_DATA_DIR")
    if not folder:
        pytest.skip("GENRESWEEP_DATA_DIR is not set: no real tables to test on")
    return Path(folder)
