"""Sweeps for real, under Ray, on a few made-up tracks."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pandas.testing import assert_frame_equal

from data.errors import InputError
from results.dataframes.frames import load_curves, load_trials
from results.record.records import State
from results.record.study import Study, StudyError
from search import resume_sweep, run_sweep
from search.planning.prepared_data import prepare
from search.scheduling.coordinator import Coordinator, Outcome
from search.studies.promotion import promote
from search.studies.sweep import Listener
from spaces import Choice, SearchSpace
from tests.search_tests.conftest import Sweep
from tests.search_tests.scheduling.test_rungs import TuneAsha
from tests.support.small import EPOCHS, HALVING, check_record, curves, outcome, verdicts
from trainables.checkpoint import load_model


class TestExhaustive:
    @pytest.mark.parametrize("stack_size", [pytest.param(1, marks=pytest.mark.slow), 5])
    def test_curves_are_equal_to_the_bit_whatever_the_stacks(self, sweep: Sweep, stack_size: int) -> None:
        one, other = sweep(stack_size=16), sweep(stack_size=stack_size)
        assert_frame_equal(curves(one), curves(other), check_exact=True)
        assert_frame_equal(outcome(one), outcome(other), check_exact=True)

    def test_the_stacks_were_of_these_sizes(self, sweep: Sweep) -> None:
        for stack_size, sizes in ((16, [6, 6]), (5, [5, 5, 1, 1]), (1, [1] * 12)):
            with Study.open(sweep(stack_size=stack_size)) as study:
                first = [segment for segment in study.segments() if segment.first_epoch == 1]
            assert sorted((len(segment.keys) for segment in first), reverse=True) == sizes
            assert {segment.error for segment in first} == {None}

    def test_every_configuration_ended_as_it_should(self, sweep: Sweep) -> None:
        check_record(sweep(stack_size=16))
        trials = load_trials(sweep(stack_size=16)).set_index("config_id")
        wild = trials["learning_rate"] > 1
        assert set(trials.loc[wild, "state"]) == {"diverged"}
        assert (trials.loc[wild, "epochs"] == 1).all()
        assert trials.loc[wild, "val_accuracy"].isna().all()
        tame = trials[~wild]
        assert set(tame["state"]) <= {"finished", "early_stopped"}
        assert ((tame["epochs"] == EPOCHS) | (tame["state"] == "early_stopped")).all()
        assert tame["val_accuracy"].max() > 0.25, "something is learned"

    def test_the_incumbent_scores_again_to_the_bit(self, sweep: Sweep) -> None:
        directory = sweep(stack_size=16)
        network, card = load_model(directory / "best")
        trials = load_trials(directory).set_index("config_id")
        best = trials.loc[card.configuration.config_id]
        assert best["val_accuracy"] == trials["val_accuracy"].max()
        assert card.provenance.config_id == card.configuration.config_id
        with Study.open(directory) as study:
            features = prepare(study.settings).features
            assert study.incumbent == card.configuration.config_id
        assert card.fingerprint == features.fingerprint and card.genres == features.genres
        with torch.inference_mode():
            predicted = network(torch.from_numpy(features.x_val)).argmax(1).numpy()
        assert (predicted == features.y_val).mean() == best["val_accuracy"]
        assert card.provenance.metrics["val_accuracy"] == best["val_accuracy"]

    def test_a_checkpoint_that_scores_otherwise_is_not_promoted(self, sweep: Sweep) -> None:
        with Study.open(sweep(stack_size=16)) as study:
            features = prepare(study.settings).features
            x = features.x_val.copy()
            x[:, :3] *= -1
            with pytest.raises(StudyError, match="scores .* but the record says"):
                promote(study, replace(features, x_val=x))

    def test_a_finished_study_is_left_as_it_is(self, sweep: Sweep) -> None:
        directory = sweep(stack_size=5)
        before = load_curves(directory)
        result = resume_sweep(directory)
        assert result.complete and result.epochs == 0
        assert_frame_equal(load_curves(directory), before)


class TestHalving:
    def test_stops_the_same_whatever_the_stacks(self, sweep: Sweep) -> None:
        one, other = sweep(**HALVING, stack_size=16), sweep(**HALVING, stack_size=2)
        assert verdicts(one) == verdicts(other)
        assert_frame_equal(curves(one), curves(other), check_exact=True)
        check_record(one)

    def test_curves_are_prefixes_of_the_exhaustive_ones(self, sweep: Sweep) -> None:
        _check_prefixes(sweep(**HALVING, stack_size=16), sweep(stack_size=16))

    def test_survivors_are_counted_by_hand(self, sweep: Sweep) -> None:
        """Twelve begin, four diverge at once; of the eight at rung 1 four go on, and at rung 2 half of who is left."""
        rows = verdicts(sweep(**HALVING, stack_size=16))
        at_one = [promoted for _, epoch, *_, promoted in rows if epoch == 1]
        assert (len(at_one), sum(at_one)) == (8, 4)
        at_two = [promoted for _, epoch, *_, promoted in rows if epoch == 2]
        assert len(at_two) <= 4 and sum(at_two) == max(1, len(at_two) // 2)


class TestAsha:
    def test_curves_are_prefixes_of_the_exhaustive_ones(self, sweep: Sweep) -> None:
        study = sweep(scheduler="asha", reduction_factor=2, stack_size=1)
        check_record(study)
        _check_prefixes(study, sweep(stack_size=16))

    def test_stops_as_tunes_own_scheduler_would_have(self, sweep: Sweep) -> None:
        """Told of the same curves, at the rungs in the same order; stacks of one."""
        directory = sweep(scheduler="asha", reduction_factor=2, stack_size=1)
        rows = load_curves(directory).set_index(["config_id", "epoch"])["val_accuracy"]
        tune = TuneAsha(1, 2, EPOCHS)
        with Study.open(directory) as study:
            decisions = study.decisions()
        assert {d.promoted for d in decisions} == {True, False}
        for d in decisions:
            assert d.score == rows[d.key.config_id, d.epoch]
            assert tune.goes_on(d.key, d.epoch, float(rows[d.key.config_id, d.epoch])) == d.promoted


def _check_prefixes(study: Path, exhaustive: Path) -> None:
    whole = curves(exhaustive).set_index(["config_id", "epoch"])
    found = curves(study).set_index(["config_id", "epoch"])
    assert_frame_equal(found, whole.loc[found.index], check_exact=True)
    assert len(found) < len(whole)


class TestResume:
    @pytest.mark.slow
    def test_more_epochs_go_on_to_the_curves_of_a_longer_study(self, sweep: Sweep, small: Path) -> None:
        short = sweep(epochs=2, stack_size=16)
        result = resume_sweep(short, epochs=EPOCHS)
        assert result.complete
        assert_frame_equal(curves(short), curves(sweep(stack_size=16)), check_exact=True)
        assert_frame_equal(
            outcome(short).drop(columns="budget"),
            outcome(sweep(stack_size=16)).drop(columns="budget"),
            check_exact=True,
        )
        with pytest.raises(InputError, match="can only be extended"):
            resume_sweep(short, epochs=1)

    def test_other_data_is_refused_with_what_differs(self, sweep: Sweep, small: Path) -> None:
        directory = sweep(stack_size=5)
        table = small / "tracks.csv"
        before = table.read_text()
        try:
            table.write_text("\n".join(before.splitlines()[:-10]) + "\n")
            with pytest.raises(InputError, match=r"(?s)cannot be resumed.*rows: the study has 400, now it is 390"):
                resume_sweep(directory)
        finally:
            table.write_text(before)
        with Study.open(directory) as study:
            assert not study.driver


class TestFailure:
    def test_a_member_that_cannot_be_trained_is_named_with_its_reason(
        self, ray_session: int, small: Path, tmp_path: Path
    ) -> None:
        """A width that no machine can address: its training raises, the others of the search finish."""
        space = tmp_path / "space.toml"
        space.write_text(
            'name = "too wide"\n[parameters]\n'
            "hidden_layers = [[16], [1000000000000000000]]\nlearning_rate = [1e-2, 1e-3]\n"
        )
        result = run_sweep(
            str(small / "tracks.csv"), out=tmp_path / "study", space=str(space), scheduler="halving", epochs=2
        )
        assert result.complete
        found = {state: count for state, count in result.states.items() if count}
        assert found == {State.FAILED: 2, State.FINISHED: 1, State.STOPPED: 1}
        failed = load_trials(tmp_path / "study").query("state == 'failed'")
        assert set(failed["hidden_layers"]) == {"1000000000000000000"}
        assert failed["reason"].str.startswith("RuntimeError: ").all(), failed["reason"].tolist()
        with Study.open(tmp_path / "study") as study:
            errors = [segment.error for segment in study.segments() if segment.error is not None]
        assert len(errors) == 6, "the stack twice, then each of its members twice"
        assert all("Traceback" in error for error in errors)


@pytest.mark.slow
def test_a_space_built_in_python(ray_session: int, small: Path, tmp_path: Path) -> None:
    space = SearchSpace("mine", {"hidden_layers": Choice(((8,), (4,))), "dropout": Choice((0.0, 0.25))})
    result = run_sweep(str(small / "tracks.csv"), out=tmp_path / "study", space=space, epochs=1)
    assert result.complete and set(load_trials(tmp_path / "study")["dropout"]) == {0.0, 0.25}
    with Study.open(tmp_path / "study") as study:
        assert study.settings.space == space


OPTUNA = {"search": "optuna", "trials": 8, "scheduler": "asha", "reduction_factor": 2, "stack_size": 4}


class TestOptuna:
    def test_tpe_to_its_end_with_the_curves_of_the_grid(self, sweep: Sweep) -> None:
        directory = sweep(**OPTUNA)
        trials = load_trials(directory)
        assert len(trials) == trials["config_id"].nunique() == 8
        assert set(trials["state"]) <= {"finished", "stopped", "early_stopped", "diverged"}
        assert (directory / "best" / "model.json").is_file()
        _check_prefixes(directory, sweep(stack_size=16))

    @pytest.mark.slow
    def test_an_interrupted_one_goes_on(self, sweep: Sweep, small: Path, tmp_path: Path) -> None:
        """Stopped after two segments, in this process; nothing that was committed is trained again."""

        class Impatient(Listener):
            segments = 0

            def started(self, study: Study, slots: int) -> None:
                assert study.trials() == [], "nothing is suggested before there are workers"

            def segment(self, coordinator: Coordinator, outcome: Outcome) -> None:
                self.segments += 1
                if self.segments == 2:
                    signal.raise_signal(signal.SIGINT)

        space, out = str(small / "space.toml"), tmp_path / "study"
        settings = {**OPTUNA, "epochs": EPOCHS}
        first = run_sweep(str(small / "tracks.csv"), out=out, space=space, listener=Impatient(), **settings)
        assert not first.complete
        before, suggested = load_curves(out), load_trials(out)["config_id"].tolist()
        assert 0 < len(suggested) < 8
        with pytest.raises(InputError, match="extended when it has ended"):
            resume_sweep(out, epochs=8)
        result = resume_sweep(out)
        assert result.complete and result.epochs == len(load_curves(out)) - len(before)
        trials = load_trials(out)
        assert trials["config_id"].tolist()[: len(suggested)] == suggested and len(trials) == 8
        after = load_curves(out).merge(before[["config_id", "epoch"]], on=["config_id", "epoch"])
        assert_frame_equal(after, before)
        _check_prefixes(out, sweep(stack_size=16))
        assert resume_sweep(out, epochs=EPOCHS + 2).complete
