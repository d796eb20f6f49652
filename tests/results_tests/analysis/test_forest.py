"""Importances equal Optuna's own on the same trials."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator, get_param_importances

from results.analysis.fanova import main_effects
from results.analysis.forest import MOST_POINTS, explained_shares
from results.analysis.importance import importances
from results.analysis.ped_anova import ped_anova
from results.dataframes.parameters import plain_value
from results.handover.optuna_export import distributions, optuna_trials
from results.record.study import Study
from spaces import Choice, SearchSpace, Uniform, load_space
from tests.results_tests.analysis.test_importance import CONDITIONAL, by_momentum, write

MIXED = SearchSpace(
    "mixed",
    {
        "hidden_layers": Choice(((8,), (16, 8), (32,))),
        "batch_norm": Choice((True, False)),
        "clip_norm": Choice((None, 0.5, 1.0, 5.0)),
        "dropout": Uniform(0.0, 0.8),
        "learning_rate": Uniform(1e-4, 1e-1, log=True),
    },
)


def scores(points: list[dict[str, Any]]) -> list[float]:
    rng = np.random.default_rng(1)
    return [
        0.6 - (point["dropout"] - 0.2) ** 2 + 0.1 * (point["clip_norm"] == 0.5) * point["batch_norm"] + noise
        for point, noise in zip(points, 0.01 * rng.normal(size=len(points)), strict=True)
    ]


def on_scale(name: str, value: Any) -> Any:
    return math.log(value) if name == "learning_rate" else plain_value(value)


def test_fanova_is_that_of_optuna_to_the_last_digits() -> None:
    points = [MIXED.values(point) for point in MIXED.sample(40, 3)]
    found = explained_shares(dict(sorted(MIXED.parameters.items())), points, scores(points))
    known: Mapping[str, BaseDistribution] = {
        **distributions(MIXED),
        "learning_rate": FloatDistribution(math.log(1e-4), math.log(1e-1)),
    }
    study = optuna.create_study(direction="maximize")
    for point, score in zip(points, scores(points), strict=True):
        values = {name: on_scale(name, value) for name, value in point.items()}
        study.add_trial(optuna.trial.create_trial(params=values, distributions=dict(known), value=score))
    theirs = FanovaImportanceEvaluator(seed=0).evaluate(study)
    assert found.keys() == theirs.keys() and max(found.values()) > 0.3
    assert {name: found[name] for name in theirs} == pytest.approx(theirs, abs=1e-12)


def test_choices_of_many_values_can_be_judged() -> None:
    """Optuna would try 2^40 combinations of their columns."""
    sizes = {"hidden_layers": Choice(((8,),)), "batch_size": Choice(tuple(range(8, 48)))}
    space = SearchSpace("many", {**sizes, "dropout": Choice((0.1, 0.2))})
    points = [space.values(point) for point in space.configurations()]
    found = main_effects(space, points, [point["dropout"] for point in points])
    assert found.shares["dropout"] == pytest.approx(1.0) and found.shares["batch_size"] == pytest.approx(0.0)


def test_ped_anova_is_that_of_optuna_on_the_exported_trials(tmp_path: Path) -> None:
    directory = write(tmp_path / "s", CONDITIONAL, count=60, score=by_momentum)
    found = importances(directory)
    study = optuna.create_study(direction="maximize")
    with Study.open(directory) as opened:
        study.add_trials(optuna_trials(opened))
    theirs = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    ours = found.parameters.set_index("parameter")["ped_anova"]
    assert ours.to_dict() == pytest.approx(theirs, abs=1e-12)
    assert ours.sum() == pytest.approx(1.0) and ours[["momentum", "optimizer"]].min() > 0.3
    assert found.parameters["fanova"].tolist() == found.effects.parameters["importance"].tolist()


def test_equal_scores_have_no_importance() -> None:
    points = [MIXED.values(point) for point in MIXED.sample(10, 3)]
    assert set(ped_anova(MIXED, points, [0.5] * 10).values()) == {0.0}


def test_of_many_points_a_sample_is_taken_that_tells_the_same() -> None:
    space = load_space("wide")
    points = [space.values(point) for point in space.sample(3 * MOST_POINTS, 1)]
    found = main_effects(space, points, [-point["dropout"] for point in points])
    assert found.shares["dropout"] > 0.95
    assert main_effects(space, points, [-point["dropout"] for point in points]) == found
