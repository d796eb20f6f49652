"""``SearchSpace``: named parameters, their number of points, and the way to TOML and back."""

from __future__ import annotations

import itertools
import math
import random
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from data.errors import InputError, did_you_mean
from spaces.configuration import HYPERPARAMETERS, Configuration

LARGEST_GRID = 100_000


@dataclass(frozen=True)
class Choice:
    """A parameter that takes one of a few values."""

    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise InputError("a choice needs at least one value, but got none")
        if len(set(self.values)) < len(self.values):
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
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low <= self.high):
            raise InputError(f"low <= high must hold, but got (low={self.low}, high={self.high})")
        if self.log and self.low <= 0:
            raise InputError(f"low > 0 must hold on a log scale, but got (low={self.low}, high={self.high})")

    def sample(self, rng: random.Random) -> float:
        """One value between the bounds."""
        if self.log:
            return min(self.high, max(self.low, math.exp(rng.uniform(math.log(self.low), math.log(self.high)))))
        return rng.uniform(self.low, self.high)


Parameter = Choice | Uniform


@dataclass(frozen=True)
class SearchSpace:
    """Named parameters over the hyperparameters of ``Configuration``; the rest keep their defaults.

    A space of choices alone is a grid: it has a ``size`` and can be listed. A space with a ``Uniform`` can only be
    sampled. Raises ``InputError`` for unknown names and for values that no configuration may have.
    """

    name: str
    parameters: Mapping[str, Parameter]

    def __post_init__(self) -> None:
        problems = [
            f"unknown parameter {name!r}{did_you_mean(name, HYPERPARAMETERS)}"
            for name in self.parameters
            if name not in HYPERPARAMETERS
        ]
        if "hidden_layers" not in self.parameters:
            problems.append("hidden_layers is missing, for example hidden_layers = [[64, 32], [128, 16]]")
        if not problems:
            problems = list(self._value_problems())
        if problems:
            listed = "\n".join(f"  - {problem}" for problem in problems)
            raise InputError(f"the space {self.name!r} is not valid:\n{listed}")

    def _value_problems(self) -> Iterator[str]:
        valid = {"hidden_layers": (16,)}
        for name, parameter in self.parameters.items():
            values = parameter.values if isinstance(parameter, Choice) else (parameter.low, parameter.high)
            for value in values:
                try:
                    Configuration.from_mapping({**valid, name: value})
                except (InputError, TypeError) as error:
                    yield str(error).rpartition("- ")[2]

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
        return self._listed

    @cached_property
    def _listed(self) -> tuple[Configuration, ...]:
        names = list(self.parameters)
        columns = [p.values for p in self.parameters.values() if isinstance(p, Choice)]
        return tuple(
            Configuration(**dict(zip(names, point, strict=True))) for point in itertools.product(*columns)
        )

    def configuration(self, config_id: str) -> Configuration:
        """The point of a grid that has this id; ``InputError`` where none has."""
        for configuration in self.configurations():
            if configuration.config_id == config_id:
                return configuration
        raise InputError(f"the space {self.name!r} has no configuration {config_id!r}")

    def sample(self, count: int, seed: int) -> tuple[Configuration, ...]:
        """``count`` different random configurations, the same for the same seed.

        Raises ``InputError`` where a grid has fewer points than asked for.
        """
        if self.size is not None and count > self.size:
            raise InputError(f"the grid {self.name!r} has {self.size:,} points, fewer than --trials {count:,}")
        rng = random.Random(seed)
        if self.size is not None and self.size <= LARGEST_GRID:
            return tuple(rng.sample(self.configurations(), count))
        drawn: dict[str, Configuration] = {}
        while len(drawn) < count:
            point = {name: parameter.sample(rng) for name, parameter in self.parameters.items()}
            configuration = Configuration(**point)
            drawn.setdefault(configuration.config_id, configuration)
        return tuple(drawn.values())

    def to_toml(self) -> str:
        """The space as TOML that ``from_toml`` reads back."""
        lines = [f"name = {_toml(self.name)}", "", "[parameters]"]
        lines += [f"{name} = {_parameter_toml(parameter)}" for name, parameter in self.parameters.items()]
        return "\n".join(lines) + "\n"

    @classmethod
    def from_toml(cls, text: str, source: str = "the space") -> SearchSpace:
        """A space from TOML: ``name`` and ``[parameters]``, each a list of values or ``{low, high, log}``."""
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise InputError(f"{source} is not valid TOML: {error}") from error
        unknown = [key for key in document if key not in ("name", "parameters")]
        if unknown or not isinstance(document.get("parameters"), dict):
            raise InputError(
                f"{source} must hold `name` and a table [parameters], but holds {', '.join(document) or 'nothing'}"
            )
        parameters = {}
        problems = []
        for name, value in document["parameters"].items():
            try:
                parameters[name] = _parameter(name, value)
            except InputError as error:
                problems.append(f"  - {name}: {error}")
        if problems:
            raise InputError(f"{source} is not valid:\n" + "\n".join(problems))
        return cls(str(document.get("name", Path(source).stem)), parameters)


def _parameter(name: str, value: Any) -> Parameter:
    if isinstance(value, list):
        if name == "hidden_layers" and value and not isinstance(value[0], list):
            value = [value]
        return Choice(tuple(tuple(v) if isinstance(v, list) else _no_table(v) for v in value))
    if isinstance(value, dict):
        unknown = [key for key in value if key not in ("low", "high", "log")]
        bounds = [value.get("low"), value.get("high")]
        if unknown or not all(isinstance(b, int | float) and not isinstance(b, bool) for b in bounds):
            raise InputError(f"expected {{low = ..., high = ..., log = true or false}}, but got {value}")
        return Uniform(float(bounds[0]), float(bounds[1]), bool(value.get("log", False)))  # type: ignore[arg-type]
    return Choice((value,))


def _no_table(value: Any) -> Any:
    if isinstance(value, dict):
        raise InputError(f"expected plain values in the list, but got the table {value}")
    return value


def _parameter_toml(parameter: Parameter) -> str:
    if isinstance(parameter, Choice):
        return _toml(parameter.values)
    return f"{{low = {parameter.low!r}, high = {parameter.high!r}, log = {_toml(parameter.log)}}}"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return repr(value)
