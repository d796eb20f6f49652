"""Learning curves as letters: one scale for all, shorter where a curve was stopped."""

from __future__ import annotations

import math

import pytest

from results.rendering.sparklines import BLOCKS, MISSING, PLAIN, marks_for, sparklines


def test_low_to_high_on_one_scale() -> None:
    rising = {epoch: epoch / 8 for epoch in range(1, 9)}
    assert sparklines([rising, {1: 1 / 8}, {1: 1.0, 2: 0.5}]) == [BLOCKS, BLOCKS[0], BLOCKS[-1] + BLOCKS[3]]


def test_a_long_curve_is_as_wide_as_asked_and_a_stopped_one_shorter() -> None:
    whole, stopped = {epoch: float(epoch) for epoch in range(1, 21)}, dict.fromkeys(range(1, 5), 1.0)
    lines = sparklines([whole, stopped, {1: 5.0}])
    assert [len(line) for line in lines] == [10, 2, 1]
    assert lines[0][-1] == BLOCKS[-1], "the last mark is the last epoch"


def test_what_is_no_number_has_a_mark_of_its_own() -> None:
    assert sparklines([{1: 0.5, 2: None}, {1: math.nan}, {}]) == [BLOCKS[0] + MISSING, MISSING, ""]
    assert sparklines([]) == []


@pytest.mark.parametrize(
    ("encoding", "marks"), [("utf-8", BLOCKS), ("cp437", PLAIN), ("ascii", PLAIN), (None, PLAIN), ("nonsense", PLAIN)]
)
def test_marks_that_the_encoding_has(encoding: str | None, marks: str) -> None:
    assert marks_for(encoding) == marks and len(marks) == 8
