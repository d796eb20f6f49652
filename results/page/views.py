"""The three linked views of every configuration as the page's script takes them: lines as shares, options, texts."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from results.page.nodes import Node, element
from results.pictures.configurations import fifths
from results.pictures.parallel_coordinates import Axis, ParallelCoordinates

_DIGITS = 4
"""Digits of a share of a picture's height."""
_STEPS = 100
"""Steps of an axis of numbers to which a brush snaps."""
_EPOCH_TICKS, _SCORE_TICKS = 12, 7
_AXIS_PIXELS, _CURVES_PIXELS = 96, 500
"""Least width of an axis with its texts, and of the learning curves."""
_SAVE = {
    "extend": "csv",
    "text": "Download as CSV",
    "filename": "trials",
    "escapeExcelFormula": True,
    "exportOptions": {"orthogonal": "filter", "modifier": {"search": "applied"}},
}
_TABLE = {
    "order": [],
    "autoWidth": False,
    "layout": {
        "topStart": "pageLength",
        "topEnd": "search",
        "bottomStart": ["info", {"buttons": [_SAVE]}],
        "bottomEnd": "paging",
    },
}
"""Options of DataTables."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of the table of trials; numbers are shown with ``decimals``, or as they are where that is ``None``."""

    name: str
    numeric: bool
    decimals: int | None = None

    def options(self) -> dict[str, Any]:
        """Return the column's options for DataTables, which takes a title for markup."""
        return {
            "name": self.name,
            "title": html.escape(self.name),
            "type": "num" if self.numeric else "string",
            "className": "dt-right" if self.numeric else "dt-left",
            "decimals": self.decimals,
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class Explorer:
    """Every configuration in three linked views, the best first; the i-th of each is the same configuration.

    ``rows``: the cells of each, ``None`` where there is no value; ``curves``: its validation accuracy by epoch,
    ``(epochs,)`` float64, of no epoch before it has trained.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    parallel: ParallelCoordinates
    curves: tuple[np.ndarray, ...]

    @property
    def fifths(self) -> list[int]:
        """Return 1 for the weakest fifth to 5 for the best, and 0 for a row without a score."""
        return [fifth + 1 for fifth in fifths(self.parallel.accuracy).tolist()]

    def node(self) -> Node:
        """Return all that the script needs."""
        return {
            "explorer": {
                "rows": [["" if value is None else value for value in row] for row in self.rows],
                "fifths": self.fifths,
                "table": {**_TABLE, "columns": [column.options() for column in self.columns]},
                "tip": sorted(range(len(self.columns)), key=lambda at: self.columns[at].name not in _FIRST),
                "views": [_parallel_view(self.parallel), _curves_view(self.curves)],
            }
        }


_FIRST = ("study", "config_id", "seed")
"""Columns that come first where a line is pointed at."""


def _parallel_view(data: ParallelCoordinates) -> dict[str, Any]:
    last = max(1, len(data.axes) - 1)
    margin = {"t": 58, "r": 56, "b": 14, "l": 84}
    hidden = {"visible": False, "fixedrange": True}
    return {
        "values": _shares(data.positions),
        "last": last,
        "scales": {axis.name: {"at": at, **_scale(axis)} for at, axis in enumerate(data.axes)},
        "fields": [_axis(axis, at / last) for at, axis in enumerate(data.axes)],
        "style": _style(_AXIS_PIXELS * len(data.axes), margin),
        "layout": {
            "xaxis": {**hidden, "range": [0, last]},
            "yaxis": {**hidden, "range": [0, 1]},
            "margin": margin,
            "height": 440,
            "showlegend": False,
        },
    }


def _scale(axis: Axis) -> dict[str, Any]:
    """Return an axis's steps, the texts of its levels or of the steps' bounds, and the steps that a key brushes."""
    if axis.levels:
        return {"steps": len(axis.levels), "levels": True, "texts": axis.levels, "wide": 1}
    texts = [f"{axis.value(step / _STEPS):.3g}" for step in range(_STEPS + 1)]
    return {"steps": _STEPS, "levels": False, "texts": texts, "wide": _STEPS // 4}


def _axis(axis: Axis, left: float) -> Node:
    ticks = [element("span", text, class_="tick", style=f"bottom: {100 * share}%") for share, text in axis.ticks]
    return element(
        "div",
        element("i", class_="brush"),
        element("span", axis.name.replace("_", "_\u200b"), class_="name"),
        *ticks,
        class_="axis",
        style=f"left: {100 * left}%",
        data_field=axis.name,
        tabindex=0,
        role="slider",
        aria_label=f"Filter by {axis.name}",
        aria_orientation="vertical",
        aria_valuemin=0,
        aria_valuemax=100,
        aria_valuenow=0,
    )


def _curves_view(curves: Sequence[np.ndarray]) -> dict[str, Any]:
    low, high = _bounds(curves)
    epochs = max((len(curve) for curve in curves), default=0)
    last, places = max(1, epochs - 1), range(0, epochs, max(1, math.ceil(epochs / _EPOCH_TICKS)))
    texts = [f"{low + (high - low) * step / _STEPS:.3f}" for step in range(_STEPS + 1)]
    scores = _round_numbers(low, high)
    margin = {"t": 10, "r": 16, "b": 44, "l": 56}
    still = {"automargin": False, "fixedrange": True}
    return {
        "values": _shares([(curve - low) / (high - low) for curve in curves]),
        "last": last,
        "scales": {"curves": {"at": None, "steps": _STEPS, "levels": False, "texts": texts, "wide": 0}},
        "fields": [element("div", element("i", class_="brush"), class_="box", data_field="curves")],
        "style": _style(_CURVES_PIXELS, margin),
        "layout": {
            "xaxis": {
                **still,
                "title": {"text": "epoch"},
                "range": [0, last],
                **_ticks(places, [place + 1 for place in places]),
            },
            "yaxis": {
                **still,
                "title": {"text": "validation accuracy"},
                "range": [0, 1],
                **_ticks([(score - low) / (high - low) for score in scores], scores),
            },
            "margin": margin,
            "height": 380,
            "showlegend": False,
        },
    }


def _style(width: int, margin: Mapping[str, int]) -> str:
    """Return the least width of a picture, and the place of what lies over it."""
    return f"min-width: {width}px; --inset: {' '.join(f'{side}px' for side in margin.values())}"


def _bounds(curves: Sequence[np.ndarray]) -> tuple[float, float]:
    """Return the lowest and the highest accuracy of all curves, with a little room; (0, 1) without any."""
    known = np.concatenate([np.empty(0), *curves])
    known = known[~np.isnan(known)]
    if not len(known) or known.min() == known.max():
        return 0.0, 1.0
    room = float(known.max() - known.min()) / 30
    return float(known.min()) - room, float(known.max()) + room


def _round_numbers(low: float, high: float) -> list[float]:
    """Return a few round numbers from ``low`` to ``high``."""
    size = 10.0 ** math.floor(math.log10((high - low) / _SCORE_TICKS))
    step = next(size * factor for factor in (1, 2, 5, 10) if (high - low) / (size * factor) <= _SCORE_TICKS)
    return [round(place * step, 6) for place in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _ticks(places: Sequence[float], texts: Sequence[float]) -> dict[str, Any]:
    return {"tickmode": "array", "tickvals": list(places), "ticktext": [f"{text:g}" for text in texts]}


def _shares(lines: Sequence[np.ndarray] | np.ndarray) -> list[list[float | None]]:
    """Return lines as lists of rounded shares, with ``None`` for NaN."""
    values: list[float | None] = np.concatenate([np.empty(0), *lines]).round(_DIGITS).tolist()
    values = [None if value != value else value for value in values]
    ends = np.cumsum([0, *map(len, lines)]).tolist()
    return [values[begin:end] for begin, end in pairwise(ends)]
