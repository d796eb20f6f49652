"""The search space of a study, and the parameter values of its configurations."""

from __future__ import annotations

from typing import Any

from results.record.study import Study
from spaces import SearchSpace


def space_of(study: Study) -> SearchSpace:
    """Return the search space with which the study was begun."""
    return SearchSpace.from_toml(study.settings.space, source=f"the space of {study.directory}")


def plain_value(value: Any) -> Any:
    """Return a value for tables and other programs: widths as text such as ``128-16``, others unchanged."""
    return "-".join(str(item) for item in value) if isinstance(value, tuple) else value
