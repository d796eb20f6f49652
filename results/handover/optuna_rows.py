"""Trials written to an Optuna storage all at once: its own ``add_trials`` takes a query for each number of each trial.

The tables are those of Optuna's schema of version 12 (5.0), as the storage that it has made describes them.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from math import isnan
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial
    from sqlalchemy.engine import Engine

_Rows = dict[str, list[dict[str, Any]]]


def insert_trials(engine: Engine, study_id: int, trials: Iterable[FrozenTrial]) -> None:
    """Write the trials of a study that has none, in one transaction; their values are numbers, or none at all."""
    from sqlalchemy import MetaData

    tables = MetaData()
    tables.reflect(engine)
    rows = _rows(study_id, trials)
    with engine.begin() as connection:
        for name in ("trials", *(name for name in rows if name != "trials")):
            if rows[name]:
                connection.execute(tables.tables[name].insert(), rows[name])


def _rows(study_id: int, trials: Iterable[FrozenTrial]) -> _Rows:
    """Return the rows of each table, by its name; the ids of the trials are their places, from 1."""
    rows: _Rows = defaultdict(list)
    for number, trial in enumerate(trials):
        own = {"trial_id": number + 1}
        rows["trials"].append(
            own
            | {"number": number, "study_id": study_id, "state": trial.state.name}
            | {"datetime_start": _utc(trial.datetime_start), "datetime_complete": _utc(trial.datetime_complete)}
        )
        if trial.value is not None:
            rows["trial_values"].append(own | {"objective": 0, "value": trial.value, "value_type": "FINITE"})
        rows["trial_params"] += [own | row for row in _parameters(trial)]
        rows["trial_user_attributes"] += [
            own | {"key": key, "value_json": json.dumps(value)} for key, value in trial.user_attrs.items()
        ]
        rows["trial_intermediate_values"] += [
            own | {"step": step, **_intermediate(value)} for step, value in trial.intermediate_values.items()
        ]
    return rows


def _parameters(trial: FrozenTrial) -> Iterable[dict[str, Any]]:
    from optuna.distributions import distribution_to_json

    for name, value in trial.params.items():
        distribution = trial.distributions[name]
        yield {
            "param_name": name,
            "param_value": distribution.to_internal_repr(value),
            "distribution_json": distribution_to_json(distribution),
        }


def _intermediate(value: float) -> dict[str, Any]:
    """Return the columns of an epoch's value, which is not a number where the epoch diverged."""
    if isnan(value):
        return {"intermediate_value": None, "intermediate_value_type": "NAN"}
    return {"intermediate_value": value, "intermediate_value_type": "FINITE"}


def _utc(moment: datetime | None) -> datetime | None:
    """Return a local time as the storage keeps it: of UTC, without a zone."""
    return None if moment is None else moment.astimezone(UTC).replace(tzinfo=None)
