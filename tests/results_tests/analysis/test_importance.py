from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from data.errors import InputError
from results.analysis.importance import importance
from results.pictures.importances import draw_effects, draw_importances, draw_pairs
from results.pictures.pages import importance_page
from results.record.records import State, TrialKey, TrialRecord
from results.record.study import Study
from spaces import Choice, Configuration, SearchSpace, Uniform
from tests.results_tests.record.test_study import manifest, row

SPACE = SearchSpace(
    "s",
    {
        "hidden_layers": Choice(((8,), (16, 8))),
        "dropout": Choice((0.1, 0.2, 0.3)),
        "clip_norm": Choice((None, 1.0)),
        "batch_size": Choice((32,)),
    },
)


def accuracy(configuration: Configuration, epoch: int) -> float:
    """Most of it is dropout, some is width, and nothing is clipping."""
    return 1 - 2 * configuration.dropout - 0.1 * (len(configuration.hidden_layers) == 1) + 0.01 * epoch


def write(
    directory: Path,
    space: SearchSpace = SPACE,
    *,
    endings: Mapping[int, tuple[State, int]] | None = None,
    score: Callable[[Configuration, int], float] = accuracy,
    count: int = 0,
    repeats: int = 1,
) -> Path:
    """A study of four epochs; ``endings`` says which positions ended otherwise than finished.

    Repeats follow each other, and lie .01 apart.
    """
    points = space.sample(count, 1) if count else space.configurations()
    trials = []
    for place, (point, repeat) in enumerate(product(points, range(repeats))):
        state, epoch = (endings or {}).get(place, (State.FINISHED, 4))
        key = TrialKey(point.config_id, 42 + repeat)
        trials.append(TrialRecord(key=key, position=place, configuration=point, budget=4, state=state, epoch=epoch))
    base = manifest()
    drawn = {} if space.is_grid else {"search": "random", "trials": len(points)}
    about = replace(base, settings=replace(base.settings, space=space, repeats=repeats, **drawn))
    with Study.create(directory, about, trials) as study, study.transaction():
        for trial in trials:
            epochs = range(1, trial.epoch + 1)
            apart = 0.01 * (trial.key.seed - 42)
            study.add_curves(row(trial.key, epoch, score(trial.configuration, epoch) + apart) for epoch in epochs)
    return directory


def test_main_effects_are_means_by_value_the_strongest_parameter_first(tmp_path: Path) -> None:
    found = importance(write(tmp_path / "s"))
    assert found.parameters["parameter"].tolist()[:2] == ["dropout", "hidden_layers"]
    assert found.parameters["importance"].sum() == pytest.approx(1.0)
    shares = found.parameters.set_index("parameter")["importance"]
    assert shares["dropout"] > 0.8 and shares["batch_size"] == 0 and shares["clip_norm"] < 0.02
    effects = found.effects.set_index(["parameter", "value"])
    assert effects.loc["dropout", "mean"].round(6).to_dict() == {"0.1": 0.79, "0.2": 0.59, "0.3": 0.39}
    assert effects.loc[("dropout", "0.1"), ["count", "best"]].tolist() == [4, pytest.approx(0.84)]
    assert effects.loc[("dropout", "0.1"), "spread"] == pytest.approx(np.std([0.74, 0.74, 0.84, 0.84], ddof=1))
    assert effects.loc["hidden_layers"].index.tolist() == ["8", "16-8"]
    assert effects.loc["clip_norm"].index.tolist() == ["none", "1.0"]
    assert found.epochs is None and (found.counted, found.configurations) == (12, 12)


def test_the_two_strongest_together(tmp_path: Path) -> None:
    found = importance(write(tmp_path / "s"))
    assert found.strongest == ("dropout", "hidden_layers")
    assert found.pairs["count"].tolist() == [2] * 6
    means = found.pairs.set_index(["first", "second"])["mean"]
    assert means["0.1", "8"] == pytest.approx(0.74) and means["0.3", "16-8"] == pytest.approx(0.44)


