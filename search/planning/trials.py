"""From a search's settings to the rows of its record, and the checks of the settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import InputError
from data.files import absolute_path
from data.object_stores import checked_location, is_uri, join
from data.tables.own_table import OWN_TABLE
from results.record.records import TrialKey, TrialRecord
from results.record.settings import Search, StudySettings
from spaces import Configuration, SearchSpace
from spaces.hyperparameters import MOST_EPOCHS
from spaces.space import LARGEST_GRID

if TYPE_CHECKING:
    from data.inputs.features import Features

_MOST_ROWS = 1_000_000


def check_batches(settings: StudySettings, trials: Sequence[TrialRecord], features: Features) -> None:
    """Raise ``InputError`` where the training rows do not fill a configuration's batch once."""
    from trainables.stack.batches import batch_count

    rows = len(features.y_train)
    largest = max([*(trial.configuration.batch_size for trial in trials), *_suggestible(settings, "batch_size")])
    if rows < largest or batch_count(rows, largest) < 1:
        raise InputError(
            f"a batch of {largest} needs at least {largest} training rows, but there are only {rows}: "
            "give more tracks, or a --space with smaller batches"
        )


def pending_trials(settings: StudySettings) -> tuple[TrialRecord, ...]:
    """Return the rows that are known beforehand, all pending; ``InputError`` where the settings are not possible."""
    _check_size(settings)
    configurations: tuple[Configuration, ...] = ()
    if settings.search == "random" and settings.trials is not None:
        configurations = settings.space.sample(settings.trials, settings.seed)
    elif settings.search == "grid":
        configurations = settings.space.configurations()
    return tuple(row for place, found in enumerate(configurations) for row in rows_of(found, place, settings))


def foreseen_trials(settings: StudySettings) -> tuple[TrialRecord, ...]:
    """Return the rows as ``pending_trials`` does, with random points in place of those that Optuna would suggest."""
    if settings.search != "optuna" or settings.trials is None:
        return pending_trials(settings)
    pending_trials(settings)
    size = settings.space.size
    count = settings.trials if size is None else min(size, settings.trials)
    return pending_trials(replace(settings, search=Search.RANDOM, sampler=None, trials=count))


def space_differences(settings: StudySettings, trials: Sequence[TrialRecord]) -> list[str]:
    """Return a sentence where the search space no longer gives the configurations that a study began with."""
    if settings.search != "grid":  # what was drawn stands in the record, and the last bit of a draw differs by machine
        return []
    recorded = {trial.key.config_id for trial in trials}
    missing = len(recorded - {trial.key.config_id for trial in pending_trials(settings)})
    return [f"space: {missing} of the study's {len(recorded)} configurations are not in it now"] if missing else []


def rows_of(configuration: Configuration, place: int, settings: StudySettings) -> tuple[TrialRecord, ...]:
    """Return the pending rows of a configuration, one for each of its repeats."""
    return tuple(
        TrialRecord(
            key=TrialKey(configuration.config_id, settings.seed + repeat),
            position=place * settings.repeats + repeat,
            configuration=configuration,
            budget=configuration.epochs or settings.epochs,
        )
        for repeat in range(settings.repeats)
    )


def schedule_warning(space: SearchSpace, budget: int) -> str | None:
    """Return a sentence where a schedule of the learning rate ends before the training does, or after it."""
    if not set(space.choices("schedule")) - {"constant"}:
        return None
    budgets = {budget if own is None else own for own in space.choices("epochs")}
    lengths = set(space.choices("schedule_epochs"))
    if "schedule_epochs" in space.conditions:  # its default stands where there is no schedule
        lengths = set(getattr(space.parameters["schedule_epochs"], "values", lengths))
    if budgets == lengths:
        return None
    shown = [" or ".join(map(str, sorted(found))) for found in (lengths, budgets)]
    return (
        f"schedules of the learning rate take {shown[0]} epochs (schedule_epochs in the space), but trainings "
        f"{shown[1]}: after its schedule a network goes on at the rate where that ended; before, it has not come down"
    )


def longest_budget(settings: StudySettings) -> int | None:
    """Return the largest budget that a suggested configuration may have; ``None`` where none will be suggested."""
    return max(_suggestible(settings, "epochs"), default=None)


def _suggestible(settings: StudySettings, name: str) -> list[int]:
    """Return the whole numbers that an Optuna search may suggest for a hyperparameter; none for another search."""
    if settings.search != "optuna":
        return []
    return [settings.epochs if value is None else value for value in settings.space.choices(name)]


def _check_size(settings: StudySettings) -> None:
    check_budget(settings.epochs)
    count = settings.trials or min(settings.space.size or 0, LARGEST_GRID)
    if count * settings.repeats > _MOST_ROWS:
        raise InputError(
            f"{count:,} configurations, each trained {settings.repeats:,} times, are more than the {_MOST_ROWS:,} rows "
            "that a study may have: ask for fewer --trials or --repeats"
        )


def check_budget(budget: int) -> None:
    """Raise ``InputError`` where a study's configurations could not have this budget."""
    if not 1 <= budget <= MOST_EPOCHS:
        raise InputError(f"--epochs must be from 1 to {MOST_EPOCHS:,}, but got {budget}")


def absolute(settings: StudySettings, directory: Path) -> StudySettings:
    """Return settings with paths that mean the same from any directory, and the study's own place in the storage."""
    return replace(absolute_sources(settings), storage=_storage(settings.storage, directory))


def absolute_sources(settings: StudySettings) -> StudySettings:
    """Return settings whose inputs have paths that mean the same from any directory; named sources stay as they are."""
    data, stages = settings.data, settings.stages
    named = data in ("spotify", "synthetic", OWN_TABLE) or data.startswith("synthetic:")
    if stages is not None and stages.transfer_data is not None:
        stages = replace(stages, transfer_data=_resolved(stages.transfer_data))
    mapping = _resolved(settings.mapping) if settings.mapping else None
    text_model = settings.text_model
    if text_model is not None and absolute_path(text_model).is_dir():
        text_model = _resolved(text_model)
    return replace(
        settings,
        data=data if named else _resolved(data),
        mapping=mapping,
        text_model=text_model,
        stages=stages,
    )


def _storage(asked: str | None, directory: Path) -> str | None:
    if asked is None:
        return None
    storage = join(checked_location(asked), absolute_path(directory).name)
    if not is_uri(storage) and Path(storage).is_relative_to(absolute_path(directory)):
        raise InputError(f"--storage {asked} is where {directory} itself will lie: choose another folder")
    return storage


def _resolved(path: str) -> str:
    return str(absolute_path(path))
