"""Extension of a study: larger budgets, more trials, a space that has grown, failures that are tried again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from data.errors import InputError, command
from data.inputs.features import Features
from results.record.facts import Fact
from results.record.manifest import extensions
from results.record.records import State, TrialRecord
from results.record.settings import Search, StudySettings
from results.record.study import Study
from search.planning.extending import Growth, extended_budget, growth
from search.planning.settings import Space
from search.planning.trials import check_batches, check_budget, pending_trials
from spaces import SearchSpace, load_space


@dataclass(frozen=True, kw_only=True)
class Extension:
    """The ways in which a study that goes on is larger than before; ``None`` for those in which it is not."""

    epochs: int | None = None
    """Budget of every configuration."""
    trials: int | None = None
    """Configurations of a random or an Optuna search, those that it has among them."""
    space: Space | None = None
    """Space of a grid, which holds the one that it had."""
    retry: str | None = None
    """``failed``, ``diverged``, or the id of a configuration that did either."""


NO_EXTENSION = Extension()


def extended_settings(study: Study, extension: Extension) -> StudySettings:
    """Return the settings of a study once it is extended; ``InputError`` where it cannot be, in this way.

    Nothing is written.
    """
    settings = study.settings
    if extension.trials is not None:
        settings = _with_trials(study, settings, extension.trials)
    if extension.space is not None:
        settings = _with_space(study, settings, load_space(extension.space))
    return settings


def _with_trials(study: Study, settings: StudySettings, trials: int) -> StudySettings:
    if settings.trials is None:
        raise InputError(
            f"--trials goes with a random or an Optuna search, but {study.directory} is a grid: it grows with --space"
        )
    if trials < settings.trials:
        raise InputError(f"--trials {trials} is less than the study's {settings.trials}: it can only be extended")
    return replace(settings, trials=trials)


def _with_space(study: Study, settings: StudySettings, space: SearchSpace) -> StudySettings:
    if settings.search is not Search.GRID:
        raise InputError(
            f"--space goes with a grid, but {study.directory} is a search of kind {settings.search}: give it more "
            "--trials, or begin a new study in the other space"
        )
    grown = replace(settings, space=space)
    planned = {row.key for row in pending_trials(grown)}
    missing = [trial for trial in study.trials() if trial.key not in planned]
    if missing:
        raise InputError(
            f"the space {space.name!r} lacks {len(missing)} of the rows of {study.directory}, such as "
            f"{missing[0].configuration.to_json()}: a space that extends a grid holds all that it had"
        )
    return grown


def extend(study: Study, extension: Extension, features: Features) -> None:
    """Write to the record what a study is extended by, all or nothing; its settings are the extended ones already.

    Raises ``InputError`` where its configurations cannot be extended, or new ones not be trained on ``features``.
    """
    if extension == NO_EXTENSION:
        return
    retried = _retried(study, extension.retry)
    trials = _lengthened(study, retried, extension.epochs)
    grown = Growth()
    if extension.trials is not None or extension.space is not None:
        grown = growth(study.settings, trials, extended_budget(study.settings, trials) or extension.epochs)
        check_batches(study.settings, (*trials, *grown.rows), features)
    with study.transaction():
        study.add_facts({Fact.EXTENDED: extensions(study.manifest.settings, study.settings), Fact.RAN_OUT: ""})
        study.forget_epochs({trial.key: trial.epoch for trial in retried if trial.epoch == 0})
        study.update_trials(trials)
        study.set_positions(grown.positions)
        study.add_trials(grown.rows)
        study.reopen_stage("sweep")
        if study.settings.stages is not None and study.settings.stages.fusion_sweep and _grows(extension):
            study.forget_stages(("fusion", "transfer"))


def _grows(extension: Extension) -> bool:
    return replace(extension, retry=None) != NO_EXTENSION


def _retried(study: Study, asked: str | None) -> list[TrialRecord]:
    """Return every configuration, those that are to be tried again pending.

    One that diverged begins anew, as its weights are no numbers.
    """
    trials = study.trials()
    if asked is None:
        return trials
    kinds = {"failed": (State.FAILED,), "diverged": (State.DIVERGED,)}.get(asked, (State.FAILED, State.DIVERGED))
    wanted = {t.key for t in trials if t.state in kinds and asked in ("failed", "diverged", t.key.config_id)}
    if not wanted:
        ended = f"has {asked}" if asked in ("failed", "diverged") else f"of the id {asked!r} has failed or diverged"
        raise InputError(
            f"--retry {asked}: no configuration of {study.directory} {ended}; `{command('trials', study.directory)}` "
            "shows their states"
        )
    return [_anew(trial) if trial.key in wanted else trial for trial in trials]


def _anew(trial: TrialRecord) -> TrialRecord:
    if trial.state is State.FAILED:
        return replace(trial, state=State.PENDING, reason=None)
    return replace(trial, state=State.PENDING, reason=None, epoch=0, checkpoint=None)


def _lengthened(study: Study, trials: Sequence[TrialRecord], budget: int | None) -> list[TrialRecord]:
    """Return every configuration with a larger budget; finished ones have more to do."""
    if budget is None:
        return list(trials)
    if study.settings.search is Search.OPTUNA and (study.incumbent is None or study.bounded is not None):
        raise InputError(f"an Optuna search is extended when it has ended: first {command('resume', study.directory)}")
    check_budget(budget)
    shorter = [trial for trial in trials if trial.budget > budget]
    if shorter:
        raise InputError(f"--epochs {budget} is less than the study's {shorter[0].budget}: it can only be extended")
    return [_with_budget(trial, budget) for trial in trials]


def _with_budget(trial: TrialRecord, budget: int) -> TrialRecord:
    goes_on = trial.state is State.FINISHED and trial.epoch < budget
    return replace(trial, budget=budget, state=State.PENDING if goes_on else trial.state)
