"""Nodes of the study page, from which its script makes elements: plain data in which every text stays a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Node = str | list[Any] | dict[str, Any]
"""A text; a tag, its attributes and its children; or a figure or the explorer, which the script draws."""


def element(tag: str, *children: Node, **attributes: str | int) -> Node:
    """Return an element; a trailing underscore of an attribute's name is left out, one within is a hyphen."""
    named = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
    return [tag, named, *children]


def titled(title: str, *children: Node, folded: bool) -> Node:
    """Return children under a title, which opens them where they are ``folded``."""
    if folded:
        return element("details", element("summary", title), *children)
    return element("div", *([element("h3", title)] if title else []), *children)


def scrolling(title: str, child: Node) -> Node:
    """Return a place with its own scroll bar, for what is wider than a phone."""
    return element("div", child, class_="scroll", tabindex=0, role="region", aria_label=title or "Table")


def table(columns: Sequence[str], rows: Sequence[Sequence[Node]], numeric: Sequence[bool]) -> Node:
    """Return a table; columns of numbers are aligned to the right."""
    kinds: list[Mapping[str, str]] = [{"class": "number"} if number else {} for number in numeric]
    head = [["th", {**kind, "scope": "col"}, text] for kind, text in zip(kinds, columns, strict=True)]
    body = [element("tr", *(["td", kind, cell] for kind, cell in zip(kinds, row, strict=True))) for row in rows]
    return element("table", element("thead", element("tr", *head)), element("tbody", *body), class_="plain")
