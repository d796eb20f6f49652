from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import InputError
from results.analysis.ablation import ablation
from results.analysis.rows import read_rows
from results.dataframes.frames import load_trials, ranked
from results.paper.published import BEST_OF_GRID, PAPER_CHOICES
from results.record.records import State
from spaces import Choice, Configuration, SearchSpace, Uniform
from spaces.paper import BEST, PAPER
from tests.results_tests.analysis.test_importance import CONDITIONAL, by_momentum, write

GRID = SearchSpace(
    "grid",
    {
        "hidden_layers": Choice(((8,), (16, 8))),
        "dropout": Choice((0.1, 0.2, 0.3)),
        "optimizer": Choice(("adam", "sgd")),
        "batch_size": Choice((16, 32)),
    },
)
START = {"hidden_layers": (8,), "dropout": 0.3, "optimizer": "adam", "batch_size": 32}
"""The defaults of the hyperparameters, and the first value of what has none."""


def brute_force(
    start: dict[str, Any], best: dict[str, Any], score: Callable[[dict[str, Any]], float]
) -> list[tuple[str, float]]:
    """Try every change at every step."""
    here, path = dict(start), [("", score(start))]
    while here != best:
        tries = [(score({**here, name: best[name]}), name) for name in best if here[name] != best[name]]
        top = max(accuracy for accuracy, _ in tries)
        name = next(name for accuracy, name in tries if accuracy == top)
        here = {**here, name: best[name]}
        path.append((name, top))
    return path


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6))
def test_on_a_grid_it_is_the_brute_force(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    rng = random.Random(seed)
    table = {point.config_id: rng.random() for point in GRID.configurations()}

    def score(values: dict[str, Any]) -> float:
        return table[Configuration.from_mapping(values).config_id]

    directory = tmp_path_factory.mktemp("grid") / "s"
    found = ablation(write(directory, GRID, score=lambda point, epoch: table[point.config_id]))
    best = max(GRID.configurations(), key=lambda point: table[point.config_id])
    steps = found.steps
    assert list(zip(steps["parameter"], steps["accuracy"], strict=True)) == brute_force(START, GRID.values(best), score)
    assert found.exact and set(steps["basis"]) == {"exact"} and steps["measured"].tolist() == steps["accuracy"].tolist()
    assert steps["accuracy"].iloc[-1] == max(table.values()) and steps["parameter"].is_unique
    assert steps["gain"].iloc[1:].sum() == pytest.approx(steps["accuracy"].iloc[-1] - steps["accuracy"].iloc[0])


def test_a_step_says_what_was_changed_from_what_to_what(tmp_path: Path) -> None:
    found = ablation(write(tmp_path / "s", GRID, score=lambda point, epoch: 1 - point.dropout))
    assert found.start == "the defaults"
    assert found.steps[["parameter", "before", "after"]].to_numpy().tolist() == [
        ["", "", ""],
        ["dropout", "0.3", "0.1"],
        ["batch_size", "32", "16"],
    ]


def test_in_the_papers_grid_it_begins_at_the_papers_best(tmp_path: Path) -> None:
    def score(point: Configuration, epoch: int) -> float:
        return 0.5 + 0.1 * (point.optimizer == "sgd") + 0.05 * point.batch_norm + 0.01 * (point.batch_size == 32)

    found = ablation(write(tmp_path / "s", PAPER, score=score))
    assert found.start == "the paper's best" and found.exact
    assert found.steps["parameter"].tolist()[:3] == ["", "optimizer", "batch_norm"]
    assert found.steps["accuracy"].tolist()[0] == pytest.approx(0.51)
    (choice,) = [choice for choice in PAPER_CHOICES if choice.model == BEST_OF_GRID.model]
    assert Configuration.from_mapping(dict(choice.values)) == BEST


def test_where_rungs_stopped_some_a_forest_predicts_and_it_says_so(tmp_path: Path) -> None:
    endings = dict.fromkeys(range(0, 24, 2), (State.STOPPED, 1))
    study = write(tmp_path / "s", GRID, endings=endings, score=lambda point, epoch: 1 - point.dropout + epoch / 100)
    found = ablation(study)
    assert not found.exact and set(found.steps["basis"]) == {"surrogate"} and found.epochs == 1
    assert found.steps["measured"].iloc[-1] == pytest.approx(0.91)
    assert found.steps["accuracy"].iloc[-1] == pytest.approx(0.91, abs=0.02) and found.fit > 0.8


def test_a_parameter_is_changed_where_it_applies_alone(tmp_path: Path) -> None:
    """Momentum is SGD's: it can only come after SGD."""
    found = ablation(write(tmp_path / "s", CONDITIONAL, count=120, score=by_momentum)).steps
    names = found["parameter"].tolist()
    assert names.index("optimizer") < names.index("momentum")
    assert found["accuracy"].iloc[-1] == found["accuracy"].max()


def test_where_a_parameter_stops_to_apply_it_is_not_changed(tmp_path: Path) -> None:
    parameters = {
        "hidden_layers": Choice(((8,),)),
        "optimizer": Choice(("sgd", "adamw")),
        "momentum": Uniform(0.1, 0.9),
    }
    space = SearchSpace("leaves", parameters, {"momentum": {"optimizer": ("sgd",)}})
    study = write(tmp_path / "s", space, count=2, score=lambda point, epoch: float(point.optimizer == "adamw"))
    with pytest.raises(InputError, match="configurations can be counted"):
        ablation(study)
    more = write(tmp_path / "t", space, count=30, score=lambda point, epoch: 0.1 + 0.5 * (point.optimizer == "adamw"))
    assert ablation(more).steps["parameter"].tolist() == ["", "optimizer"]


def test_it_ends_at_the_incumbent_and_not_at_the_best_of_an_early_epoch(tmp_path: Path) -> None:
    def score(point: Configuration, epoch: int) -> float:
        return 0.5 + (0.1 if point.dropout == 0.1 else 0.0) + (0.2 if epoch == 4 and point.dropout == 0.2 else 0.0)

    points = GRID.configurations()
    endings = {place: (State.STOPPED, 1) for place, point in enumerate(points) if point.dropout == 0.3}
    study = write(tmp_path / "s", GRID, endings=endings, score=score)
    rows = read_rows(study)
    assert rows.incumbent is not None and rows.trials[rows.incumbent].key.config_id == first(study)
    steps = ablation(rows).steps.set_index("parameter")
    assert steps.loc["dropout", ["before", "after"]].tolist() == ["0.3", "0.2"]


@pytest.mark.parametrize("repeats", [1, 2])
def test_of_equal_ones_the_incumbent_is_that_of_the_tables(tmp_path: Path, repeats: int) -> None:
    """The smaller network is the later one in this space."""
    space = SearchSpace("s", {"hidden_layers": Choice(((16, 8), (8,))), "dropout": Choice((0.1, 0.2))})
    study = write(tmp_path / "s", space, repeats=repeats, score=lambda point, epoch: 0.5 + 0.1 * (epoch == 3))
    rows = read_rows(study)
    assert rows.incumbent is not None and rows.trials[rows.incumbent].key.config_id == first(study)
    assert rows.trials[rows.incumbent].configuration.hidden_layers == (8,)


def first(study: Path) -> str:
    return str(ranked(load_trials(study))["config_id"].iloc[0])
