"""``SearchSpace``: named parameters, their number of points, and the way to TOML and back."""

from __future__ import annotations

import json
import math
import random
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from data.errors import InputError, did_you_mean
from spaces.configuration import HYPERPARAMETERS, Configuration

LARGEST_GRID = 100_000
_FUTILE_DRAWS = 1_000
"""Draws without a new configuration after which a space is taken to be exhausted."""
_OPTIONAL = ("clip_norm", "patience", "epochs")


@dataclass(frozen=True)
class Choice:
    """A parameter that takes one of a few values."""

    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(tuple(v) if isinstance(v, list) else v for v in self.values))
        if not self.values:
            raise InputError("a choice needs at least one value, but got none")
        try:
            different = len(set(self.values)) == len(self.values)
        except TypeError as error:
            raise InputError(f"the values of a choice must be plain, but got {list(self.values)}") from error
        if not different:
            raise InputError(f"the values of a choice must differ, but got {list(self.values)}")

    def sample(self, rng: random.Random) -> Any:
        """One value, each as likely."""
        return rng.choice(self.values)


@dataclass(frozen=True)
class Uniform:
    """A parameter between two bounds, uniform or (``log``) uniform in its logarithm."""

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            bound = getattr(self, name)
            if isinstance(bound, bool) or not isinstance(bound, int | float) or _is_huge(bound):
                raise InputError(f"{name} must be a number below 2^63 in size, but got a {type(bound).__name__}")
            object.__setattr__(self, name, float(bound))
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low <= self.high):
            raise InputError(f"low <= high must hold, but got (low={self.low}, high={self.high})")
        if self.log and self.low <= 0:
            raise InputError(f"low > 0 must hold on a log scale, but got (low={self.low}, high={self.high})")

    def sample(self, rng: random.Random) -> float:
        """One value between the bounds."""
        if self.log:
            value = math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
        else:
            value = rng.uniform(self.low, self.high)
        return min(self.high, max(self.low, value))


Parameter = Choice | Uniform


@dataclass(frozen=True)
class SearchSpace:
    """Named parameters over the hyperparameters of ``Configuration``; the rest keep their defaults.

    A space of choices alone is a grid: it has a ``size`` and can be listed. A space with a ``Uniform`` can
    only be sampled. Raises ``InputError`` for unknown names and for values that no configuration may have.
    """

    name: str
    parameters: Mapping[str, Parameter]

    def __post_init__(self) -> None:
        problems = [*_name_problems(self.parameters), *_value_problems(self.parameters)]
        if problems:
            raise InputError(f"the space {self.name!r} is not valid:\n{_listed(problems)}")

    @property
    def is_grid(self) -> bool:
        """True where every parameter is a choice, so that the space can be listed."""
        return all(isinstance(parameter, Choice) for parameter in self.parameters.values())

    @property
    def size(self) -> int | None:
        """Number of points of a grid; ``None`` for a space with a continuous parameter."""
        if not self.is_grid:
            return None
        return math.prod(len(p.values) for p in self.parameters.values() if isinstance(p, Choice))

    def configurations(self) -> tuple[Configuration, ...]:
        """Every point of a grid, the last parameter changing fastest.

        Raises ``InputError`` for a space that is no grid, or one with more than ``LARGEST_GRID`` points.
        """
        if self.size is None:
            raise InputError(f"the space {self.name!r} has continuous parameters: it can be sampled, not listed")
        if self.size > LARGEST_GRID:
            raise InputError(
                f"the grid {self.name!r} has {self.size:,} points; at most {LARGEST_GRID:,} can be listed: "
                "sample it with --search random --trials N"
            )
        return self._points

    @cached_property
    def _points(self) -> tuple[Configuration, ...]:
        return tuple(self._point(index) for index in range(self.size or 0))

    def _point(self, index: int) -> Configuration:
        """Point ``index`` of a grid."""
        point = {}
        for name, parameter in reversed(list(self.parameters.items())):
            if isinstance(parameter, Choice):
                index, position = divmod(index, len(parameter.values))
                point[name] = parameter.values[position]
        return Configuration.from_mapping(point)

    def configuration(self, config_id: str) -> Configuration:
        """The point of a grid that has this id; ``InputError`` where none has."""
        if config_id not in self._by_id:
            raise InputError(f"the space {self.name!r} has no configuration {config_id!r}")
        return self._by_id[config_id]

    @cached_property
    def _by_id(self) -> dict[str, Configuration]:
        return {configuration.config_id: configuration for configuration in self.configurations()}

    def sample(self, count: int, seed: int) -> tuple[Configuration, ...]:
        """``count`` different random configurations, the same for the same seed.

        Raises ``InputError`` where the space has fewer points than asked for.
        """
        if count < 1:
            raise InputError(f"--trials must be at least 1, but got {count}")
        if self.size is not None and count > self.size:
            raise InputError(f"the grid {self.name!r} has {self.size:,} points, fewer than --trials {count:,}")
        rng = random.Random(seed)
        if self.size is not None and self.size <= sys.maxsize:
            return tuple(self._point(index) for index in rng.sample(range(self.size), count))
        return self._drawn(count, rng)

    def _drawn(self, count: int, rng: random.Random) -> tuple[Configuration, ...]:
        """Different configurations drawn one by one."""
        drawn: dict[str, Configuration] = {}
        futile = 0
        while len(drawn) < count and futile < _FUTILE_DRAWS:
            point = {name: parameter.sample(rng) for name, parameter in self.parameters.items()}
            configuration = Configuration.from_mapping(point)
            futile = futile + 1 if configuration.config_id in drawn else 0
            drawn.setdefault(configuration.config_id, configuration)
        if len(drawn) < count:
            raise InputError(
                f"the space {self.name!r} seems to have {len(drawn):,} points, fewer than --trials {count:,}"
            )
        return tuple(drawn.values())

    def to_toml(self) -> str:
        """The space as TOML that ``from_toml`` reads back."""
        lines = [f"name = {_toml(self.name)}", "", "[parameters]"]
        lines += [f"{name} = {_parameter_toml(parameter)}" for name, parameter in self.parameters.items()]
        return "\n".join(lines) + "\n"

    @classmethod
    def from_toml(cls, text: str, source: str = "the space") -> SearchSpace:
        """A space from TOML: ``name`` and ``[parameters]``, each a list of values or ``{low, high, log}``.

        ``"none"`` stands for the absent ``clip_norm``, ``patience`` or ``epochs``. Raises ``InputError`` with
        every mistake of the text.
        """
        try:
            document = tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{source} is not valid TOML: {error}") from error
        name, table = document.get("name", Path(source).stem), document.get("parameters")
        problems = [
            f"unknown key {key!r}{did_you_mean(key, ('name', 'parameters'))}"
            for key in document
            if key not in ("name", "parameters")
        ]
        if not isinstance(name, str) or not name:
            problems.append("name must be text of at least one letter")
        if not isinstance(table, dict):
            problems.append("a table [parameters] must hold the choices, but there is none")
            raise InputError(f"{source} is not valid:\n{_listed(problems)}")
        parameters, found = _parameters(table)
        problems += [*found, *_name_problems(table), *_value_problems(parameters)]
        if problems:
            raise InputError(f"{source} is not valid:\n{_listed(problems)}")
        return cls(name, parameters)


