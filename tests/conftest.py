from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.examples import load_profiles
from tests.support.s3 import S3, s3_server, use_test_credentials

use_test_credentials()
load_profiles()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--faults", type=int, default=6, metavar="N", help="faults injected by the random fault tests")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many random faults were injected, and in how many studies anything was lost; the made-up inputs tried."""
    for outcome in ("passed", "failed"):
        reports = terminalreporter.getreports(outcome)
        chains = [found for report in reports if (found := _noted(report, "fault"))]
        inputs = sum(count for report in reports for count in _noted(report, "inputs"))
        if chains:
            kinds = Counter(kind for chain in chains for kind in chain)
            counts = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
            studies = ", ".join(name for report in reports for name in _noted(report, "chain"))
            terminalreporter.write_line(
                f"{outcome}: {len(chains)} studies ({studies}) with {kinds.total()} faults ({counts})"
            )
        if inputs:
            terminalreporter.write_line(f"{outcome}: {inputs} made-up inputs")


def _noted(report: pytest.TestReport, name: str) -> list[Any]:
    return [value for key, value in report.user_properties if key == name and report.when == "call"]


@pytest.fixture(scope="session")
def real_data() -> Path:
    folder = os.environ.get("GENRESWEEP_DATA_DIR")
    if not folder:
        pytest.skip("GENRESWEEP_DATA_DIR is not set: no real tables to test on")
    return Path(folder)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a sentence-transformers model that gives 6 numbers, from a table of four words."""
    import numpy as np
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = {"[UNK]": 0, "Album": 1, "Song": 2, "Beat": 3}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    weights = np.random.default_rng(0).normal(size=(len(words), 6)).astype(np.float32)
    folder = tmp_path_factory.mktemp("models") / "tiny"
    module = StaticEmbedding(tokenizer, embedding_weights=weights)
    SentenceTransformer(modules=[module], device="cpu").save(str(folder), create_model_card=False)
    return folder


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    """A server for all tests that need one; each takes a bucket of its own."""
    with s3_server() as server:
        yield server
