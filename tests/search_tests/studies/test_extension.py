"""A study that is extended is the study that would have been asked for: more trials, a larger grid, failures again."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from data.errors import InputError
from results.record.records import State, TrialRecord
from results.record.settings import StudySettings
from results.record.study import Study
from search import resume_sweep, run_sweep
from search.cluster.placement import Resources
from search.planning.trials import pending_trials
from search.suggestions.suggesting_coordinator import restored_search
from spaces import Choice, SearchSpace, Uniform, load_space
from tests.search_tests.conftest import Sweep
from tests.support.examples import examples
from tests.support.simulated import World, create_study, curves_of, extend_in, paper_trials, train_in
from tests.support.small import EPOCHS, SPACE, curves, outcome, write_space

MIXED = SearchSpace(
    "mixed",
    {"hidden_layers": Choice(((16,), (24, 16))), "dropout": Uniform(0.0, 0.5), "learning_rate": Choice((1e-3,))},
)
PAPER = load_space("paper")


def begun(directory: Path, **settings: Any) -> Study:
    """A study as a command begins it, with the rows that are known beforehand."""
    wanted = {"epochs": 4, "scheduler": "none", **settings}
    return create_study(directory, pending_trials(StudySettings(data="synthetic", **wanted)), **wanted)


def history(study: Study) -> list[tuple[Any, ...]]:
    found = curves_of(study)
    return [(t.position, t.key, t.state, t.epoch, t.budget, found[t.key]) for t in study.trials()]


def asked_at_once(counts: Sequence[int], **settings: Any) -> tuple[Any, Any]:
    """What is left of a search that was extended from each count to the next, and of one asked for the last."""
    left = []
    for steps in (counts, counts[-1:]):
        with tempfile.TemporaryDirectory() as folder, begun(Path(folder) / "s", trials=steps[0], **settings) as study:
            train_in(study, World(), slots=1)
            for count in steps[1:]:
                extend_in(study, trials=count)
                assert study.settings.trials == count
                train_in(study, World(), slots=1)
            answered = restored_search(study).answered if settings["search"] == "optuna" else None
            left.append((history(study), answered))
    return left[0], left[1]


COUNTS = st.lists(st.integers(1, 25), min_size=2, max_size=3, unique=True).map(sorted)


class TestMoreTrials:
    @examples(15)
    @given(counts=COUNTS, space=st.sampled_from([MIXED, PAPER]), repeats=st.integers(1, 2))
    def test_a_random_search(self, counts: list[int], space: SearchSpace, repeats: int) -> None:
        extended, whole = asked_at_once(counts, search="random", space=space, repeats=repeats)
        assert extended == whole

    @examples(8)
    @given(counts=COUNTS, sampler=st.sampled_from(["tpe", "cmaes", "random"]), repeats=st.integers(1, 2))
    def test_an_optuna_search_of_one_worker(self, counts: list[int], sampler: str, repeats: int) -> None:
        space = load_space("wide") if sampler != "cmaes" else SearchSpace("numbers", {**MIXED.parameters, **NUMBERS})
        extended, whole = asked_at_once(counts, search="optuna", sampler=sampler, space=space, repeats=repeats)
        assert extended == whole

    def test_what_was_suggested_ahead_comes_first(self, tmp_path: Path) -> None:
        with begun(tmp_path / "s", search="optuna", trials=5, space=MIXED) as study:
            train_in(study, World(), slots=1)
            ahead = study.ahead
            assert len(study.trials()) == 5 and len(ahead) == 3
            extend_in(study, trials=9)
            train_in(study, World(), slots=2)
            assert [t.configuration for t in study.trials()][5:8] == ahead and not study.ahead

    def test_a_search_stays_extended(self, tmp_path: Path) -> None:
        with begun(tmp_path / "s", search="random", trials=3, space=MIXED) as study:
            extend_in(study, trials=7)
        with Study.open(tmp_path / "s") as study:
            assert study.settings.trials == 7 and study.manifest.settings.trials == 3

    def test_new_trials_have_the_budget_of_an_extended_study(self, tmp_path: Path) -> None:
        with begun(tmp_path / "s", search="random", trials=3, space=MIXED) as study:
            extend_in(study, epochs=6)
            extend_in(study, trials=5)
            assert {trial.budget for trial in study.trials()} == {6}

    def test_a_search_that_drew_otherwise_gets_as_many_as_are_missing(self, tmp_path: Path) -> None:
        """As one of an earlier version, whose random points were others."""
        others = paper_trials(3)
        wanted = {"search": "random", "space": PAPER, "scheduler": "none", "trials": 3}
        with create_study(tmp_path / "s", others, **wanted) as study:
            extend_in(study, trials=8)
            trials = study.trials()
            assert len(trials) == 8 and [trial.key for trial in trials[:3]] == [other.key for other in others]
            assert [trial.position for trial in trials] == list(range(8))

    def test_fewer_are_refused_and_a_grid_has_no_number(self, tmp_path: Path) -> None:
        with begun(tmp_path / "s", search="random", trials=3, space=MIXED) as study:
            before = history(study)
            with pytest.raises(InputError, match="--trials 2 is less than the study's 3: it can only be extended"):
                extend_in(study, trials=2)
            assert history(study) == before
        with (
            begun(tmp_path / "grid", space=PAPER) as study,
            pytest.raises(InputError, match="is a grid: it grows with --space"),
        ):
            extend_in(study, trials=200)


NUMBERS = {"hidden_layers": Choice(((16,),)), "weight_decay": Uniform(1e-5, 1e-2, log=True)}


def grid(*rates: float) -> SearchSpace:
    return SearchSpace("grid", {"hidden_layers": Choice(((16,), (24, 16))), "learning_rate": Choice(rates)})


class TestALargerGrid:
    def test_is_the_one_asked_for_at_once(self, tmp_path: Path) -> None:
        with begun(tmp_path / "parts", space=grid(1e-3, 1e-2)) as study:
            train_in(study, World())
            extend_in(study, space=grid(1e-4, 1e-3, 1e-2))
            train_in(study, World())
            extended = history(study)
        with begun(tmp_path / "whole", space=grid(1e-4, 1e-3, 1e-2)) as study:
            train_in(study, World())
            assert history(study) == extended

    def test_one_that_lacks_points_is_refused_with_an_example(self, tmp_path: Path) -> None:
        with begun(tmp_path / "s", space=grid(1e-3, 1e-2)) as study:
            with pytest.raises(InputError, match=r'lacks 2 of the rows.*such as .*"learning_rate":0.01.*holds all'):
                extend_in(study, space=grid(1e-4, 1e-3))
            assert len(study.trials()) == 4

    def test_a_search_that_is_no_grid_is_refused(self, tmp_path: Path) -> None:
        with (
            begun(tmp_path / "s", search="random", trials=3, space=MIXED) as study,
            pytest.raises(InputError, match="--space goes with a grid.*give it more --trials"),
        ):
            extend_in(study, space=PAPER)


class TestRetry:
    @pytest.fixture
    def study(self, tmp_path: Path) -> Study:
        """One failed at epoch 3, another diverged at epoch 2."""
        rows = paper_trials(6, epochs=4)
        world = World(failing={rows[1].key: 3}, endings={rows[2].key: (2, "diverged")})
        study = create_study(tmp_path / "s", rows, scheduler="none", epochs=4)
        train_in(study, world)
        assert self.states(study) == {State.FAILED: 1, State.DIVERGED: 1, State.FINISHED: 4}
        return study

    def states(self, study: Study) -> dict[State, int]:
        found = [trial.state for trial in study.trials()]
        return {state: found.count(state) for state in set(found)}

    def row(self, study: Study, place: int) -> TrialRecord:
        return study.trials()[place]

    def test_what_failed_goes_on_and_what_diverged_begins_anew(self, study: Study) -> None:
        with study:
            trained = self.row(study, 1).epoch
            extend_in(study, retry="failed")
            assert self.row(study, 1).epoch == trained and self.row(study, 1).state is State.PENDING
            extend_in(study, retry="diverged")
            assert self.row(study, 2) == replace(self.row(study, 2), state=State.PENDING, epoch=0, checkpoint=None)
            assert not curves_of(study)[self.row(study, 2).key]
            train_in(study, World())
            assert self.states(study) == {State.FINISHED: 6}
            assert all(found == [1, 2, 3, 4] for found in curves_of(study).values())

    def test_one_by_its_id(self, study: Study) -> None:
        with study:
            extend_in(study, retry=self.row(study, 2).key.config_id)
            train_in(study, World())
            assert self.states(study) == {State.FAILED: 1, State.FINISHED: 5}

    def test_nothing_to_try_again_is_said(self, study: Study) -> None:
        with study:
            with pytest.raises(InputError, match="of the id 'faild' has failed or diverged"):
                extend_in(study, retry="faild")
            extend_in(study, retry="failed")
            with pytest.raises(InputError, match="no configuration of .* has failed"):
                extend_in(study, retry="failed")


@pytest.mark.slow
class TestUnderRay:
    """On real processes: the curves, states and ids of a study asked for at once, to the bit."""

    def test_a_search_by_one_worker_extended_twice(self, tmp_path: Path, small: Path) -> None:
        settings = {"space": str(small / "space.toml"), "search": "optuna", "epochs": EPOCHS, "scheduler": "none"}
        one, data = Resources(cpus=1), str(small / "tracks.csv")
        run_sweep(data, out=tmp_path / "parts", trials=3, resources=one, **settings)
        for trials in (6, 10):
            assert resume_sweep(tmp_path / "parts", trials=trials, resources=one).complete
        run_sweep(data, out=tmp_path / "whole", trials=10, resources=one, **settings)
        assert_frame_equal(curves(tmp_path / "parts"), curves(tmp_path / "whole"), check_exact=True)
        assert_frame_equal(outcome(tmp_path / "parts"), outcome(tmp_path / "whole"), check_exact=True)

    def test_a_grid_and_a_random_search(self, tmp_path: Path, small: Path, sweep: Sweep) -> None:
        smaller = write_space(tmp_path / "smaller.toml", SPACE.replace("[1e-2, 1e-3, 1e38]", "[1e-2, 1e38]"))
        wanted = {"epochs": EPOCHS, "scheduler": "none", "stack_size": 16}
        run_sweep(str(small / "tracks.csv"), out=tmp_path / "grid", space=smaller, **wanted)
        assert resume_sweep(tmp_path / "grid", space=small / "space.toml").complete
        assert_frame_equal(curves(tmp_path / "grid"), curves(sweep(stack_size=16)), check_exact=True)
        assert_frame_equal(outcome(tmp_path / "grid"), outcome(sweep(stack_size=16)), check_exact=True)
        drawn = {"space": small / "space.toml", "search": "random", **wanted}
        run_sweep(str(small / "tracks.csv"), out=tmp_path / "random", trials=3, **drawn)
        assert resume_sweep(tmp_path / "random", trials=7).complete
        run_sweep(str(small / "tracks.csv"), out=tmp_path / "all", trials=7, **drawn)
        assert_frame_equal(curves(tmp_path / "random"), curves(tmp_path / "all"), check_exact=True)
        assert_frame_equal(outcome(tmp_path / "random"), outcome(tmp_path / "all"), check_exact=True)
