"""The content of the study page as plain data: the page's script draws it, and nothing else is shown.

All texts are plain: the script never reads markup in them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from results.page.nodes import Node, element, scrolling, table, titled
from results.page.views import Explorer
from results.rendering.exports import plain_number

if TYPE_CHECKING:
    import plotly.graph_objects as go


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

    def node(self) -> Node:
        """Return a list of definitions."""
        items = [
            element(
                "div", element("dt", fact.label), element("dd", element("b", fact.value), element("small", fact.hint))
            )
            for fact in self.items
        ]
        return element("dl", *items, class_="facts large" if self.large else "facts")


@dataclass(frozen=True, kw_only=True)
class Note:
    """A paragraph; ``code`` is shown as it stands, in type of one width, below it."""

    text: str
    code: str = ""

    def node(self) -> Node:
        """Return a paragraph or two."""
        code = [element("pre", self.code, tabindex=0)] if self.code else []
        return element("div", element("p", self.text), *code)


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of texts.

    ``numeric`` says for each column whether it holds numbers, ``notes`` stand below it, and ``links``, if any, are
    where the first cell of each row leads to.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]
    notes: tuple[str, ...] = ()
    folded: bool = True
    links: tuple[str, ...] = ()

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

    def node(self) -> Node:
        """Return the table under its title."""
        rows: list[list[Node]] = [list(row) for row in self.rows]
        for row, link in zip(rows, self.links, strict=False):
            row[0] = element("a", row[0], href=link)
        made = scrolling(self.title, table(self.columns, rows, self.numeric))
        return titled(self.title, made, *(element("p", note) for note in self.notes), folded=self.folded)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A Plotly figure without its template, since the page has its own; ``folded`` until it is asked for."""

    title: str
    figure: dict[str, Any]
    folded: bool = False

    @classmethod
    def of(cls, title: str, figure: go.Figure, *, folded: bool = False) -> Figure:
        """Return a Plotly figure as data; its own title gives way to ``title``."""
        found = json.loads(figure.to_json())
        layout = {name: value for name, value in found["layout"].items() if name not in ("template", "title", "width")}
        return cls(title=title, figure={"data": found["data"], "layout": layout}, folded=folded)

    def node(self) -> Node:
        """Return a place for the figure, under its title."""
        height = self.figure["layout"].get("height", 400)
        place = element("div", {"title": self.title, "figure": self.figure}, style=f"min-height: {height}px")
        made = scrolling(self.title, place)
        return titled(self.title, made, folded=self.folded)


Block = Facts | Note | Table | Figure | Explorer


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading, and what stands below it."""

    id: str
    heading: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, kw_only=True)
class Page:
    """The whole page; ``state`` is ``finished``, ``running``, ``interrupted``, or empty for a page of no study."""

    title: str
    subtitle: str
    state: str
    sections: tuple[Section, ...] = field(default_factory=tuple)

    def to_json(self) -> str:
        """Return the page as JSON that may stand within an HTML script: it has no ``<``, and no NaN."""
        sections = [
            {"id": section.id, "heading": section.heading, "nodes": [block.node() for block in section.blocks]}
            for section in self.sections
        ]
        page = {"title": self.title, "subtitle": self.subtitle, "state": self.state, "sections": sections}
        text = json.dumps(page, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode(errors="backslashreplace").decode().replace("<", "\\u003c")


def _cell(value: Any, decimals: int) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "–" if value is None or value is pd.NA else str(value)
    return plain_number(value, decimals)
