"""Search spaces as TOML: a list of values, or a table of bounds, for each parameter."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from data.errors import InputError
from spaces.parameters import Choice, Parameter, Uniform, is_huge

_OPTIONAL = ("clip_norm", "patience", "epochs")
_BOUNDS = {"low": None, "high": None, "log": False}
_EXPECTED = (
    "expected {low = NUMBER, high = NUMBER, log = true or false} or {values = [...]}, each with an optional when"
)

Conditions = dict[str, tuple[Any, ...]]


@dataclass(frozen=True)
class Table:
    """The readable content of a ``[parameters]`` table."""

    parameters: dict[str, Parameter] = field(default_factory=dict)
    conditions: dict[str, Conditions] = field(default_factory=dict)
    unclear: set[str] = field(default_factory=set)
    """Names with a condition that cannot be read."""
    problems: list[str] = field(default_factory=list)


def read_parameters(table: Mapping[str, Any]) -> Table:
    """Read parameters and conditions, with every problem of their notation."""
    found = Table()
    for name, value in table.items():
        rest = value
        if isinstance(value, dict) and "when" in value:
            rest = {key: item for key, item in value.items() if key != "when"}
            try:
                if when := _when(value["when"]):
                    found.conditions[name] = when
            except InputError as error:
                found.unclear.add(name)
                found.problems.append(f"{name}: {error}")
        try:
            found.parameters[name] = _parameter(name, rest)
        except _RepeatedError as error:
            found.parameters[name] = error.without
            found.problems.append(f"{name}: {error}")
        except InputError as error:
            found.problems.append(f"{name}: {error}")
    return found


def write_parameter(parameter: Parameter, conditions: Mapping[str, tuple[Any, ...]]) -> str:
    """Return the right side of a parameter's line."""
    if isinstance(parameter, Choice):
        parts = [] if not conditions else [f"values = {write_value(parameter.values)}"]
        if not parts:
            return write_value(parameter.values)
    else:
        parts = [f"{bound} = {write_value(getattr(parameter, bound))}" for bound in _BOUNDS]
    if conditions:
        listed = ", ".join(f"{name} = {write_value(values)}" for name, values in conditions.items())
        parts.append(f"when = {{{listed}}}")
    return "{" + ", ".join(parts) + "}"


def write_value(value: Any) -> str:
    """Return a plain value as TOML."""
    if value is None:
        return '"none"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, tuple | list):
        return "[" + ", ".join(write_value(item) for item in value) + "]"
    return repr(float(value) if isinstance(value, float) else value)


class _RepeatedError(InputError):
    """An error for a value that is listed twice: the others can still be checked."""

    def __init__(self, message: str, without: Choice) -> None:
        super().__init__(message)
        self.without = without


def _parameter(name: str, value: Any) -> Parameter:
    if not isinstance(value, dict):
        return _choice(name, value)
    if "values" not in value:
        return _uniform(value)
    if value.keys() != {"values"}:
        raise InputError(f"{_EXPECTED}, but got {_keys(value)}")
    return _choice(name, value["values"])


def _choice(name: str, value: Any) -> Choice:
    if not isinstance(value, list):
        return Choice((_plain(name, value),))
    if name == "hidden_layers" and value and not any(isinstance(item, list) for item in value):
        value = [_one_layer(value)]
    values = tuple(_plain(name, item) for item in value)
    try:
        return Choice(values)
    except InputError as error:
        if not values:
            raise
        raise _RepeatedError(str(error), Choice(tuple(dict.fromkeys(values)))) from error


def _one_layer(value: list[Any]) -> list[Any]:
    """Return a flat list of one width, which can only be one layer; ``InputError`` for more, which are ambiguous.

    Every other list of a space means choices.
    """
    if len(value) > 1:
        layers = ", ".join(map(str, value))
        networks = ", ".join(f"[{width}]" for width in value)
        raise InputError(
            f"hidden_layers takes a list of networks, each a list of widths, but got [{layers}]: write [[{layers}]] "
            f"for one network of {len(value)} layers, or [{networks}] for {len(value)} networks of one layer"
        )
    return value


def _when(table: Any) -> Conditions:
    if not isinstance(table, dict):
        raise InputError('when must be a table such as {optimizer = "sgd"}')
    return {name: _choice(name, value).values for name, value in table.items()}


def _uniform(table: Mapping[str, Any]) -> Uniform:
    low, high, log = (_plain("", table.get(key, default)) for key, default in _BOUNDS.items())
    numbers = all(isinstance(bound, int | float) and not isinstance(bound, bool) for bound in (low, high))
    if not numbers or not isinstance(log, bool) or not _BOUNDS.keys() >= table.keys():
        raise InputError(f"{_EXPECTED}, but got {_keys(table)}")
    return Uniform(float(low), float(high), log)


def _keys(table: Mapping[str, Any]) -> str:
    listed = ", ".join(f"{key} ({type(value).__name__})" for key, value in table.items())
    return f"a table with {listed or 'nothing'}"


def _plain(name: str, value: Any) -> Any:
    """Return a TOML value as a configuration holds it: lists as tuples, ``"none"`` as ``None`` where allowed."""
    if isinstance(value, dict):
        raise InputError("expected plain values, but got a table within them")
    if isinstance(value, list):
        return tuple(_plain(name, item) for item in value)
    if is_huge(value):
        raise InputError("expected numbers below 2^63, but got a larger one")
    return None if value == "none" and name in _OPTIONAL else value
