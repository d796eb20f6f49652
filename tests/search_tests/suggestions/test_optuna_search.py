"""The Optuna search in simulated time: what it suggests, what it tells, and that a resumed one is the same search."""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState

from data.errors import InputError
from results.record.records import State, TrialKey, TrialRecord
from results.record.settings import StudySettings
from results.record.study import Study
from search.cli.texts.status import study_summary, summary_lines
from search.planning.trials import foreseen_trials, longest_budget, pending_trials, schedule_warning
from search.scheduling.ready import SegmentKey
from search.suggestions.optuna_search import GROUP, OptunaSearch, Told, judged
from search.suggestions.suggesting_coordinator import restored_search
from spaces import Choice, Configuration, SearchSpace, Uniform, load_space
from tests.support.examples import examples
from tests.support.simulated import World, create_study, curves_of, die, train_in

TINY = SearchSpace(
    "tiny",
    {
        "hidden_layers": Choice(((64, 32), (128, 16))),
        "dropout": Choice((0.3, 0.7)),
        "learning_rate": Choice((1e-3, 1e-4)),
        "clip_norm": Choice((None, 1.5)),
    },
)
NUMBERS = SearchSpace(
    "numbers",
    {
        "depth": Choice((1, 2, 3)),
        "width": Choice((256, 64, 128)),
        "batch_norm": Choice((True,)),
        "learning_rate": Uniform(1e-4, 1e-1, log=True),
        "dropout": Uniform(0.0, 0.8),
    },
)
SPACES = {"paper": load_space("paper"), "wide": load_space("wide"), "tiny": TINY, "numbers": NUMBERS}


def asked(space: str = "paper", trials: int = 24, **settings: Any) -> dict[str, Any]:
    """The settings of a search of few epochs."""
    common = {"search": "optuna", "scheduler": "asha", "reduction_factor": 2, "epochs": 8, "stack_size": 4}
    return {"space": SPACES[space], "trials": trials, **common, **settings}


class Learnable(World):
    """The nearer the learning rate is to 1e-3, and the longer it trains, the better."""

    def __init__(self, study: Study, **options: Any) -> None:
        super().__init__(score=self._score, seconds=0.0, **options)
        self._study = study
        self._known: dict[TrialKey, Configuration] = {}

    def _score(self, key: TrialKey, epoch: int) -> float:
        if key not in self._known:
            self._known = {trial.key: trial.configuration for trial in self._study.trials()}
        configuration = self._known[key]
        distance = abs(math.log10(configuration.learning_rate) + 3) + configuration.dropout
        return round(0.6 - 0.1 * distance - 0.1 / epoch, 3)


def searched(directory: Path, segments: int | None = None, slots: int = 1, **settings: Any) -> Study:
    """A search, to its end or so many segments on."""
    study = create_study(directory, (), **asked(**settings))
    train_in(study, Learnable(study), segments, slots=slots)
    return study


def history(study: Study) -> list[tuple[Any, ...]]:
    """All that a search has done, but not its segments."""
    curves = curves_of(study)
    return [(t.position, t.key, t.state, t.epoch, curves[t.key]) for t in study.trials()]


