"""A search space as Optuna sees it: its samplers, and the translation of values to parameters and back."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, PartialFixedSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from spaces import Choice, Parameter, Point, SearchSpace, Uniform

optuna.logging.set_verbosity(optuna.logging.ERROR)


class OptunaSpace:
    """Translator between values of a space and parameters of Optuna.

    A choice is a categorical parameter, its tuples written as text; with ``ordinal`` it is the place of the value
    among all in ascending order, since CMA-ES moves along numbers. A choice of one value is not asked for.
    """

    def __init__(self, space: SearchSpace, *, ordinal: bool) -> None:
        self.space = space
        self._ordinal = ordinal

    def suggestion(self, trial: optuna.Trial) -> Any:
        """Return the configuration that Optuna picks for a trial."""
        return self.space.build(lambda name, parameter: self._suggest(trial, name, parameter))

    def _suggest(self, trial: optuna.Trial, name: str, parameter: Parameter) -> Any:
        if isinstance(parameter, Uniform):
            return trial.suggest_float(name, parameter.low, parameter.high, log=parameter.log)
        if len(parameter.values) == 1:
            return parameter.values[0]
        if self._ordinal:
            return sorted(parameter.values)[trial.suggest_int(name, 0, len(parameter.values) - 1)]
        labels = _labels(parameter)
        return parameter.values[labels.index(trial.suggest_categorical(name, labels))]

    def parameters(self, values: Point) -> tuple[dict[str, Any], dict[str, BaseDistribution]]:
        """Return Optuna's parameters and distributions for values as ``SearchSpace.values`` gives them."""
        parameters: dict[str, Any] = {}
        distributions: dict[str, BaseDistribution] = {}
        for name, value in values.items():
            parameter = self.space.parameters[name]
            if isinstance(parameter, Uniform):
                parameters[name] = value
                distributions[name] = FloatDistribution(parameter.low, parameter.high, log=parameter.log)
            elif len(parameter.values) > 1 and self._ordinal:
                parameters[name] = sorted(parameter.values).index(value)
                distributions[name] = IntDistribution(0, len(parameter.values) - 1)
            elif len(parameter.values) > 1:
                parameters[name] = _labels(parameter)[parameter.values.index(value)]
                distributions[name] = CategoricalDistribution(_labels(parameter))
        return parameters, distributions


def _labels(parameter: Choice) -> list[Any]:
    """Return the values of a choice as Optuna may hold them."""
    return [str(list(value)) if isinstance(value, tuple) else value for value in parameter.values]


class _SharedTrial(FrozenTrial):
    """A trial that storages need not copy: its contents never change."""

    def __deepcopy__(self, memo: dict[int, Any]) -> FrozenTrial:
        return copy.copy(self)


def shared_trial(
    state: TrialState,
    value: float | None,
    params: Mapping[str, Any],
    distributions: Mapping[str, BaseDistribution],
    intermediate: Mapping[int, float],
) -> FrozenTrial:
    """Return a trial as ``optuna.create_trial`` does, for many studies, which add it without copying its values."""
    now = datetime.now()
    return _SharedTrial(
        number=-1,
        trial_id=-1,
        state=state,
        value=value,
        datetime_start=now,
        datetime_complete=now if state.is_finished() else None,
        params=dict(params),
        distributions=dict(distributions),
        user_attrs={},
        system_attrs={},
        intermediate_values=dict(intermediate),
    )


class Samplers:
    """Samplers for one suggestion after the other: each suggestion depends on the trials and its seed alone.

    TPE is one and the same, seeded anew, since it remembers which parameters the ended trials of a study have.
    So it must only see trials that go on where the earlier ones were.
    """

    def __init__(self, name: str, space: SearchSpace) -> None:
        self._name = name
        self._tpe = _seeded_tpe(space) if name == "tpe" else None

    def seeded(self, seed: int, fixed: Mapping[str, Any] | None = None) -> BaseSampler:
        """Return the sampler of one suggestion; ``fixed`` are parameters that it may not choose."""
        with warnings.catch_warnings():
            # partially fixed sampling and CMA-ES with pruned trials are "experimental" to Optuna
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = self._sampler(seed)
            return PartialFixedSampler(dict(fixed), sampler) if fixed else sampler

    def _sampler(self, seed: int) -> BaseSampler:
        if self._tpe is not None:
            self._tpe.seed(seed)
            return self._tpe
        if self._name == "gp":
            return optuna.samplers.GPSampler(seed=seed, warn_independent_sampling=False)
        if self._name == "cmaes":
            return optuna.samplers.CmaEsSampler(seed=seed, consider_pruned_trials=True, warn_independent_sampling=False)
        return optuna.samplers.RandomSampler(seed=seed)


class _SeededTPE(TPESampler):
    def seed(self, seed: int) -> None:
        """Restart the random numbers from this seed, as a new sampler would."""
        self._rng.rng.seed(seed)
        self._random_sampler._rng.rng.seed(seed)


def _seeded_tpe(space: SearchSpace) -> _SeededTPE:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # groups
        return _SeededTPE(multivariate=True, group=bool(space.conditions), constant_liar=True)
