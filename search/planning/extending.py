"""Rows that an extended study has beyond those in its record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from results.record.records import TrialKey, TrialRecord
from results.record.settings import StudySettings
from search.planning.trials import pending_trials


@dataclass(frozen=True)
class Growth:
    """New rows of a study, and the places of those that it has."""

    rows: tuple[TrialRecord, ...] = ()
    positions: Mapping[TrialKey, int] = field(default_factory=dict)
    """Empty where none changes its place."""


def growth(settings: StudySettings, recorded: Sequence[TrialRecord], budget: int | None) -> Growth:
    """Return the rows by which a study of these, now larger, settings grows.

    A record that is part of what the settings bring from the start becomes just that. Another one, as of a version
    that drew otherwise, is followed by as many new rows as are missing. ``budget`` is that of an extended study.
    """
    known = {trial.key for trial in recorded}
    planned = [row if budget is None else replace(row, budget=budget) for row in pending_trials(settings)]
    fresh = [row for row in planned if row.key not in known]
    if settings.search != "optuna" and known <= {row.key for row in planned}:
        return Growth(tuple(fresh), {row.key: row.position for row in planned if row.key in known})
    if settings.search != "optuna":
        fresh = fresh[: max(0, len(planned) - len(recorded))]
    first = max((trial.position for trial in recorded), default=-1) + 1
    return Growth(tuple(replace(row, position=first + place) for place, row in enumerate(fresh)), {})


def extended_budget(settings: StudySettings, trials: Sequence[TrialRecord]) -> int | None:
    """Return the budget that a study was extended to; ``None`` where each configuration has the one it began with."""
    begun = [trial.configuration.epochs or settings.epochs for trial in trials]
    budgets = {trial.budget for trial in trials}
    return budgets.pop() if len(budgets) == 1 and any(own not in budgets for own in begun) else None
