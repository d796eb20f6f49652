"""The search space of a study, and the parameter values of its configurations."""

from __future__ import annotations

import itertools
from typing import Any

from results.record.manifest import DataFacts
from results.record.study import Study
from spaces import Configuration, SearchSpace


def space_of(study: Study) -> SearchSpace:
    """Return the search space with which the study was begun."""
    return study.settings.space


def plain_value(value: Any) -> Any:
    """Return a value for tables and other programs: widths as text such as ``128-16``, others unchanged."""
    return "-".join(str(item) for item in value) if isinstance(value, tuple) else value


def weight_count(configuration: Configuration, data: DataFacts) -> float:
    """Return the number of weights of a configuration's network on the data of a study."""
    widths = (data.inputs_under(configuration.encoding), *configuration.hidden_layers, len(data.genres))
    return float(sum(a * b for a, b in itertools.pairwise(widths)))