def _listed(problems: Iterable[str]) -> str:
    return "\n".join(f"  - {problem}" for problem in problems)


def _name_problems(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        if name not in HYPERPARAMETERS:
            yield f"unknown parameter {name!r}{did_you_mean(name, HYPERPARAMETERS)}"
    if "hidden_layers" not in names:
        yield "hidden_layers is missing, for example hidden_layers = [[64, 32], [128, 16]]"


def _value_problems(parameters: Mapping[str, Parameter]) -> Iterator[str]:
    for name, parameter in parameters.items():
        if name not in HYPERPARAMETERS:
            continue
        if not isinstance(parameter, Choice | Uniform):
            yield f"{name} must be a Choice or a Uniform, but got {parameter!r}"
            continue
        values = parameter.values if isinstance(parameter, Choice) else (parameter.low, parameter.high)
        for value in values:
            try:
                Configuration.from_mapping({"hidden_layers": (16,), name: value})
            except InputError as error:
                yield str(error).partition("\n  - ")[2]


def _parameters(table: Mapping[str, Any]) -> tuple[dict[str, Parameter], list[str]]:
    """The parameters of a TOML table, and what is wrong with the others."""
    parameters, problems = {}, []
    for name, value in table.items():
        try:
            parameters[name] = _parameter(name, value)
        except InputError as error:
            problems.append(f"{name}: {error}")
    return parameters, problems


def _parameter(name: str, value: Any) -> Parameter:
    if isinstance(value, dict):
        return _uniform(value)
    if not isinstance(value, list):
        return Choice((_plain(name, value),))
    if name == "hidden_layers" and value and not any(isinstance(item, list) for item in value):
        value = [value]
    return Choice(tuple(_plain(name, item) for item in value))


def _uniform(table: Mapping[str, Any]) -> Uniform:
    low, high, log = (_plain("", table.get(key, default)) for key, default in _BOUNDS.items())
    numbers = all(isinstance(bound, int | float) and not isinstance(bound, bool) for bound in (low, high))
    if not numbers or not isinstance(log, bool) or not _BOUNDS.keys() >= table.keys():
        raise InputError(
            "expected {low = NUMBER, high = NUMBER, log = true or false}, but got a table with "
            + (", ".join(f"{key} ({type(value).__name__})" for key, value in table.items()) or "nothing")
        )
    return Uniform(float(low), float(high), log)


_BOUNDS = {"low": None, "high": None, "log": False}


def _plain(name: str, value: Any) -> Any:
    """A TOML value as a configuration holds it: lists as tuples, ``"none"`` as ``None`` where that may be."""
    if isinstance(value, dict):
        raise InputError("expected plain values, but got a table within them")
    if isinstance(value, list):
        return tuple(_plain(name, item) for item in value)
    if _is_huge(value):
        raise InputError("expected numbers below 2^63, but got a larger one")
    return None if value == "none" and name in _OPTIONAL else value


def _is_huge(value: Any) -> bool:
    """True for whole numbers that a float or a tensor may not hold, and that may be too long to print."""
    return isinstance(value, int) and abs(value) >= 2**63


def _parameter_toml(parameter: Parameter) -> str:
    if isinstance(parameter, Choice):
        return _toml(parameter.values)
    return f"{{low = {_toml(parameter.low)}, high = {_toml(parameter.high)}, log = {_toml(parameter.log)}}}"


def _toml(value: Any) -> str:
    if value is None:
        return '"none"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return repr(float(value) if isinstance(value, float) else value)