class TestWhoIsCounted:
    def test_where_rungs_stopped_some_all_are_compared_where_the_first_of_them_stopped(self, tmp_path: Path) -> None:
        endings = {3: (State.STOPPED, 2), 5: (State.STOPPED, 1), 7: (State.EARLY_STOPPED, 1)}
        found = importance(write(tmp_path / "s", endings=endings))
        assert (found.epochs, found.counted, found.stopped) == (1, 12, 2)
        assert found.effects["best"].max() == pytest.approx(0.81)
        assert "12 of 12" in found.counted_text() and "stopped 2" in found.counted_text()

    def test_with_more_epochs_the_survivors_alone_and_it_says_so(self, tmp_path: Path) -> None:
        endings = {3: (State.STOPPED, 2), 5: (State.STOPPED, 1), 7: (State.DIVERGED, 1), 8: (State.RUNNING, 2)}
        found = importance(write(tmp_path / "s", endings=endings), epochs=3)
        assert (found.epochs, found.counted) == (3, 9), "who diverged counts with what it has"
        assert "no fair sample" in found.counted_text()

    def test_what_is_not_finished_or_has_no_score_is_left_out(self, tmp_path: Path) -> None:
        endings = {1: (State.RUNNING, 2), 2: (State.PENDING, 0), 3: (State.FAILED, 3), 4: (State.DIVERGED, 0)}
        found = importance(write(tmp_path / "s", endings=endings))
        assert found.counted == 8 and "others have not trained so long" in found.counted_text()

    def test_configurations_with_repeats_count_once_by_their_mean(self, tmp_path: Path) -> None:
        one, three = importance(write(tmp_path / "one")), importance(write(tmp_path / "three", repeats=3))
        means = ["mean", "best"]
        assert three.effects[["value", "count"]].equals(one.effects[["value", "count"]])
        assert (three.effects[means] - one.effects[means]).to_numpy() == pytest.approx(0.01)
        assert three.effects["spread"].tolist() == pytest.approx(one.effects["spread"].tolist())
        assert (three.counted, three.configurations) == (12, 12)
        assert "the mean of its 3 repeats' best accuracies" in three.counted_text()
        endings = {4: (State.FAILED, 2), 9: (State.STOPPED, 1), 10: (State.STOPPED, 2), 17: (State.STOPPED, 1)}
        some = importance(write(tmp_path / "some", repeats=3, endings=endings), epochs=2)
        assert (some.counted, some.configurations, some.stopped) == (10, 12, 2)

    def test_too_few(self, tmp_path: Path) -> None:
        endings = dict.fromkeys(range(9), (State.PENDING, 0))
        with pytest.raises(InputError, match="3 configurations can be counted, and 4"):
            importance(write(tmp_path / "s", endings=endings))


def test_a_continuous_parameter_is_cut_into_classes_of_equal_size(tmp_path: Path) -> None:
    rates = Uniform(1e-4, 1e-1, log=True)
    space = SearchSpace("u", {"hidden_layers": Choice(((8,),)), "learning_rate": rates, "dropout": Uniform(0, 0)})
    study = write(tmp_path / "s", space, count=20, score=lambda c, epoch: 0.5 + 0.1 * np.log10(c.learning_rate))
    found = importance(study)
    rows = found.effects[found.effects["parameter"] == "learning_rate"]
    assert rows["count"].tolist() == [4] * 5 and rows["mean"].is_monotonic_increasing
    assert all(" to " in value for value in rows["value"])
    assert found.parameters["importance"].tolist() == [1.0, 0.0, 0.0]


def test_where_nothing_matters_nothing_is_divided_by_zero(tmp_path: Path) -> None:
    found = importance(write(tmp_path / "s", score=lambda c, epoch: 0.5))
    assert found.effects["mean"].eq(0.5).all() and len(found.parameters) == 4


CONDITIONAL = SearchSpace(
    "conditional",
    {
        "hidden_layers": Choice(((8,),)),
        "optimizer": Choice(("adam", "sgd")),
        "momentum": Uniform(0.0, 0.99),
        "label_smoothing": Uniform(0.0, 0.002),
        "dropout": Uniform(0.0, 0.01),
    },
    {"momentum": {"optimizer": ("sgd",)}},
)


def by_momentum(configuration: Configuration, epoch: int) -> float:
    """SGD comes from .39 to .55 with its momentum, Adam to .52, and nothing else does anything."""
    return 0.52 if configuration.optimizer == "adam" else 0.39 + 0.16 * configuration.momentum


def test_the_effect_of_a_conditional_parameter_is_its_own(tmp_path: Path) -> None:
    """Without "inactive" as a value Optuna's fANOVA drops momentum, and hands its effect to two idle ranges."""
    found = importance(write(tmp_path / "s", CONDITIONAL, count=120, score=by_momentum))
    shares = found.parameters.set_index("parameter")["importance"]
    assert found.parameters["parameter"].tolist()[:2] == ["momentum", "optimizer"]
    assert shares["momentum"] > 0.6 and shares["optimizer"] > 0.2 and shares.sum() == pytest.approx(1.0)
    assert shares[["dropout", "label_smoothing", "hidden_layers"]].max() < 0.02
    assert found.conditional == ("momentum",) and "momentum: by the configurations" in found.explained_text()


@pytest.mark.parametrize("momentum", [Uniform(0.0, 0.9), Choice((0.0, 0.5, 0.9))])
def test_whether_a_parameter_applies_is_the_effect_of_the_one_that_it_hangs_on(
    tmp_path: Path, momentum: Choice | Uniform
) -> None:
    parameters = {"hidden_layers": Choice(((8,),)), "optimizer": Choice(("adam", "adamw", "sgd")), "momentum": momentum}
    space = SearchSpace("idle", {**parameters, "dropout": Uniform(0.1, 0.5)}, {"momentum": {"optimizer": ("sgd",)}})

    def score(configuration: Configuration, epoch: int) -> float:
        return 0.4 + 0.2 * (configuration.optimizer == "sgd") + 0.3 * configuration.dropout

    found = importance(write(tmp_path / "s", space, count=200, score=score))
    shares = found.parameters.set_index("parameter")["importance"]
    assert shares["momentum"] < 0.03 and shares["optimizer"] > 0.8 and 0.05 < shares["dropout"] < 0.2
    assert 0.9 < found.explained < 1.1


