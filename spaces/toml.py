"""A search space as TOML: a list of values, or a table of bounds, for each parameter."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from data.errors import InputError
from spaces.parameters import Choice, Parameter, Uniform, is_huge

_OPTIONAL = ("clip_norm", "patience", "epochs")
_BOUNDS = {"low": None, "high": None, "log": False}
_EXPECTED = (
    "expected {low = NUMBER, high = NUMBER, log = true or false} or {values = [...]}, each with an optional when"
)

Conditions = dict[str, tuple[Any, ...]]


def read_parameters(table: Mapping[str, Any]) -> tuple[dict[str, Parameter], dict[str, Conditions], list[str]]:
    """Parameters and conditions of a ``[parameters]`` table, and what is wrong with the others."""
    parameters: dict[str, Parameter] = {}
    conditions: dict[str, Conditions] = {}
    problems = []
    for name, value in table.items():
        try:
            parameters[name], when = _parameter(name, value)
            if when:
                conditions[name] = when
        except InputError as error:
            problems.append(f"{name}: {error}")
    return parameters, conditions, problems


def write_parameter(parameter: Parameter, conditions: Mapping[str, tuple[Any, ...]]) -> str:
    """The right side of a parameter's line."""
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
    """A plain value as TOML."""
    if value is None:
        return '"none"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, tuple | list):
        return "[" + ", ".join(write_value(item) for item in value) + "]"
    return repr(float(value) if isinstance(value, float) else value)


def _parameter(name: str, value: Any) -> tuple[Parameter, Conditions]:
    if not isinstance(value, dict):
        return _choice(name, value), {}
    table = dict(value)
    when = _when(table.pop("when", {}))
    if "values" in table:
        if table.keys() != {"values"}:
            raise InputError(f"{_EXPECTED}, but got {_keys(value)}")
        return _choice(name, table["values"]), when
    return _uniform(table), when


def _choice(name: str, value: Any) -> Choice:
    if not isinstance(value, list):
        return Choice((_plain(name, value),))
    if name == "hidden_layers" and value and not any(isinstance(item, list) for item in value):
        value = [value]
    return Choice(tuple(_plain(name, item) for item in value))


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
    """A TOML value as a configuration holds it: lists as tuples, ``"none"`` as ``None`` where that may be."""
    if isinstance(value, dict):
        raise InputError("expected plain values, but got a table within them")
    if isinstance(value, list):
        return tuple(_plain(name, item) for item in value)
    if is_huge(value):
        raise InputError("expected numbers below 2^63, but got a larger one")
    return None if value == "none" and name in _OPTIONAL else value
