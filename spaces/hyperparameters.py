"""What each hyperparameter is: the kind of its values, and the rule that they keep whatever the others are.

A new hyperparameter needs a row here, a field with a default in ``Configuration``, and the training code.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from data.errors import did_you_mean

ACTIVATIONS = ("relu", "tanh")
OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("constant", "cosine", "one_cycle")
ENCODINGS = ("standardised", "quantile", "piecewise_linear")

MOST_EPOCHS = 100_000
"""Most epochs of one network; more is taken for a typing mistake, and would take for ever to plan."""
_MOST_LAYERS, _MOST_UNITS = 32, 65_536


class Kind(StrEnum):
    """The kind of a hyperparameter's values; a space may give a range for a fraction alone."""

    WIDTHS = "widths"
    FLAG = "flag"
    FRACTION = "fraction"
    WHOLE = "whole"
    TEXT = "text"


@dataclass(frozen=True, kw_only=True)
class Hyperparameter:
    """One hyperparameter: its name, the kind of its values, and the rule that they keep."""

    name: str
    kind: Kind
    rule: str = ""
    """A sentence about the values that may be; empty where ``texts`` are given."""
    holds: Callable[[Any], bool] = bool
    """True of a value that keeps the rule."""
    texts: tuple[str, ...] = ()
    """The only values, all of them texts."""
    neutral: str | None = None
    """The text that goes with any other hyperparameter, so that only the other one is judged beside it."""

    def problem(self, value: Any) -> str | None:
        """Return a sentence on what is wrong with a value; ``None`` where nothing is."""
        if self.texts:
            if value in self.texts:  # the search for a near name is slow
                return None
            hint = did_you_mean(str(value), self.texts)
            return f"{self.name} must be one of {', '.join(self.texts)}, but got {value!r}{hint}"
        if self.holds(value):
            return None
        shown = list(value) if self.kind is Kind.WIDTHS and isinstance(value, tuple) else value
        return f"{self.rule}, but got {shown!r}"


def _is_whole(value: object, low: int = 1, high: float = math.inf) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _are_widths(value: object) -> bool:
    return isinstance(value, tuple) and len(value) > 0 and all(_is_whole(width) for width in value)


def _is_share(value: object) -> bool:
    return isinstance(value, float) and 0 <= value < 1


def _is_finite(value: object) -> bool:
    return isinstance(value, float) and 0 <= value < math.inf


def _is_positive(value: object) -> bool:
    return _is_finite(value) and value != 0


def _is_taper(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1


TABLE = (
    Hyperparameter(
        name="hidden_layers",
        kind=Kind.WIDTHS,
        rule="hidden_layers must be a list of widths, which are positive whole numbers (in a space a list of such "
        "lists, as [[64, 32]] or [[64], [32]])",
        holds=_are_widths,
    ),
    Hyperparameter(
        name="batch_norm",
        kind=Kind.FLAG,
        rule="batch_norm must be true or false",
        holds=lambda value: isinstance(value, bool),
    ),
    Hyperparameter(name="dropout", kind=Kind.FRACTION, rule="0 <= dropout < 1 must hold", holds=_is_share),
    Hyperparameter(name="activation", kind=Kind.TEXT, texts=ACTIVATIONS),
    Hyperparameter(name="encoding", kind=Kind.TEXT, texts=ENCODINGS),
    Hyperparameter(name="learning_rate", kind=Kind.FRACTION, rule="learning_rate > 0 must hold", holds=_is_positive),
    Hyperparameter(
        name="batch_size",
        kind=Kind.WHOLE,
        rule="batch_size must be a whole number of at least 2",
        holds=lambda value: _is_whole(value, 2),
    ),
    Hyperparameter(name="optimizer", kind=Kind.TEXT, texts=OPTIMIZERS, neutral="sgd"),
    Hyperparameter(
        name="clip_norm",
        kind=Kind.FRACTION,
        rule="clip_norm > 0 must hold (or no clipping)",
        holds=lambda value: value is None or _is_positive(value),
    ),
    Hyperparameter(name="weight_decay", kind=Kind.FRACTION, rule="weight_decay >= 0 must hold", holds=_is_finite),
    Hyperparameter(name="momentum", kind=Kind.FRACTION, rule="0 <= momentum < 1 must hold", holds=_is_share),
    Hyperparameter(
        name="label_smoothing", kind=Kind.FRACTION, rule="0 <= label_smoothing < 1 must hold", holds=_is_share
    ),
    Hyperparameter(name="ema_decay", kind=Kind.FRACTION, rule="0 <= ema_decay < 1 must hold", holds=_is_share),
    Hyperparameter(name="schedule", kind=Kind.TEXT, texts=SCHEDULES, neutral="cosine"),
    Hyperparameter(name="schedule_epochs", kind=Kind.WHOLE, rule="schedule_epochs must be at least 1", holds=_is_whole),
    Hyperparameter(
        name="patience",
        kind=Kind.WHOLE,
        rule="patience must be at least 1",
        holds=lambda value: value is None or _is_whole(value),
    ),
    Hyperparameter(
        name="epochs",
        kind=Kind.WHOLE,
        rule=f"epochs must be from 1 to {MOST_EPOCHS:,}",
        holds=lambda value: value is None or _is_whole(value, 1, MOST_EPOCHS),
    ),
)
"""Every hyperparameter of a configuration, in the order in which their problems are told."""

STRUCTURE_TABLE = (
    Hyperparameter(
        name="depth",
        kind=Kind.WHOLE,
        rule=f"depth must be a whole number from 1 to {_MOST_LAYERS:,}",
        holds=lambda value: _is_whole(value, 1, _MOST_LAYERS),
    ),
    Hyperparameter(
        name="width",
        kind=Kind.WHOLE,
        rule=f"width must be a whole number from 1 to {_MOST_UNITS:,}",
        holds=lambda value: _is_whole(value, 1, _MOST_UNITS),
    ),
    Hyperparameter(name="taper", kind=Kind.FRACTION, rule="0 < taper <= 1 must hold", holds=_is_taper),
)
"""Parameters of a space that together stand for ``hidden_layers``: length, first width, each width's share of the last.

They have rows of their own, since no configuration has them.
"""


def names_of(kind: Kind, table: tuple[Hyperparameter, ...] = TABLE) -> tuple[str, ...]:
    """Return the names of the hyperparameters of a kind."""
    return tuple(row.name for row in table if row.kind is kind)
