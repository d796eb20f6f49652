"""The search space of a study, and where each of its configurations stands in it."""

from __future__ import annotations

from typing import Any

from results.record.study import Study
from spaces import SearchSpace


def space_of(study: Study) -> SearchSpace:
    """The search space that the study was begun with."""
    return SearchSpace.from_toml(study.settings.space, source=f"the space of {study.directory}")


def plain_value(value: Any) -> Any:
    """A value as tables and other programs take it: widths as text such as ``128-16``, the rest as it is."""
    return "-".join(str(item) for item in value) if isinstance(value, tuple) else value
