from __future__ import annotations

import json

import pytest

from tests.support.golden_curves import GOLDEN_FILE, golden_curves


def test_learning_curves_are_the_golden_ones() -> None:
    golden = json.loads(GOLDEN_FILE.read_text(encoding="utf-8"))
    found = golden_curves()
    assert found.keys() == golden.keys()
    for name, network in found.items():
        assert network["configuration"] == golden[name]["configuration"]
        assert network["epochs"] == [pytest.approx(epoch, rel=1e-6) for epoch in golden[name]["epochs"]]


def test_the_golden_networks_learn() -> None:
    """A curve that stands still would hold whatever the arithmetic did."""
    for network in json.loads(GOLDEN_FILE.read_text(encoding="utf-8")).values():
        losses = [epoch["val_loss"] for epoch in network["epochs"]]
        assert losses[-1] < 0.95 * losses[0]
