"""The table of trials of the study page, and the two pictures that are linked to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from results.page.payload import Column, Explorer
from results.pictures.configurations import Configurations, value_text
from results.pictures.learning_curves import learning_curves
from results.pictures.parallel_coordinates import ACCURACY, parallel_coordinates
from spaces import Point

_SCORES = {"best_epoch": None, "val_loss": 4, "val_f1": 4, "epochs": None, "seconds": 2}
"""Columns behind the accuracy, and their decimals."""


def explorer_of(studies: Sequence[Configurations]) -> Explorer:
    """Return every configuration of these studies in three linked views."""
    parallel = parallel_coordinates(studies)
    varying = [axis.name for axis in parallel.axes if axis.name not in ("study", ACCURACY)]
    columns, rows, names = _columns(studies, varying), [], []
    for study in studies:
        for place, (trial, point) in enumerate(zip(study.trials.to_dict("records"), study.values, strict=True)):
            rows.append([_value(column.name, study, place + 1, trial, point) for column in columns])
            names.append(_name(study, trial, several=len(studies) > 1))
    return Explorer.of(columns, rows, names, parallel, learning_curves(studies))


def _columns(studies: Sequence[Configurations], varying: Sequence[str]) -> list[Column]:
    """Return the columns: the rank, the accuracy, the parameters that vary, the other scores, and the identity."""
    points = [point for study in studies for point in study.values]
    numbers = {name for name in varying if all(_is_number(point[name]) for point in points if name in point)}
    return [
        *([Column(name="study", numeric=False)] if len(studies) > 1 else []),
        Column(name="rank", numeric=True),
        Column(name=ACCURACY, numeric=True, decimals=4),
        *(Column(name=name, numeric=name in numbers) for name in varying),
        *([] if "hidden_layers" in varying else [Column(name="hidden_layers", numeric=False)]),
        *(Column(name=name, numeric=True, decimals=decimals) for name, decimals in _SCORES.items()),
        Column(name="state", numeric=False),
        *([Column(name="seed", numeric=True)] if any(study.settings.repeats > 1 for study in studies) else []),
        Column(name="config_id", numeric=False),
        *([Column(name="reason", numeric=False)] if any(s.trials["reason"].notna().any() for s in studies) else []),
    ]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _value(column: str, study: Configurations, rank: int, trial: Mapping[Any, Any], point: Point) -> Any:
    if column in ("study", "rank"):
        return study.name if column == "study" else rank
    if column in point:
        value = point[column]
        return value if _is_number(value) else value_text(value)
    if column in study.space.parameters:  # it does not apply
        return None
    return trial.get(column)


def _name(study: Configurations, trial: Mapping[Any, Any], *, several: bool) -> str:
    repeat = f", seed {trial['seed']}" if study.settings.repeats > 1 else ""
    return f"{trial['config_id']}{repeat}{f' of {study.name}' if several else ''}"
