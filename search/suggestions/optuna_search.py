"""Configurations suggested by Optuna, from the record and for the record.

Optuna's own study lives no longer than one group of suggestions: it is made from what the record says, so that a
resumed search is the same code as one that was never interrupted.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from statistics import fmean
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from results.record.records import CurveRow, State, TrialKey, TrialRecord
from results.record.settings import StudySettings
from search.planning.trials import rows_of
from search.suggestions.optuna_space import OptunaSpace, Samplers, shared_trial
from spaces import Configuration
from spaces.space import LARGEST_GRID

GROUP = 4
"""Suggestions per request: the first is free, the others are variants of its shape, so that they form a stack."""
_SHAPE = ("hidden_layers", "depth", "width", "taper", "batch_size")
"""Parameters that the members of a stack have in common."""
_REPEATS_IN_A_ROW = 3
"""Number of suggestions of known configurations after which the sampler is no longer asked."""
_FUTILE_DRAWS = 1_000
"""Number of draws of known configurations after which a grid is listed, and another space taken to be exhausted."""

Answered = list[tuple[int, str]]
"""Suggestions answered from the record: the number of configurations by then, and the id of the one suggested."""


@dataclass(frozen=True)
class Told:
    """Facts told to Optuna about a configuration: the state, the value to maximise, the value at each epoch."""

    state: TrialState
    value: float | None
    intermediate: Mapping[int, float]


RUNNING = Told(TrialState.RUNNING, None, {})


def judged(rows: Sequence[tuple[TrialRecord, Mapping[int, float]]]) -> Told:
    """Return the facts for a configuration whose repeats have all ended, each with its validation accuracy by epoch.

    Those that were trained to their end are complete, with the mean of their best epochs. Those that a rung stopped
    are pruned, with the means of the epochs that all repeats have. Those that diverged or could not be trained are
    pruned without any value: TPE ranks these last, where it would take no notice of a failed trial and suggest the
    same again.
    """
    states = {trial.state for trial, _ in rows}
    epochs = sorted(set.intersection(*(set(curve) for _, curve in rows)))
    if states & {State.DIVERGED, State.FAILED} or not epochs:
        return Told(TrialState.PRUNED, None, {})
    means = {epoch: fmean(curve[epoch] for _, curve in rows) for epoch in epochs}
    if State.STOPPED in states:
        return Told(TrialState.PRUNED, means[epochs[-1]], means)
    return Told(TrialState.COMPLETE, fmean(max(curve.values()) for _, curve in rows), means)


class OptunaSearch:
    """A search that suggests configurations not yet in the record, until there are as many as asked for.

    The seed of a suggestion is a function of the study's seed and the number of suggestions before it. So the next
    suggestions depend on the record alone: on the configurations, in their order, and on how those that have ended
    came out. ``trials`` are the rows of the record, ``curves`` their validation accuracy by epoch;
    ``ran_out`` says that no new points were found any more.
    """

    def __init__(
        self,
        settings: StudySettings,
        trials: Iterable[TrialRecord] = (),
        curves: Mapping[TrialKey, Mapping[int, float]] | None = None,
        answered: Iterable[tuple[int, str]] = (),
        *,
        ahead: Iterable[Configuration] = (),
        ran_out: bool = False,
    ) -> None:
        assert settings.trials is not None
        self._settings, self._count = settings, settings.trials
        self._sampler = settings.sampler or "tpe"
        self._space = settings.space
        self._optuna = OptunaSpace(self._space, ordinal=self._sampler == "cmaes")
        self._samplers = Samplers(self._sampler, self._space)
        self._curves: dict[TrialKey, dict[int, float]] = defaultdict(dict)
        self._curves.update({key: dict(curve) for key, curve in (curves or {}).items()})
        self._rows: dict[str, dict[TrialKey, TrialRecord]] = {}
        self._ended: dict[str, Told] = {}
        self._frozen: dict[str, FrozenTrial] = {}
        self._asked: list[str] = []
        self.answered: Answered = list(answered)
        self._ran_out = ran_out
        self._restore(trials, ahead)

    def _restore(self, trials: Iterable[TrialRecord], ahead: Iterable[Configuration]) -> None:
        answered = defaultdict(list)
        for place, config_id in self.answered:
            answered[place].append(config_id)
        for trial in trials:
            if trial.key.config_id not in self._rows:
                self._asked += answered[len(self._rows)]
                self._add([trial])
            self._rows[trial.key.config_id][trial.key] = trial
        self._released = len(self._rows)
        for configuration in ahead:
            self._asked += answered[len(self._rows)]
            self._add(rows_of(configuration, len(self._rows), self._settings))
        self._asked += answered[len(self._rows)]
        for config_id in self._rows:
            self._judge(config_id)

    @property
    def exhausted(self) -> bool:
        """True where no further configuration will be suggested."""
        return self._released >= self._count or self.ran_out

    @property
    def ran_out(self) -> bool:
        """True where the space has, or seems to have, no points left for those that are still asked for."""
        size = self._space.size
        return self._released < self._count and (self._ran_out or (size is not None and self._released >= size))

    @property
    def left(self) -> int:
        """Configurations that are yet to be suggested, each seed counted."""
        return 0 if self.exhausted else (self._count - self._released) * self._settings.repeats

    @property
    def ahead(self) -> list[Configuration]:
        """Configurations suggested beyond those asked for, which a larger search begins with."""
        return [self._configuration(config_id) for config_id in list(self._rows)[self._released :]]

    def observe(self, curves: Iterable[CurveRow], trials: Iterable[TrialRecord]) -> None:
        """Take up epochs that were trained and rows that have changed."""
        for row in curves:
            if not isnan(row.val_accuracy):
                self._curves[row.key][row.epoch] = row.val_accuracy
        for trial in trials:
            self._rows[trial.key.config_id][trial.key] = trial
            self._judge(trial.key.config_id)

    def _judge(self, config_id: str) -> None:
        rows = self._rows[config_id]
        if all(trial.state.is_final for trial in rows.values()):
            self._ended[config_id] = judged([(trial, self._curves[key]) for key, trial in rows.items()])
            self._frozen.pop(config_id, None)

    def suggest(self, slots: int) -> list[TrialRecord]:
        """Return the rows of the next configurations, variants of one shape; empty where the space is exhausted.

        There are fewer than ``GROUP`` where as many would leave some of the ``slots`` without work. For a single slot
        all groups are whole, and what is too much of the last one is ``ahead``: so a search that is extended goes on
        as if it had been asked for all from the start.
        """
        if self._released == len(self._rows):
            left = self._count - self._released
            self._ask(GROUP if slots == 1 else min(GROUP, left, max(1, self._count // (2 * slots))))
        fresh = list(self._rows)[self._released : self._count]
        self._released += len(fresh)
        self._ran_out = not fresh
        return [trial for config_id in fresh for trial in self._rows[config_id].values()]

    def _ask(self, size: int) -> None:
        """Take up the next ``size`` suggestions, variants of one shape; fewer where the space is exhausted."""
        study = self._study()
        fixed: dict[str, Any] = {}
        for member in range(size):
            configuration, parameters = self._new(study, fixed, free=member == 0)
            if configuration is None:
                break
            self._add(rows_of(configuration, len(self._rows), self._settings))
            if self._sampler in ("tpe", "gp"):
                fixed = {name: value for name, value in parameters.items() if name in _SHAPE}

    def _add(self, rows: Sequence[TrialRecord]) -> None:
        config_id = rows[0].key.config_id
        self._rows[config_id] = {trial.key: trial for trial in rows}
        self._asked.append(config_id)

    def _new(
        self, study: optuna.Study, fixed: Mapping[str, Any], *, free: bool
    ) -> tuple[Configuration | None, dict[str, Any]]:
        """Return a configuration that is not in the record, with Optuna's parameters; answer known ones on the way."""
        for _ in range(_REPEATS_IN_A_ROW):
            study.sampler = self._samplers.seeded(self._seed(), fixed)
            trial = study.ask()
            configuration = self._optuna.suggestion(trial)
            if configuration.config_id not in self._rows:
                return configuration, trial.params
            self._answer(study, trial, configuration.config_id)
        return self._drawn() if free else (None, {})

    def _seed(self) -> int:
        return random.Random(f"{self._settings.seed}/{len(self._asked)}").getrandbits(32)

    def _answer(self, study: optuna.Study, trial: optuna.Trial, config_id: str) -> None:
        """Tell Optuna the recorded result of a configuration; nothing yet where it is still training."""
        self.answered.append((len(self._rows), config_id))
        self._asked.append(config_id)
        if config_id in self._ended:
            _tell(study, trial, self._ended[config_id])

    def _drawn(self) -> tuple[Configuration | None, dict[str, Any]]:
        """Return a random configuration that is not in the record, for a sampler that only repeats itself."""
        rng = random.Random(self._seed())
        for _ in range(_FUTILE_DRAWS):
            configuration = self._space.build(lambda name, parameter: parameter.sample(rng))
            if configuration.config_id not in self._rows:
                return configuration, self._parameters(configuration)[0]
        if left := self._left():
            configuration = rng.choice(left)
            return configuration, self._parameters(configuration)[0]
        return None, {}

    def _left(self) -> list[Configuration]:
        """Return the points of a grid that are not in the record; none for a space that cannot be listed."""
        if self._space.size is None or self._space.size > LARGEST_GRID:
            return []
        return [point for point in self._space.configurations() if point.config_id not in self._rows]

    def _study(self) -> optuna.Study:
        """Return Optuna's study as the record has it: every suggestion in order, those that are training as running."""
        study = optuna.create_study(direction="maximize")
        if self._sampler == "cmaes":
            self._replay(study)
        else:
            study.add_trials([self._trial(config_id) for config_id in self._asked])
        return study

    def _replay(self, study: optuna.Study) -> None:
        """Ask CMA-ES again for every trial, and tell it the results: it keeps its state in the trials themselves."""
        study.sampler = self._samplers.seeded(self._settings.seed)
        for config_id in self._asked:
            study.enqueue_trial(self._parameters(self._configuration(config_id))[0])
            trial = study.ask()
            _ = trial.relative_params  # sampled lazily, and here only for what CMA-ES notes in the trial
            self._optuna.suggestion(trial)
            if config_id in self._ended:
                _tell(study, trial, self._ended[config_id])

    def _trial(self, config_id: str) -> FrozenTrial:
        if config_id not in self._frozen:
            told = self._ended.get(config_id, RUNNING)
            parameters, distributions = self._parameters(self._configuration(config_id))
            self._frozen[config_id] = shared_trial(told.state, told.value, parameters, distributions, told.intermediate)
        return self._frozen[config_id]

    def _configuration(self, config_id: str) -> Configuration:
        return next(iter(self._rows[config_id].values())).configuration

    def _parameters(self, configuration: Configuration) -> tuple[dict[str, Any], dict[str, Any]]:
        return self._optuna.parameters(self._space.values(configuration))


def _tell(study: optuna.Study, trial: optuna.Trial, told: Told) -> None:
    for epoch, value in told.intermediate.items():
        trial.report(value, epoch)
    study.tell(trial, told.value if told.state is TrialState.COMPLETE else None, told.state)
