"""What an epoch is expected to take."""

from __future__ import annotations

import pytest

from search.scheduling.cost_model import CostModel
from spaces import Configuration

_NARROW = Configuration(hidden_layers=(16,), encoding="piecewise_linear")
_WIDE = Configuration(hidden_layers=(512, 512), encoding="piecewise_linear")


def _model() -> CostModel:
    return CostModel(17_142, {"piecewise_linear": 369}, 5)


def test_a_space_may_have_a_single_encoding() -> None:
    costs = _model()
    assert 0 < costs.seconds_per_epoch(_NARROW) < costs.seconds_per_epoch(_WIDE)


def test_a_measurement_replaces_the_guess_and_mends_that_of_other_shapes() -> None:
    costs, before = _model(), _model().seconds_per_epoch(_WIDE)
    measured = 2 * costs.seconds_per_epoch(_NARROW)
    for _ in range(20):
        costs.observe([_NARROW], measured)
    assert costs.seconds_per_epoch(_NARROW) == pytest.approx(measured)
    assert costs.seconds_per_epoch(_WIDE) == pytest.approx(2 * before, rel=1e-3)


def test_members_of_one_shape_train_at_once_on_a_gpu() -> None:
    costs = CostModel(17_142, {"piecewise_linear": 369}, 5, device="cuda")
    one = costs.seconds_per_epoch(_WIDE)
    assert costs.stack_seconds([_WIDE] * 200) == one
    for _ in range(20):
        costs.observe([_WIDE] * 200 + [_NARROW], 0.3)
    assert costs.stack_seconds([_WIDE, _NARROW]) == pytest.approx(0.3, rel=1e-3)
    assert costs.stack_seconds([_WIDE]) < 0.3


def test_members_of_a_mixed_stack_share_its_time_as_expected_of_them() -> None:
    costs = _model()
    narrow, wide = costs.seconds_per_epoch(_NARROW), costs.seconds_per_epoch(_WIDE)
    for _ in range(20):
        costs.observe([_NARROW, _WIDE], 3 * (narrow + wide))
    assert costs.seconds_per_epoch(_NARROW) == pytest.approx(3 * narrow, rel=1e-3)
    assert costs.seconds_per_epoch(_WIDE) == pytest.approx(3 * wide, rel=1e-3)
