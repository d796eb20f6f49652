"""Export of a study to Optuna: parameter distributions, one trial per configuration and seed, and a storage."""

from __future__ import annotations

import glob
import json
import os
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from data.errors import InputError
from data.files import user_path
from results.dataframes.frames import load_curves, load_trials
from results.dataframes.parameters import plain_value, space_of
from results.handover.optuna_rows import insert_trials
from results.record.records import State, TrialKey, TrialRecord
from results.record.study import Study
from spaces import Choice, SearchSpace

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

_STATES = {
    State.PENDING: "WAITING",
    State.RUNNING: "RUNNING",
    State.FINISHED: "COMPLETE",
    State.STOPPED: "PRUNED",
    State.EARLY_STOPPED: "COMPLETE",
    State.DIVERGED: "FAIL",
    State.FAILED: "FAIL",
}
"""Optuna's state for each of ours; one ended by its own patience is complete, as none was preferred to it."""


def distributions(space: SearchSpace) -> dict[str, BaseDistribution]:
    """Return Optuna's distribution of each parameter; widths are categories of text such as ``128-16``."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    return {
        name: CategoricalDistribution([plain_value(value) for value in parameter.values])
        if isinstance(parameter, Choice)
        else FloatDistribution(parameter.low, parameter.high, log=parameter.log)
        for name, parameter in space.parameters.items()
    }


def optuna_trials(study: Study) -> list[FrozenTrial]:
    """Return one trial per configuration and seed, in the order of the search space.

    ``value`` is the best validation accuracy of any epoch, by which the incumbent is chosen; ``intermediate_values``
    hold the accuracy of each epoch. ``finished`` and ``early_stopped`` are COMPLETE, ``stopped`` is PRUNED,
    ``diverged`` and ``failed`` are FAIL. Unfinished ones are RUNNING once they have an epoch, and WAITING before. A
    finished configuration that never had a score is FAIL.
    """
    trials = study.trials()  # first: a search that runs adds rows
    space, times = space_of(study), _times(study)
    known = distributions(space)
    accuracies: dict[TrialKey, dict[int, float]] = defaultdict(dict)
    curves = load_curves(study)[["config_id", "seed", "epoch", "val_accuracy"]]
    for config_id, seed, epoch, accuracy in curves.itertuples(index=False, name=None):
        accuracies[TrialKey(config_id, int(seed))][int(epoch)] = accuracy
    found = load_trials(study)[["config_id", "seed", "val_accuracy", "best_epoch"]]
    best = {TrialKey(row[0], int(row[1])): row[2:] for row in found.itertuples(index=False, name=None)}
    created = datetime.fromisoformat(study.manifest.created).timestamp()
    return [
        _frozen(
            number,
            trial,
            best[trial.key],
            {name: plain_value(value) for name, value in space.values(trial.configuration).items()},
            known,
            accuracies[trial.key],
            times.get(trial.key, (created, created)),
        )
        for number, trial in enumerate(trials)
    ]


def _frozen(
    number: int,
    trial: TrialRecord,
    best: tuple[Any, ...],
    values: Mapping[str, Any],
    known: Mapping[str, BaseDistribution],
    accuracies: Mapping[int, float],
    times: tuple[float, float],
) -> FrozenTrial:
    from optuna.trial import FrozenTrial, TrialState

    state = TrialState[_STATES[trial.state]]
    accuracy, best_epoch = best
    scored = bool(pd.notna(accuracy))
    if state is TrialState.COMPLETE and not scored:
        state = TrialState.FAIL
    if not trial.state.is_final:
        state = TrialState.RUNNING if trial.epoch else TrialState.WAITING
    began, ended = (datetime.fromtimestamp(moment) for moment in times)
    attributes = {"config_id": trial.key.config_id, "seed": trial.key.seed, "state": str(trial.state)}
    return FrozenTrial(
        number=number,
        trial_id=number,
        state=state,
        value=float(accuracy) if scored and state in (TrialState.COMPLETE, TrialState.PRUNED) else None,
        datetime_start=None if state is TrialState.WAITING else began,
        datetime_complete=ended if state.is_finished() else None,
        params=dict(values),
        distributions={name: known[name] for name in values},
        user_attrs=attributes | {"reason": trial.reason, "best_epoch": int(best_epoch) if scored else None},
        system_attrs={},
        intermediate_values=dict(accuracies),
    )


def _times(study: Study) -> dict[TrialKey, tuple[float, float]]:
    """Return when each configuration's training first began and last ended, in seconds since 1970."""
    found: dict[TrialKey, tuple[float, float]] = {}
    for segment in study.segments():
        if segment.error is None:
            for key in segment.keys:
                before = found.get(key, (segment.started, segment.ended))
                found[key] = min(before[0], segment.started), max(before[1], segment.ended)
    return found


def export_to_optuna(directory: str | Path, path: Path) -> int:
    """Write a study as an Optuna storage, whole or not at all, and return its number of trials.

    The file is SQLite, for ``optuna.load_study`` and optuna-dashboard; the study in it has the directory's name and
    maximises. Raises ``InputError`` where the file exists or cannot be written.
    """
    path = user_path(path)
    if path.exists():
        raise InputError(f"{path} exists already: an export is a new file; delete it, or choose another --to")
    if path.suffix != ".db":
        raise InputError(f"{path}: an Optuna storage is written as .db, for example --to {path.stem}.db")
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with Study.open(directory) as study:
        trials = optuna_trials(study)
        facts = {"data": study.manifest.data.source, "settings": json.loads(study.settings.to_json())}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_storage(draft, Path(directory).resolve().name, trials, facts)
        os.link(draft, path)  # unlike a rename, this refuses a file that has come in the meantime
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        for leftover in path.parent.glob(f"{glob.escape(draft.name)}*"):
            leftover.unlink()
    return len(trials)


def storage_url(path: Path) -> str:
    """Return the URL by which Optuna and optuna-dashboard open a file, whatever characters its name has.

    In a plain ``sqlite:///PATH`` SQLAlchemy reads the text after a ``?`` as options and opens another file, and Optuna
    (5.0, ``RDBStorage._fill_storage_url_template``) formats braces. SQLAlchemy escapes both from 2.1 on, where it
    decodes a database's name; in 2.0 no URL is safe for a path with these characters.
    """
    from sqlalchemy.engine import URL

    return URL.create("sqlite", database=str(path)).render_as_string()


def _write_storage(path: Path, name: str, trials: list[FrozenTrial], facts: Mapping[str, Any]) -> None:
    import optuna
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import SQLAlchemyError

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        storage = RDBStorage(storage_url(path.resolve()))
        try:
            study = optuna.create_study(storage=storage, study_name=name, direction="maximize")
            for fact, value in facts.items():
                study.set_user_attr(fact, value)
            insert_trials(storage.engine, study._study_id, trials)
        finally:
            storage.remove_session()
            storage.engine.dispose()
    except SQLAlchemyError as error:
        raise OSError(str(error)) from error
    finally:
        optuna.logging.set_verbosity(verbosity)
