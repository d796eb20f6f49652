"""Learning curves as a few letters each, for tables in a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
PLAIN = "_.:-=+*#"
"""Marks from low to high where the encoding lacks the blocks."""
MISSING = "x"
"""Mark of epochs without a number."""


def marks_for(encoding: str | None) -> str:
    """Return the marks that an encoding can write, from low to high."""
    try:
        BLOCKS.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return PLAIN
    return BLOCKS


def sparklines(curves: Sequence[Mapping[int, float | None]], marks: str = BLOCKS, width: int = 10) -> list[str]:
    """Return one text for each curve, which holds values by epoch, counted from 1.

    All share one scale: of height from the lowest value to the highest, of length ``width`` for the longest curve, so
    that one that was stopped is shorter. A mark stands for the last of its epochs.

    >>> sparklines([{1: 0.0, 2: 0.5, 3: 1.0}, {1: 0.0}, {1: None}], marks="abc")
    ['abc', 'a', 'x']
    """
    values = [value for curve in curves for value in curve.values() if value is not None and not math.isnan(value)]
    longest = max((max(curve) for curve in curves if curve), default=0)
    columns = min(width, longest)
    ends = [round((column + 1) * longest / columns) for column in range(columns)]
    low, high = min(values, default=0.0), max(values, default=0.0)
    return ["".join(_mark(curve, last, low, high, marks) for last in _lasts(ends, curve)) for curve in curves]


def _lasts(ends: Sequence[int], curve: Mapping[int, float | None]) -> list[int]:
    """Return the last epoch of each mark, up to the end of a curve."""
    last = max(curve, default=0)
    return [min(end, last) for first, end in zip([0, *ends], ends, strict=False) if first < last]


def _mark(curve: Mapping[int, float | None], last: int, low: float, high: float, marks: str) -> str:
    value = curve.get(last)
    if value is None or math.isnan(value):
        return MISSING
    share = (value - low) / (high - low) if high > low else 0.0
    return marks[min(int(share * len(marks)), len(marks) - 1)]
