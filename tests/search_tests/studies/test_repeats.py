"""Several seeds of each configuration, in simulated time and for real."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from results import load_repeats, load_trials
from results.record.records import State
from results.record.settings import StudySettings
from results.record.stage_records import load_stage_scores
from results.record.study import Study
from search import resume_sweep, run_sweep
from search.planning.prepared_data import prepare
from search.planning.trials import pending_trials
from search.studies.pruning import prune
from spaces import load_space
from tests.search_tests.conftest import Sweep
from tests.search_tests.suggestions.test_optuna_search import asked
from tests.support.simulated import World, create_study, made_up_score, simulate, train_in
from tests.support.small import CONFIGURATIONS, curves


def small_settings(small: Path, **settings: object) -> StudySettings:
    space = load_space(small / "space.toml")
    return StudySettings(data=str(small / "tracks.csv"), space=space, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(("search", "trials"), [("grid", None), ("random", 5)])
def test_rows_have_the_seeds_from_the_studys_on(small: Path, search: str, trials: int | None) -> None:
    rows = pending_trials(small_settings(small, search=search, trials=trials, seed=7, repeats=3))
    count = trials or CONFIGURATIONS
    assert len(rows) == 3 * count == len({row.key for row in rows})
    assert [row.position for row in rows] == list(range(3 * count))
    assert [row.key.seed for row in rows] == [7, 8, 9] * count
    one = pending_trials(small_settings(small, search=search, trials=trials, seed=7))
    assert [row.configuration for row in rows[::3]] == [row.configuration for row in one]


def test_the_split_and_its_scaler_are_the_studys(small: Path) -> None:
    one, three = (prepare(small_settings(small, seed=7, repeats=repeats)) for repeats in (1, 3))
    np.testing.assert_array_equal(one.split.val, three.split.val)
    np.testing.assert_array_equal(one.features.x_val, three.features.x_val)


def test_a_stack_has_one_seed_and_halving_judges_rows_whoever_came_first(small: Path) -> None:
    rows = pending_trials(small_settings(small, epochs=8, repeats=2))
    seeded = World(score=lambda key, epoch: made_up_score(key, epoch) if key.seed % 2 else 0.5)
    orders = []
    for choose in (lambda count: 0, lambda count: count - 1):
        history = simulate(rows, seeded, scheduler="halving", choose=choose)
        assert all(len({key.seed for key in segment.keys}) == 1 for segment in history.segments)
        orders.append(history.states())
    assert orders[0] == orders[1]


def test_optuna_counts_configurations_and_is_told_when_all_repeats_have_ended(tmp_path: Path) -> None:
    with create_study(tmp_path / "s", (), **asked("paper", trials=8, repeats=3)) as study:
        train_in(study, World(), slots=2)
        trials = study.trials()
    assert len(trials) == 24 and len({trial.key.config_id for trial in trials}) == 8
    assert [trial.position for trial in trials] == list(range(24))
    assert all(trial.state.is_final for trial in trials)


class TestForReal:
    @pytest.mark.slow
    def test_a_repeat_is_the_study_of_its_seed_on_the_same_split(self, sweep: Sweep, small: Path) -> None:
        """The first repeat has the curves of the study without repeats, the others have curves of their own."""
        repeated = sweep(stack_size=16, repeats=2)
        rows = curves(repeated)
        first = rows[rows["seed"] == 42].reset_index(drop=True)
        pd.testing.assert_frame_equal(first, curves(sweep(stack_size=16)), check_exact=True)
        second = rows[rows["seed"] == 43].reset_index(drop=True)
        assert set(second["config_id"]) == set(first["config_id"])
        assert not second["val_loss"].equals(first["val_loss"])

    @pytest.mark.slow
    def test_the_incumbent_is_chosen_by_its_mean_and_shown_with_its_spread(self, sweep: Sweep) -> None:
        directory = sweep(stack_size=16, repeats=2)
        incumbent = resume_sweep(directory).incumbent
        best = load_repeats(directory).iloc[0]
        assert incumbent is not None
        assert (incumbent.key.config_id, incumbent.mean, incumbent.spread) == (*best[["config_id", "mean", "spread"]],)
        own = load_trials(directory).query("config_id == @incumbent.key.config_id")
        assert incumbent.val_accuracy == own["val_accuracy"].max() and len(own) == 2
        with Study.open(directory) as study:
            scores = load_stage_scores(study)
        assert scores["accuracy"].mean() == pytest.approx(best["mean"])
        assert scores["seed"].tolist() == [42, 43]

    @pytest.mark.slow
    def test_pruning_leaves_what_promoting_again_needs(self, ray_session: int, small: Path, tmp_path: Path) -> None:
        space, out = str(small / "space.toml"), tmp_path / "study"
        first = run_sweep(str(small / "tracks.csv"), out=out, space=space, scheduler="none", epochs=1, repeats=2)
        assert prune(out, keep_finished=False).files > 0
        assert resume_sweep(out).incumbent == first.incumbent
        assert first.states[State.FINISHED] + first.states[State.DIVERGED] == 2 * CONFIGURATIONS
