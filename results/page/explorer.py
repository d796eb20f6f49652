"""The table of trials of the study page, and the two pictures that are linked to it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from results.page.views import Column, Explorer
from results.pictures.configurations import Configurations, value_text
from results.pictures.parallel_coordinates import ACCURACY, parallel_coordinates

_SCORES = {"best_epoch": None, "val_loss": 4, "val_f1": 4, "epochs": None, "seconds": 2}
"""Columns behind the accuracy, and their decimals."""


def explorer_of(studies: Sequence[Configurations]) -> Explorer:
    """Return every configuration of these studies in three linked views; those of several studies, by accuracy."""
    parallel = parallel_coordinates(studies)
    varying = [axis.name for axis in parallel.axes if axis.name not in ("study", ACCURACY)]
    columns = _columns(studies, varying)
    rows = [row for study in studies for row in _rows(columns, study)]
    curves = [curve for study in studies for curve in study.curves]
    accuracy = np.nan_to_num(parallel.accuracy, nan=-1.0)
    order = np.argsort(-accuracy, kind="stable") if len(studies) > 1 else np.arange(len(rows))
    return Explorer(
        columns=tuple(columns),
        rows=tuple(rows[row] for row in order),
        parallel=replace(parallel, positions=parallel.positions[order], accuracy=parallel.accuracy[order]),
        curves=tuple(curves[row] for row in order),
    )


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


def _rows(columns: Sequence[Column], study: Configurations) -> list[tuple[Any, ...]]:
    """Return the cells of each configuration of a study, ``None`` where there is no value."""
    return list(zip(*(_cells(column.name, study) for column in columns), strict=True))


def _cells(column: str, study: Configurations) -> Sequence[Any]:
    if column == "study":
        return [study.name] * len(study.trials)
    if column == "rank":
        return range(1, len(study.trials) + 1)
    if column in study.space.parameters:
        found = (point.get(column, _ABSENT) for point in study.values)
        return [None if value is _ABSENT else value if _is_number(value) else value_text(value) for value in found]
    if column not in study.trials:
        return [None] * len(study.trials)
    return [None if pd.isna(value) or value in _INFINITE else value for value in study.trials[column].tolist()]


_INFINITE = (math.inf, -math.inf)
"""Numbers that JSON has no word for."""
_ABSENT = object()
"""Stands for the value of a parameter that does not apply."""
