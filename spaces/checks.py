"""Checks of a search space, which report all problems at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain, islice, product
from typing import Any

from data.errors import InputError, did_you_mean
from spaces.configuration import HYPERPARAMETERS, Configuration
from spaces.hyperparameters import STRUCTURE_TABLE, TABLE, Kind, names_of
from spaces.parameters import Choice, Parameter, Uniform
from spaces.structure import STRUCTURE, check_structure

PARAMETERS = (*HYPERPARAMETERS, *STRUCTURE)
"""Names that a space may use."""
_RANGES = (*names_of(Kind.FRACTION), *names_of(Kind.FRACTION, STRUCTURE_TABLE))
"""Names that may take any value between two bounds."""
_MOST_WAYS = 100
"""Most ways to meet a condition that are checked; all texts that a configuration may have give 72."""

_COMPATIBLE = {row.name: row.neutral for row in TABLE if row.neutral is not None}
"""Values that go with any other hyperparameter, so that only its own values are judged."""

Conditions = Mapping[str, Mapping[str, tuple[Any, ...]]]


def space_problems(
    names: Iterable[str], parameters: Mapping[str, Parameter], conditions: Conditions, unclear: Collection[str] = ()
) -> list[str]:
    """Return every problem of names, conditions and values, each mistake once.

    ``names`` are all names given, ``parameters`` those that can be read, ``unclear`` those with a condition that
    cannot be read.
    """
    names = list(names)
    of_conditions = {name: list(_condition_problems(name, names, parameters, conditions[name])) for name in conditions}
    known = {name: parameter for name, parameter in parameters.items() if name in PARAMETERS}
    # combinations with a value cannot be checked where its condition is wrong
    sound = {
        name
        for name in known
        if name not in unclear and {*conditions.get(name, {})} <= {*PARAMETERS} and not of_conditions.get(name)
    }
    found = [*_name_problems(names), *chain.from_iterable(of_conditions.values())]
    return list(dict.fromkeys([*found, *_value_problems(known, conditions, sound)]))


def _name_problems(names: list[str]) -> Iterator[str]:
    meant = set()
    for name in names:
        if name not in PARAMETERS:
            hint = did_you_mean(name, [known for known in PARAMETERS if known not in names])
            meant |= {known for known in PARAMETERS if repr(known) in hint}
            yield f"unknown parameter {name!r}{hint}"
    structure = [name for name in STRUCTURE if name in names]
    if "hidden_layers" in names and structure:
        yield f"hidden_layers and {', '.join(structure)} exclude each other"
    elif "hidden_layers" in {*names, *meant} or {"depth", "width"} <= {*names, *meant}:
        return
    elif structure:
        lacking = [name for name in ("depth", "width") if name not in names]
        yield f"{' and '.join(lacking)} must be given beside {' and '.join(structure)}"
    else:
        yield "hidden_layers is missing, for example hidden_layers = [[64, 32], [128, 16]], or else depth and width"


def _condition_problems(
    name: str, names: list[str], parameters: Mapping[str, Parameter], when: Mapping[str, tuple[Any, ...]]
) -> Iterator[str]:
    """Yield the problems of a condition.

    It must name earlier choices and values that they have; parameters that every network needs have no condition.
    """
    if name in ("hidden_layers", "depth", "width") or name not in names:
        yield f"{name} cannot have a condition"
        return
    earlier = names[: names.index(name)]
    for other, values in when.items():
        parameter = parameters.get(other)
        if other not in earlier or isinstance(parameter, Uniform):
            hint = "" if other in names else did_you_mean(other, earlier)
            yield f"{name}: when must name choices that stand before it, but got {other!r}{hint}"
        elif isinstance(parameter, Choice) and (lacking := [v for v in values if v not in parameter.values]):
            yield f"{name}: {other} never is {', '.join(map(repr, lacking))}"


def _value_problems(
    parameters: Mapping[str, Parameter], conditions: Conditions, sound: Collection[str]
) -> Iterator[str]:
    for name, parameter in parameters.items():
        if not isinstance(parameter, Choice | Uniform):
            yield f"{name} must be a Choice or a Uniform, but got {parameter!r}"
            continue
        if isinstance(parameter, Uniform) and name not in _RANGES:
            yield f"{name} must be a list of values, but got a range"
            continue
        for value in parameter.values if isinstance(parameter, Choice) else (parameter.low, parameter.high):
            own = _own_problems(name, value)
            yield from own
            if own or name not in sound or name in STRUCTURE:
                continue
            for beside in _beside(name, parameters, conditions):
                yield from _configuration_problems({**beside, name: value})


def _own_problems(name: str, value: Any) -> list[str]:
    """Return the problems that a value has whatever the other values are."""
    if name not in STRUCTURE:
        return _configuration_problems({**_COMPATIBLE, name: value})
    try:
        check_structure(name, value)
    except InputError as error:
        return [str(error)]
    return []


def _configuration_problems(values: Mapping[str, Any]) -> list[str]:
    try:
        Configuration.from_mapping({"hidden_layers": (16,), **values})
    except InputError as error:
        return str(error).split("\n  - ")[1:] or [str(error)]
    return []


def _beside(name: str, parameters: Mapping[str, Parameter], conditions: Conditions) -> Iterator[dict[str, Any]]:
    """Yield the other values to check a value with: names that have only one value, and each way to meet its condition.

    Values that are wrong themselves are replaced by values that go with everything.
    """
    fixed = {other: p.values for other, p in parameters.items() if isinstance(p, Choice) and len(p.values) == 1}
    known: dict[str, tuple[Any, ...]] = {other: values for other, values in fixed.items() if isinstance(values[0], str)}
    # no number excludes another hyperparameter: only texts need be combined, and few are known
    known |= {
        other: tuple(value for value in values if isinstance(value, str)) or values[:1]
        for other, values in conditions.get(name, {}).items()
        if other in HYPERPARAMETERS
    }
    for values in islice(product(*known.values()), _MOST_WAYS):
        beside = dict(zip(known, values, strict=True))
        wrong = {other for other, value in beside.items() if _own_problems(other, value)}
        sound = {other: value for other, value in beside.items() if other not in wrong}
        yield sound | {other: value for other, value in _COMPATIBLE.items() if other in wrong}
