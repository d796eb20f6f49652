from __future__ import annotations

import os
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--faults", type=int, default=6, metavar="N", help="faults injected by the random fault tests")
    parser.addoption("--inputs", type=int, default=300, metavar="N", help="made-up wrong inputs that are tried")


@pytest.fixture(scope="session")
def real_data() -> Path:
    folder = os.environ.get("GENRESWEEP_DATA_DIR")
    if not folder:
        pytest.skip("GENRESWEEP_DATA_DIR is not set: no real tables to test on")
    return Path(folder)
