"""``SearchSpace``: named parameters, their conditions, their number of points, and conversion to and from TOML."""

from __future__ import annotations

import math
import random
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from data.errors import InputError, did_you_mean
from spaces.checks import space_problems
from spaces.configuration import DEFAULTS, HYPERPARAMETERS, Configuration
from spaces.parameters import Choice, Parameter, Point
from spaces.structure import STRUCTURE, structure_of, structured
from spaces.toml import read_parameters, write_parameter, write_value

LARGEST_GRID = 100_000
_FUTILE_DRAWS = 1_000
"""Draws without a new configuration after which a space is taken to be exhausted."""


@dataclass(frozen=True)
class SearchSpace:
    """Named parameters over the hyperparameters of ``Configuration``; the rest keep their defaults.

    ``depth``, ``width`` and ``taper`` may stand for ``hidden_layers``. ``conditions[name]`` gives the values of
    earlier parameters for which a parameter applies; elsewhere its hyperparameter keeps its default. A space of
    choices alone is a grid, which can be listed. A space with a ``Uniform`` can only be sampled. Raises
    ``InputError`` for unknown names and for values that no configuration may have.
    """

    name: str
    parameters: Mapping[str, Parameter]
    conditions: Mapping[str, Mapping[str, tuple[Any, ...]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        problems = space_problems(self.parameters, self.parameters, self.conditions)
        if problems:
            raise InputError(f"the space {self.name!r} is not valid:\n{_listed(problems)}")

    @property
    def is_grid(self) -> bool:
        """True where every parameter is a choice, so that the space can be listed."""
        return all(isinstance(parameter, Choice) for parameter in self.parameters.values())

    @cached_property
    def size(self) -> int | None:
        """Number of points of a grid; ``None`` for a space with a continuous parameter.

        An upper bound for a grid with conditions or structure that is too large to list.
        """
        if not self.is_grid:
            return None
        points = math.prod(len(p.values) for p in self.parameters.values() if isinstance(p, Choice))
        if self._plain:
            return points
        listed = sum(1 for _ in islice(self._listing(), LARGEST_GRID + 1))
        return len(self._points) if listed <= LARGEST_GRID else points

    @property
    def _plain(self) -> bool:
        """True where different values always make different networks."""
        return not self.conditions and not set(STRUCTURE) & set(self.parameters)

    def configurations(self) -> tuple[Configuration, ...]:
        """Return every point of a grid, the last parameter changing fastest.

        Raises ``InputError`` for a space that is not a grid, or has more than ``LARGEST_GRID`` points.
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
        points = (Configuration.from_mapping(structured(point)) for point in self._listing())
        return tuple({point.config_id: point for point in points}.values())

    def _listing(self) -> Iterator[dict[str, Any]]:
        """Return an iterator over the values of every point of a grid."""
        points: Iterator[dict[str, Any]] = iter([{}])
        for name, parameter in self.parameters.items():
            assert isinstance(parameter, Choice)
            points = self._extended(points, name, parameter.values)
        return points

    def _extended(self, points: Iterator[dict[str, Any]], name: str, values: tuple[Any, ...]) -> Iterator[dict]:
        for point in points:
            if self._applies(name, point):
                yield from ({**point, name: value} for value in values)
            else:
                yield point

    def configuration(self, config_id: str) -> Configuration:
        """Return the point of a grid with this id; ``InputError`` where there is none."""
        if config_id not in self._by_id:
            raise InputError(f"the space {self.name!r} has no configuration {config_id!r}")
        return self._by_id[config_id]

    @cached_property
    def _by_id(self) -> dict[str, Configuration]:
        return {configuration.config_id: configuration for configuration in self.configurations()}

    def build(self, choose: Callable[[str, Parameter], Any]) -> Configuration:
        """Build the point that ``choose`` picks, called in order for each parameter that applies."""
        point: dict[str, Any] = {}
        for name, parameter in self.parameters.items():
            if self._applies(name, point):
                point[name] = choose(name, parameter)
        return Configuration.from_mapping(structured(point))

    def values(self, configuration: Configuration) -> Point:
        """Return the value of each parameter that applies to a point of this space, the inverse of ``build``."""
        known = {name: getattr(configuration, name) for name in HYPERPARAMETERS}
        known |= structure_of(configuration.hidden_layers)
        point: dict[str, Any] = {}
        for name in self.parameters:
            if name in known and self._applies(name, point):
                point[name] = known[name]
        if "taper" in point:
            point["taper"] = _nearest(self.parameters["taper"], point["taper"])  # widths are rounded
        return point

    def choices(self, name: str) -> tuple[Any, ...]:
        """Return the values that a hyperparameter without a range may take, with its default where it may not apply."""
        parameter = self.parameters.get(name, Choice((DEFAULTS[name],)))
        assert isinstance(parameter, Choice)
        elsewhere = (DEFAULTS[name],) if name in self.conditions else ()
        return tuple(dict.fromkeys((*parameter.values, *elsewhere)))

    def _applies(self, name: str, point: Mapping[str, Any]) -> bool:
        return all(other in point and point[other] in values for other, values in self.conditions.get(name, {}).items())

    def sample(self, count: int, seed: int) -> tuple[Configuration, ...]:
        """Draw ``count`` different random configurations, the same for the same seed; a larger sample begins with them.

        Raises ``InputError`` where the space has fewer points.
        """
        if count < 1:
            raise InputError(f"--trials must be at least 1, but got {count}")
        if self.size is not None and count > self.size:
            raise InputError(f"the grid {self.name!r} has {self.size:,} points, fewer than --trials {count:,}")
        rng = random.Random(seed)
        if self.size is not None and self.size <= sys.maxsize and self._plain:
            return tuple(self._point(index) for index in _shuffled(self.size, count, rng))
        return self._drawn(count, rng)

    def _point(self, index: int) -> Configuration:
        """Return point ``index`` of a grid without conditions or structure."""
        point = {}
        for name, parameter in reversed(list(self.parameters.items())):
            if isinstance(parameter, Choice):
                index, position = divmod(index, len(parameter.values))
                point[name] = parameter.values[position]
        return Configuration.from_mapping(point)

    def _drawn(self, count: int, rng: random.Random) -> tuple[Configuration, ...]:
        """Draw different configurations one by one."""
        drawn: dict[str, Configuration] = {}
        futile = 0
        while len(drawn) < count and futile < _FUTILE_DRAWS:
            configuration = self.build(lambda name, parameter: parameter.sample(rng))
            futile = futile + 1 if configuration.config_id in drawn else 0
            drawn.setdefault(configuration.config_id, configuration)
        if len(drawn) < count:
            raise InputError(
                f"the space {self.name!r} seems to have {len(drawn):,} points, fewer than --trials {count:,}"
            )
        return tuple(drawn.values())

    def to_toml(self) -> str:
        """Return the space as TOML that ``from_toml`` reads back."""
        lines = [f"name = {write_value(self.name)}", "", "[parameters]"]
        for name, parameter in self.parameters.items():
            lines.append(f"{name} = {write_parameter(parameter, self.conditions.get(name, {}))}")
        return "\n".join(lines) + "\n"

    @classmethod
    def from_toml(cls, text: str, source: str = "the space") -> SearchSpace:
        """Read a space from TOML: ``name`` and ``[parameters]``, each a list of values or ``{low, high, log}``.

        ``{values = [...], when = {optimizer = "sgd"}}`` is a parameter with a condition. ``"none"`` stands for an
        absent ``clip_norm``, ``patience`` or ``epochs``. Raises ``InputError`` with every mistake in the text.
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
            if not any("'parameters'?" in problem for problem in problems):  # a name misspelt is one mistake
                problems.append("a table [parameters] must hold the choices, but there is none")
            raise InputError(f"{source} is not valid:\n{_listed(problems)}")
        read = read_parameters(table)
        problems += [*read.problems, *space_problems(table, read.parameters, read.conditions, read.unclear)]
        if problems:
            raise InputError(f"{source} is not valid:\n{_listed(problems)}")
        return cls(name, read.parameters, read.conditions)


def _shuffled(size: int, count: int, rng: random.Random) -> Iterator[int]:
    """Yield ``count`` different indices below ``size``; more of them begin with the same.

    ``random.sample`` draws in another way once it is asked for many.
    """
    moved: dict[int, int] = {}
    for place in range(count):
        other = rng.randrange(place, size)
        yield moved.get(other, other)
        moved[other] = moved.pop(place, place)


def _listed(problems: Iterable[str]) -> str:
    return "\n".join(f"  - {problem}" for problem in problems)


def _nearest(parameter: Parameter, value: float) -> Any:
    if isinstance(parameter, Choice):
        return min(parameter.values, key=lambda choice: abs(choice - value))
    return min(parameter.high, max(parameter.low, value))
