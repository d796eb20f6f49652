"""Hidden layers by their depth, first width and taper, so that a search can vary each."""

from __future__ import annotations

from typing import Any

from data.errors import InputError
from spaces.hyperparameters import STRUCTURE_TABLE
from spaces.parameters import Point

_ROWS = {row.name: row for row in STRUCTURE_TABLE}
STRUCTURE = tuple(_ROWS)
"""Names of the parameters that together stand for ``hidden_layers``."""


def hidden_layers(depth: int, width: int, taper: float = 1.0) -> tuple[int, ...]:
    """Return the widths, each ``taper`` times the one before: ``(3, 128, 0.5)`` gives 128, 64, 32."""
    return tuple(max(1, int(width * taper**layer)) for layer in range(depth))


def structured(values: Point) -> Point:
    """Return the hyperparameters of a point, with ``hidden_layers`` in place of its structure."""
    plain = {name: value for name, value in values.items() if name not in STRUCTURE}
    if "hidden_layers" not in values:
        own: dict[str, Any] = {name: values[name] for name in STRUCTURE if name in values}
        plain["hidden_layers"] = hidden_layers(**own)
    return plain


def structure_of(widths: tuple[int, ...]) -> Point:
    """Return the depth, width and taper of hidden layers; a single layer has no taper."""
    taper = {"taper": widths[1] / widths[0]} if len(widths) > 1 else {}
    return {"depth": len(widths), "width": widths[0], **taper}


def check_structure(name: str, value: Any) -> None:
    """Raise ``InputError`` where a value cannot be a depth, a width or a taper."""
    if problem := _ROWS[name].problem(value):
        raise InputError(problem)