def test_two_that_act_together_alone_have_no_main_effect_and_that_is_said(tmp_path: Path) -> None:
    def score(configuration: Configuration, epoch: int) -> float:
        return 0.5 + 0.1 * ((configuration.batch_size == 16) == (configuration.optimizer == "sgd"))

    choices = {"hidden_layers": Choice(((8,),)), "batch_size": Choice((16, 32)), "optimizer": Choice(("adam", "sgd"))}
    space = SearchSpace("xor", {**choices, "dropout": Choice((0.1, 0.2, 0.3, 0.4))})
    found = importance(write(tmp_path / "s", space, score=score))
    assert found.explained < 0.4 and "interactions" in found.explained_text()


def test_a_range_that_is_drawn_by_its_logarithm_counts_by_it(tmp_path: Path) -> None:
    """Each decade holds a third of the configurations, so the lowest one's effect is as much as the highest one's."""
    rates = Uniform(1e-5, 1e-2, log=True)
    space = SearchSpace(
        "log", {"hidden_layers": Choice(((8,),)), "learning_rate": rates, "dropout": Choice((0.1, 0.2))}
    )

    def score(configuration: Configuration, epoch: int) -> float:
        return 0.5 + 0.1 * (configuration.learning_rate < 1e-4) + 0.02 * (configuration.dropout == 0.1)

    shares = importance(write(tmp_path / "s", space, count=100, score=score)).parameters
    assert shares.set_index("parameter")["importance"]["learning_rate"] > 0.9


def test_a_condition_with_one_value_tells_nothing_of_its_own(tmp_path: Path) -> None:
    parameters = {**CONDITIONAL.parameters, "momentum": Choice((0.9,))}
    space = SearchSpace("single", parameters, CONDITIONAL.conditions)
    found = importance(write(tmp_path / "s", space, count=60, score=by_momentum))
    shares = found.parameters.set_index("parameter")["importance"]
    assert shares["momentum"] == 0 and shares["optimizer"] > 0.95


def test_where_a_parameter_is_not_active_is_a_value_of_the_tables(tmp_path: Path) -> None:
    choices = {
        "hidden_layers": Choice(((8,),)),
        "dropout": Choice((0.1, 0.2)),
        "optimizer": Choice(("adam", "sgd")),
        "momentum": Choice((0.5, 0.9)),
    }
    space = SearchSpace("conditional", choices, {"momentum": {"optimizer": ("sgd",)}})
    found = importance(write(tmp_path / "s", space, count=6))
    rows = found.effects.set_index(["parameter", "value"])
    assert rows.loc[("momentum", "(not active)"), "count"] == 2


def test_interactions_are_what_the_main_effects_leave(tmp_path: Path) -> None:
    """Two hidden layers help at dropout .3 alone, by .12: the sum of main effects spreads that over the table."""

    def score(configuration: Configuration, epoch: int) -> float:
        deep = len(configuration.hidden_layers) == 2
        return 0.5 - configuration.dropout + 0.12 * (deep and configuration.dropout == 0.3)

    additive, helped = (importance(write(tmp_path / str(n), score=s)) for n, s in enumerate((accuracy, score)))
    assert additive.pairs["interaction"].tolist() == pytest.approx([0.0] * 6, abs=1e-12)
    found = helped.pairs.set_index(["first", "second"])["interaction"]
    assert found[("0.3", "16-8")] == pytest.approx(0.12 - 0.06 - 0.04 + 0.02)
    assert found.sum() == pytest.approx(0.0, abs=1e-12)


def test_figures_hold_the_tables_and_the_page_stands_alone(tmp_path: Path) -> None:
    found = importance(write(tmp_path / "s"))
    (bars,) = draw_importances(found).data
    assert list(bars.y)[-1] == "dropout"
    assert list(draw_effects(found).data[0].x) == ["0.1", "0.2", "0.3"]
    (heatmap,) = draw_pairs(found).data
    assert np.array(heatmap.z, dtype=float).shape == (2, 3)
    page = importance_page(found)
    assert "12 of 12 configurations" in page and 'src="http' not in page


def test_classes_of_small_numbers_begin_where_they_do(tmp_path: Path) -> None:
    rates = Uniform(1e-4, 1e-3, log=True)
    space = SearchSpace("u", {"hidden_layers": Choice(((8,),)), "learning_rate": rates, "dropout": Uniform(0, 0)})
    found = importance(write(tmp_path / "s", space, count=20))
    values = found.effects.loc[found.effects["parameter"] == "learning_rate", "value"]
    assert all(float(value.partition(" to ")[0]) >= 1e-4 for value in values)
