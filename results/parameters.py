"""The search space of a study, and where each of its configurations stands in it."""

from __future__ import annotations

from typing import Any

from results.study import Study
from spaces import Configuration, SearchSpace


def space_of(study: Study) -> SearchSpace:
    """The search space that the study was begun with."""
    return SearchSpace.from_toml(study.settings.space, source=f"the space of {study.directory}")


def active_values(space: SearchSpace, configuration: Configuration) -> dict[str, Any]:
    """The values of the parameters that are active in this configuration, by name."""
    return {name: getattr(configuration, name) for name in space.parameters}


def plain_value(value: Any) -> Any:
    """A value as tables and other programs take it: widths as text such as ``128-16``, the rest as it is."""
    return "-".join(str(item) for item in value) if isinstance(value, tuple) else value
