"""The content of the study page as plain data: the page's script draws it, and nothing else is shown.

All texts are plain: the script never reads markup in them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from results.pictures.configurations import fifths
from results.pictures.learning_curves import LearningCurves
from results.pictures.parallel_coordinates import ParallelCoordinates
from results.rendering.exports import plain_number

if TYPE_CHECKING:
    import plotly.graph_objects as go

_POSITION_DIGITS = 4
_CURVE_DIGITS = 5
_EPOCH_TICKS = 12


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A named value, and what it means in a few words."""

    label: str
    value: str
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Named values beside one another; ``large`` ones are the first to be read."""

    items: tuple[Fact, ...]
    large: bool = False
    kind: str = "facts"


@dataclass(frozen=True, kw_only=True)
class Note:
    """A paragraph; ``code`` is shown as it stands, in type of one width, below it."""

    text: str
    code: str = ""
    kind: str = "note"


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of texts; ``numeric`` says for each column whether it holds numbers, ``notes`` stand below it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]
    notes: tuple[str, ...] = ()
    folded: bool = True
    kind: str = "table"

    @classmethod
    def of(
        cls, title: str, frame: pd.DataFrame, *, decimals: int = 4, notes: Sequence[str] = (), folded: bool = True
    ) -> Table:
        """Return a dataframe, without its index, as a table."""
        numeric = tuple(
            pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype) for dtype in frame.dtypes
        )
        rows = frame.itertuples(index=False, name=None)
        return cls(
            title=title,
            columns=tuple(map(str, frame.columns)),
            rows=tuple(tuple(_cell(value, decimals) for value in row) for row in rows),
            numeric=numeric,
            notes=tuple(notes),
            folded=folded,
        )


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A Plotly figure without its template, since the page has its own; ``folded`` until it is asked for."""

    title: str
    figure: dict[str, Any]
    folded: bool = False
    kind: str = "figure"

    @classmethod
    def of(cls, title: str, figure: go.Figure, *, folded: bool = False) -> Figure:
        """Return a Plotly figure as data; its own title gives way to ``title``."""
        found = json.loads(figure.to_json())
        layout = {name: value for name, value in found["layout"].items() if name not in ("template", "title", "width")}
        return cls(title=title, figure={"data": found["data"], "layout": layout}, folded=folded)


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of the table of trials; numbers are shown with ``decimals``, or as they are where that is ``None``."""

    name: str
    numeric: bool
    decimals: int | None = None


@dataclass(frozen=True, kw_only=True)
class Explorer:
    """Every configuration in three linked views; the i-th entry of each tuple of rows is the same configuration."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    axes: tuple[dict[str, Any], ...]
    """Name, levels, low, high, log, and ticks as pairs of position and text."""
    positions: tuple[tuple[float | None, ...], ...]
    curves: tuple[tuple[float | None, ...] | None, ...]
    """Validation accuracy from the first epoch on; ``None`` for a curve that is left out."""
    epochs: int
    """Epochs of the longest curve."""
    bounds: tuple[float, float]
    """Lowest and highest accuracy of the curves, with room to see them."""
    ticks: dict[str, tuple[Any, ...]]
    """Places of epochs, the first at 0, and their texts."""
    fifths: tuple[int, ...]
    names: tuple[str, ...]
    note: str
    kind: str = "explorer"

    @classmethod
    def of(
        cls,
        columns: Sequence[Column],
        rows: Sequence[Sequence[Any]],
        names: Sequence[str],
        parallel: ParallelCoordinates,
        curves: LearningCurves,
    ) -> Explorer:
        """Return the three views of the same rows."""
        epochs = max((len(curve) for curve in curves.curves), default=0)
        ticks = range(0, epochs, max(1, math.ceil(epochs / _EPOCH_TICKS)))
        return cls(
            columns=tuple(columns),
            rows=tuple(tuple(plain(value) for value in row) for row in rows),
            axes=tuple({**asdict(axis), "ticks": axis.ticks} for axis in parallel.axes),
            positions=tuple(_rounded(row, _POSITION_DIGITS) for row in parallel.positions),
            curves=tuple(
                _rounded(curve, _CURVE_DIGITS) if drawn else None
                for curve, drawn in zip(curves.curves, curves.shown, strict=True)
            ),
            epochs=epochs,
            bounds=curves.bounds,
            ticks={"tickvals": tuple(ticks), "ticktext": tuple(str(place + 1) for place in ticks)},
            fifths=tuple(fifths(parallel.accuracy).tolist()),
            names=tuple(names),
            note=curves.note,
        )


Block = Facts | Note | Table | Figure | Explorer


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading, and what stands below it."""

    id: str
    heading: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, kw_only=True)
class Page:
    """The whole page; ``state`` is ``finished``, ``running`` or ``interrupted``."""

    title: str
    subtitle: str
    state: str
    sections: tuple[Section, ...] = field(default_factory=tuple)

    def to_json(self) -> str:
        """Return the page as JSON that may stand within an HTML script: it has no ``<``, and no NaN."""
        text = json.dumps(asdict(self), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode(errors="backslashreplace").decode().replace("<", "\\u003c")


def plain(value: Any) -> Any:
    """Return a value as JSON has it: missing ones and those without a finite number as ``None``."""
    if value is None or value is pd.NA:
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.item() if hasattr(value, "item") else value


def _rounded(values: Any, digits: int) -> tuple[float | None, ...]:
    return tuple(round(value, digits) if math.isfinite(value) else None for value in values.tolist())


def _cell(value: Any, decimals: int) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "–" if value is None or value is pd.NA else str(value)
    return plain_number(value, decimals)