class TestSuggestions:
    @pytest.mark.parametrize("space", ["paper", "wide", "tiny", "numbers"])
    def test_as_many_as_asked_for_and_none_twice(self, tmp_path: Path, space: str) -> None:
        count = 14 if space == "tiny" else 24
        with searched(tmp_path / "s", space=space, trials=count) as study:
            trials = study.trials()
            assert len({trial.key.config_id for trial in trials}) == len(trials) == count
            assert [trial.position for trial in trials] == list(range(count))
            assert all(trial.state.is_final for trial in trials)
            assert {trial.state for trial in trials} == {State.STOPPED, State.FINISHED}
            for trial in trials:
                point = SPACES[space].values(trial.configuration)
                assert SPACES[space].build(lambda name, _, point=point: point[name]) == trial.configuration
                assert curves_of(study)[trial.key] == list(range(1, trial.epoch + 1))

    @pytest.mark.parametrize("space", ["paper", "wide"])
    def test_those_asked_at_once_form_a_stack(self, space: str) -> None:
        search = OptunaSearch(StudySettings(data="synthetic", **asked(space)))
        group = search.suggest(slots=2)
        assert len(group) == GROUP
        assert len({SegmentKey.of(trial) for trial in group}) == 1
        assert len({trial.key for trial in group}) == GROUP

    def test_groups_are_smaller_where_workers_would_wait(self) -> None:
        assert [len(OptunaSearch(StudySettings(data="", **asked(trials=24))).suggest(s)) for s in (2, 6, 100)] == [
            *(4, 2, 1)
        ]

    @pytest.mark.parametrize("sampler", ["tpe", "random", "cmaes"])
    def test_the_same_seed_brings_the_same_search_and_another_another(self, tmp_path: Path, sampler: str) -> None:
        runs = []
        for name, seed in (("one", 42), ("two", 42), ("three", 43)):
            with searched(tmp_path / name, space="numbers", sampler=sampler, seed=seed) as study:
                runs.append([(t.configuration, t.state, t.epoch) for t in study.trials()])
        assert runs[0] == runs[1] != runs[2]

    @pytest.mark.parametrize("sampler", ["tpe", "cmaes"])
    def test_learns(self, tmp_path: Path, sampler: str) -> None:
        """The later half is closer to what scores well than the earlier one; random draws are not."""
        means = {}
        for name in (sampler, "random"):
            with searched(tmp_path / name, space="numbers", sampler=name, trials=48, scheduler="none") as study:
                scores = [study.scores(8)[trial.key] for trial in study.trials()]
            means[name] = sum(scores[24:]) / 24 - sum(scores[:24]) / 24  # type: ignore[arg-type]
        assert means[sampler] > max(0.02, means["random"] + 0.01), means

    def test_a_gaussian_process_suggests_by_its_model(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """From ten configurations on that have ended, nothing is drawn at random; twice the same."""
        models: list[tuple[int, bool]] = []
        sound = optuna.samplers.GPSampler.sample_relative

        def noted(sampler: Any, study: Any, trial: Any, space: Any) -> Any:
            found = sound(sampler, study, trial, space)
            ended = sum(t.state is TrialState.COMPLETE for t in study.get_trials(deepcopy=False))
            models.append((ended, bool(space) and found.keys() == space.keys()))
            return found

        monkeypatch.setattr("optuna.samplers.GPSampler.sample_relative", noted)
        runs = []
        for name in ("one", "two"):
            settings = {"space": "numbers", "sampler": "gp", "scheduler": "none", "trials": 14, "epochs": 1}
            with searched(tmp_path / name, **settings) as study:
                runs.append([trial.configuration for trial in study.trials()])
        assert runs[0] == runs[1]
        assert {by_model for ended, by_model in models if ended >= 10} == {True}
        assert {by_model for ended, by_model in models if ended < 10} == {False}

    def test_what_is_in_training_changes_what_is_suggested(self) -> None:
        """The constant liar: points in training count as bad ones, so that others are suggested meanwhile."""
        points = SPACES["numbers"].sample(20, 3)
        curves = {TrialKey(point.config_id, 42): {8: 0.5 - point.dropout / 2} for point in points[:12]}

        def suggested(training: Sequence[Configuration]) -> Configuration:
            rows = [
                TrialRecord(
                    key=TrialKey(point.config_id, 42),
                    position=place,
                    configuration=point,
                    budget=8,
                    state=State.RUNNING if point in training else State.FINISHED,
                )
                for place, point in enumerate((*points[:12], *training))
            ]
            return OptunaSearch(StudySettings(data="", **asked("numbers")), rows, curves).suggest(2)[0].configuration

        elsewhere = suggested(points[12:])
        near = [replace(elsewhere, dropout=elsewhere.dropout + step / 1000) for step in range(1, 9)]
        assert suggested(near) != elsewhere

    @pytest.mark.parametrize("seed", [1, 2, 3])
    def test_the_last_point_of_a_grid_is_found(self, seed: int) -> None:
        choices = {"learning_rate": 20, "dropout": 15, "weight_decay": 15}
        values = {name: Choice(tuple((1 + i) / 32 for i in range(count))) for name, count in choices.items()}
        space = SearchSpace("many", {"hidden_layers": Choice(((8,),)), **values})
        points = space.sample(4_500, seed)
        rows = [
            TrialRecord(key=TrialKey(point.config_id, 42), position=place, configuration=point, budget=8)
            for place, point in enumerate(points[:-1])
        ]
        wanted = {**asked(trials=9_999), "space": space, "sampler": "random", "seed": seed}
        search = OptunaSearch(StudySettings(data="", **wanted), rows)
        assert [row.configuration for row in search.suggest(slots=2)] == [points[-1]]
        assert search.ran_out and search.suggest(slots=2) == []

    def test_an_exhausted_grid_ends_the_search(self, tmp_path: Path) -> None:
        with searched(tmp_path / "s", space="tiny", trials=500) as study:
            trials = study.trials()
            assert {t.configuration for t in trials} == set(TINY.configurations())
            search = restored_search(study)
            assert search.exhausted and search.answered, "it was on the way that points were suggested again"
            assert len(search.answered) < 500
            assert study.ran_out and search.ran_out
        (line,) = [line for line in summary_lines(study_summary(tmp_path / "s")) if "Optuna" in line]
        assert "16 of 500" in line and line.endswith("; the space has no other points")

    def test_a_search_that_gets_what_it_asked_for_has_not_run_out(self, tmp_path: Path) -> None:
        with searched(tmp_path / "s", space="tiny", trials=16) as study:
            assert len(study.trials()) == 16 and not study.ran_out
        assert not study_summary(tmp_path / "s")["ran_out"]

    def test_a_space_that_only_seems_large_ends_it_too(self, tmp_path: Path) -> None:
        """Widths are rounded: many tapers, few networks, and no list of them."""
        space = SearchSpace(
            "rounded", {"depth": Choice((2,)), "width": Choice((2,)), "taper": Uniform(0.5, 1.0)}, conditions={}
        )
        settings = {**asked(trials=50), "space": space}
        with create_study(tmp_path / "s", (), **settings) as study:
            train_in(study, World(), slots=1)
            assert {t.configuration.hidden_layers for t in study.trials()} <= {(2, 1), (2, 2)}
            assert all(t.state.is_final for t in study.trials())
            assert study.ran_out and restored_search(study).exhausted, "it is not asked again"


class TestResume:
    @examples(6)
    @given(
        st.sampled_from(["paper", "wide", "tiny"]),
        st.sampled_from(["asha", "none"]),
        st.lists(st.integers(1, 12), min_size=1, max_size=3),
        st.booleans(),
    )
    def test_equals_no_interruption(self, space: str, scheduler: str, stops: list[int], killed: bool) -> None:
        """One segment at a time, and nothing that depends on how long it takes."""
        wanted = {"space": space, "scheduler": scheduler, "trials": 14 if space == "tiny" else 16}
        with tempfile.TemporaryDirectory() as folder:
            with searched(Path(folder) / "whole", **wanted) as study:
                expected = history(study), restored_search(study).answered
            study = searched(Path(folder) / "parts", stops[0], **wanted)
            for segments in [*stops[1:], None]:
                if killed:
                    die(study)
                else:
                    study.close()
                study = Study.open_for_writing(Path(folder) / "parts")
                study.release_running()
                train_in(study, Learnable(study), segments, slots=1)
            with study:
                assert (history(study), restored_search(study).answered) == expected

    def test_the_next_suggestions_depend_on_the_record_alone(self, tmp_path: Path) -> None:
        for sampler in ("tpe", "random", "cmaes"):
            with searched(tmp_path / sampler, 9, space="numbers", sampler=sampler) as study:
                one, other = restored_search(study).suggest(2), restored_search(study).suggest(2)
                assert one and one == other


def row(state: State, seed: int = 1) -> TrialRecord:
    configuration = TINY.configurations()[0]
    key = TrialKey(configuration.config_id, seed)
    return TrialRecord(key=key, position=0, configuration=configuration, budget=8, state=state)


class TestTelling:
    @pytest.mark.parametrize("state", [State.FINISHED, State.EARLY_STOPPED])
    def test_what_trained_to_its_end_is_complete_with_its_best_epoch(self, state: State) -> None:
        told = judged([(row(state), {1: 0.25, 2: 0.5, 3: 0.375})])
        assert told == Told(TrialState.COMPLETE, 0.5, {1: 0.25, 2: 0.5, 3: 0.375})

    def test_what_a_rung_stopped_is_pruned_at_its_step(self) -> None:
        told = judged([(row(State.STOPPED), {1: 0.5, 2: 0.25})])
        assert told == Told(TrialState.PRUNED, 0.25, {1: 0.5, 2: 0.25})

    @pytest.mark.parametrize("state", [State.DIVERGED, State.FAILED])
    def test_what_came_to_nothing_ranks_last(self, state: State) -> None:
        assert judged([(row(state), {1: 0.9})]) == Told(TrialState.PRUNED, None, {})

    def test_repeats_are_told_by_their_mean(self) -> None:
        finished = [(row(State.FINISHED, 1), {1: 0.25, 2: 0.5}), (row(State.FINISHED, 2), {1: 0.75, 2: 0.25})]
        assert judged(finished) == Told(TrialState.COMPLETE, 0.625, {1: 0.5, 2: 0.375})
        stopped = [finished[0], (row(State.STOPPED, 2), {1: 0.75})]
        assert judged(stopped) == Told(TrialState.PRUNED, 0.5, {1: 0.5})

    def test_optuna_has_every_suggestion_with_its_state_and_steps(self, tmp_path: Path) -> None:
        with searched(tmp_path / "s", 12, space="paper", trials=24, slots=2) as study:
            search, trials = restored_search(study), {t.key.config_id: t for t in study.trials()}
            told = search._study().get_trials()
            curves = {key.config_id: epochs for key, epochs in curves_of(study).items()}
        assert list(dict.fromkeys(search._asked)) == list(trials)
        assert len(told) == len(trials) + len(search.answered)
        states = set()
        for config_id, trial in zip(search._asked, told, strict=True):
            state = trials[config_id].state
            states.add(state)
            if state is State.STOPPED:
                assert trial.state is TrialState.PRUNED and trial.last_step == trials[config_id].epoch
                assert trial.value == trial.intermediate_values[trials[config_id].epoch]
            elif state is State.FINISHED:
                assert trial.state is TrialState.COMPLETE and trial.value == max(trial.intermediate_values.values())
            else:
                assert trial.state is TrialState.RUNNING and not trial.intermediate_values
            if trial.state is not TrialState.RUNNING:
                assert list(trial.intermediate_values) == curves[config_id]
            known = dict(zip(trial.params, trial.params.values(), strict=True))
            assert known["hidden_layers"] == str(list(trials[config_id].configuration.hidden_layers))
        assert {State.STOPPED, State.FINISHED, State.RUNNING} <= states

    def test_those_that_come_to_nothing_do_not_stop_it(self, tmp_path: Path) -> None:
        settings = asked("tiny", trials=16)
        points = [TrialKey(point.config_id, 42) for point in TINY.configurations()]
        with create_study(tmp_path / "s", (), **settings) as study:
            world = Learnable(
                study, endings={points[0]: (1, "diverged"), points[5]: (3, "early_stopped")}, failing={points[9]: 1}
            )
            train_in(study, world, slots=2)
            states = {trial.key: trial.state for trial in study.trials()}
        assert len(states) == 16
        assert states[points[0]] is State.DIVERGED and states[points[9]] is State.FAILED


class TestSettings:
    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            (asked(trials=None), "--search optuna needs --trials"),
            (asked(scheduler="halving"), "halving waits at a rung"),
            (
                asked("paper", sampler="gp"),
                "trained to their end.*use --scheduler none",
            ),
            (asked("paper", sampler="cmaes"), "hidden_layers, batch_norm, optimizer"),
            (asked("wide", sampler="cmaes"), "taper, batch_norm, activation"),
            ({"sampler": "tpe"}, "--sampler goes with --search optuna"),
            ({"repeats": 0}, "repeats must be at least 1"),
        ],
    )
    def test_what_cannot_be_is_refused(self, settings: dict[str, Any], words: str) -> None:
        known = {"space": SPACES["paper"], **settings}
        with pytest.raises(InputError, match=words):
            pending_trials(StudySettings(data="synthetic", **known))

    def test_a_space_of_numbers_is_for_cmaes(self) -> None:
        assert pending_trials(StudySettings(data="synthetic", **asked("numbers", sampler="cmaes"))) == ()

    def test_random_points_stand_for_what_will_be_suggested(self) -> None:
        assert len(foreseen_trials(StudySettings(data="synthetic", **asked("wide", trials=9)))) == 9
        assert len(foreseen_trials(StudySettings(data="synthetic", **asked("tiny", trials=99)))) == 16

    def test_the_ladder_reaches_as_high_as_a_suggestion_may(self) -> None:
        full = {**asked(), "space": load_space("paper-full")}
        assert longest_budget(StudySettings(data="", **full)) == 50
        assert longest_budget(StudySettings(data="", **asked())) == 8
        grid = StudySettings(data="", space=full["space"])
        assert longest_budget(grid) is None
        assert replace(grid, search="optuna", trials=7, repeats=3).suggested == 21


@pytest.mark.parametrize(
    ("space", "epochs", "words"),
    [
        (load_space("paper"), 50, None),
        (load_space("wide"), 20, None),
        (load_space("wide"), 5, "take 20 epochs .* but trainings 5:"),
        (
            SearchSpace.from_toml(
                "[parameters]\nhidden_layers = [8]\nschedule = ['constant', 'cosine']\n"
                "schedule_epochs = {values = [5], when = {schedule = 'cosine'}}"
            ),
            5,
            None,
        ),
    ],
)
def test_a_schedule_of_another_length_than_the_training_is_told(
    space: SearchSpace, epochs: int, words: str | None
) -> None:
    warning = schedule_warning(space, epochs)
    assert warning is None if words is None else re.search(words, warning or "")
