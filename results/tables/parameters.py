"""The search space of a study, and the parameter values of its configurations."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from results.record.study import Study
from spaces import Configuration, SearchSpace


def space_of(study: Study) -> SearchSpace:
    """Return the search space with which the study was begun."""
    return SearchSpace.from_toml(study.settings.space, source=f"the space of {study.directory}")


def plain_value(value: Any) -> Any:
    """Return a value for tables and other programs: widths as text such as ``128-16``, others unchanged."""
    return "-".join(str(item) for item in value) if isinstance(value, tuple) else value


def weight_count(configuration: Configuration, data: Mapping[str, Any]) -> float:
    """Return the number of weights of a network on these data, which are described as in the manifest."""
    inputs = data.get("input_sizes", {}).get(configuration.encoding, len(data["inputs"]))
    widths = (inputs, *configuration.hidden_layers, len(data["genres"]))
    return float(sum(a * b for a, b in itertools.pairwise(widths)))
