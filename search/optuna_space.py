"""A search space as Optuna sees it: what may be asked of which sampler, and values to parameters and back."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, PartialFixedSampler

from spaces import Choice, Parameter, SearchSpace, Uniform

optuna.logging.set_verbosity(optuna.logging.ERROR)


class OptunaSpace:
    """Translates between values of a space and parameters of Optuna.

    A choice is a categorical parameter, its tuples written as text; with ``ordinal`` it is the place of the value
    among all in ascending order, since CMA-ES moves along numbers. A choice of one value is not asked for.
    """

    def __init__(self, space: SearchSpace, *, ordinal: bool) -> None:
        self.space = space
        self._ordinal = ordinal

    def suggestion(self, trial: optuna.Trial) -> Any:
        """The configuration that Optuna picks for a trial."""
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

    def parameters(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, BaseDistribution]]:
        """Optuna's parameters and distributions for values as ``SearchSpace.values`` gives them."""
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
    """The values as Optuna may hold them."""
    return [str(list(value)) if isinstance(value, tuple) else value for value in parameter.values]


def make_sampler(name: str, space: SearchSpace, seed: int, fixed: Mapping[str, Any]) -> BaseSampler:
    """A sampler of its own for one suggestion, so that what it suggests depends on the trials and the seed alone.

    ``fixed`` are parameters that it may not choose.
    """
    with warnings.catch_warnings():
        # partially fixed sampling, TPE's groups and CMA-ES with pruned trials are "experimental" to Optuna
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = _make_sampler(name, space, seed)
        return PartialFixedSampler(dict(fixed), sampler) if fixed else sampler


def _make_sampler(name: str, space: SearchSpace, seed: int) -> BaseSampler:
    if name == "tpe":
        return optuna.samplers.TPESampler(seed=seed, multivariate=True, group=bool(space.conditions))
    if name == "gp":
        return optuna.samplers.GPSampler(seed=seed, warn_independent_sampling=False)
    if name == "cmaes":
        return optuna.samplers.CmaEsSampler(seed=seed, consider_pruned_trials=True, warn_independent_sampling=False)
    return optuna.samplers.RandomSampler(seed=seed)
