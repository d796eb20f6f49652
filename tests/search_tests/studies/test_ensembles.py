"""Ensembles of real sweeps: chosen from the record, predicting without it, the same whatever happened on the way."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.errors import InputError, InputWarning
from results.dataframes.ensembles import load_ensemble, load_judgements
from results.dataframes.frames import load_trials
from results.judging.ensemble import ENSEMBLE, Ensemble
from results.record.records import TrialKey
from results.record.study import Study
from search import resume_sweep, run_sweep
from search.cli.main import run
from search.planning.prepared_data import prepare
from search.studies.ensembles.choosing import keep_or_assemble
from search.studies.ensembles.library import Library, true_probabilities
from search.studies.ensembles.several import ensemble_of
from search.studies.pruning import prune
from tests.search_tests.conftest import Sweep
from trainables.ensemble import load_members, save_ensemble
from trainables.inference import predict

HELD = {"stack_size": 5, "holdout": 0.25}
WITHOUT = {**HELD, "seed": 43, "epochs": 1, "ensemble": False}


def ensemble(study: Path) -> Ensemble:
    with Study.open(study) as opened:
        found = opened.ensemble
    assert found is not None
    return found


def copied(study: Path, folder: Path) -> Path:
    return Path(shutil.copytree(study, folder / "study"))


def index(study: Path) -> bytes:
    return (study / ENSEMBLE / "ensemble.json").read_bytes()


class TestASweep:
    def test_its_members_are_recorded_networks_at_their_best_epochs(self, sweep: Sweep) -> None:
        study = sweep(**HELD)
        found, trials = ensemble(study), load_trials(study).set_index(["config_id", "seed"])
        assert sum(member.share for member in found.members) == pytest.approx(1)
        assert found.candidates == trials["val_accuracy"].notna().sum() and not found.left_out
        assert [member.epoch for member in found.members] == [
            trials.loc[(member.config_id, member.seed), "best_epoch"] for member in found.members
        ]
        assert len(load_members(study / ENSEMBLE)) == len(found.members) > 1

    def test_it_is_judged_as_it_predicts(self, sweep: Sweep) -> None:
        study = sweep(**HELD)
        with Study.open(study) as opened:
            judged = {one.side: one for one in opened.judgements if one.model == ENSEMBLE}
            prepared = prepare(opened.settings)
        predicted = predict(study / ENSEMBLE, prepared.tracks)
        genres, features = predicted["playlist_genre"].to_numpy(), prepared.features
        for side, rows in (("validation", prepared.split.val), ("holdout", prepared.split.holdout)):
            right = genres[rows] == prepared.tracks.genres[rows]
            assert judged[side].accuracy == pytest.approx(right.mean())
            columns = [f"probability_{genre}" for genre in features.genres]
            y = features.y_val if side == "validation" else features.y_holdout
            chosen = predicted[columns].to_numpy()[rows][np.arange(len(rows)), y]
            assert judged[side].log_loss == pytest.approx(-np.log(chosen).mean(), rel=1e-4)

    def test_dataframes_say_the_same(self, sweep: Sweep) -> None:
        study = sweep(**HELD)
        frame, judged = load_ensemble(study), load_judgements(study)
        assert frame.to_dict("records") == [vars(member) for member in ensemble(study).members]
        assert set(zip(judged["model"], judged["side"], strict=True)) == {
            (model, side) for model in ("best", ENSEMBLE) for side in ("validation", "holdout")
        }
        assert load_ensemble(sweep(**WITHOUT)).dtypes.to_dict() == frame.dtypes.to_dict()

    def test_it_loses_less_on_the_validation_rows_than_the_incumbent(self, sweep: Sweep) -> None:
        with Study.open(sweep(**HELD)) as opened:
            losses = {one.model: one.log_loss for one in opened.judgements if one.side == "validation"}
        assert losses[ENSEMBLE] < losses["best"]

    @pytest.mark.slow
    def test_stacks_of_another_size_give_the_same_to_the_bit(self, sweep: Sweep) -> None:
        one, other = sweep(**HELD), sweep(**HELD | {"stack_size": 16})
        assert ensemble(one).digests == ensemble(other).digests
        assert index(one) == index(other)

    def test_it_can_be_left_out(self, sweep: Sweep) -> None:
        study = sweep(**WITHOUT)
        assert not (study / ENSEMBLE).exists()
        with Study.open(study) as opened:
            assert opened.ensemble is None


class TestLater:
    def test_a_resume_leaves_a_sound_one_alone(self, sweep: Sweep, tmp_path: Path) -> None:
        study = copied(sweep(**HELD), tmp_path)
        before = (study / ENSEMBLE / "ensemble.json").stat()
        assert resume_sweep(study).ensemble == ensemble(study)
        after = (study / ENSEMBLE / "ensemble.json").stat()
        assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)

    def test_a_folder_that_is_not_the_recorded_one_is_written_again(self, sweep: Sweep, tmp_path: Path) -> None:
        """Such as a command leaves that is killed between the folder and the record."""
        study = copied(sweep(**HELD), tmp_path)
        before = index(study)
        with Study.open(study) as opened:
            members = load_members(study / ENSEMBLE)
            directories = sorted((study / ENSEMBLE / "members").iterdir())
            assert opened.ensemble is not None and len(members) == len(directories) > 1
        save_ensemble(study / ENSEMBLE, {"one": 1.0}, lambda name, place: shutil.copytree(directories[0], place))
        assert index(study) != before
        resume_sweep(study)
        assert index(study) == before

    def test_more_epochs_give_another_one(self, sweep: Sweep, tmp_path: Path) -> None:
        study = copied(sweep(**HELD | {"epochs": 2}), tmp_path)
        before = ensemble(study)
        found = resume_sweep(study, epochs=3).ensemble
        assert found == ensemble(study) and found is not None and found.digests != before.digests
        best = load_trials(study).set_index(["config_id", "seed"])["best_epoch"]
        assert [one.epoch for one in found.members] == [best[one.config_id, one.seed] for one in found.members]
        assert len(load_members(study / ENSEMBLE)) == len(found.members)

    def test_a_resume_mends_a_damaged_one_to_the_same_bits(self, sweep: Sweep, tmp_path: Path) -> None:
        study = copied(sweep(**HELD), tmp_path)
        before = index(study)
        member = next((study / ENSEMBLE / "members").iterdir())
        (member / "model.safetensors").write_bytes(b"damaged")
        resume_sweep(study)
        assert index(study) == before and load_members(study / ENSEMBLE)

    def test_a_lost_checkpoint_is_left_out_and_said(self, sweep: Sweep, tmp_path: Path) -> None:
        study = copied(sweep(**HELD), tmp_path)
        with Study.open(study) as opened:
            trials = {trial.key: trial for trial in opened.trials()}
            first = ensemble(study).members[0]
            checkpoint = trials[TrialKey(first.config_id, first.seed)].checkpoint
        assert checkpoint is not None
        (study / "checkpoints" / checkpoint.file).write_bytes(b"damaged")
        before = index(study)
        with pytest.raises(InputError, match="is kept as it is.*checkpoints are gone.*delete"):
            ensemble_of([study])
        assert index(study) == before
        shutil.rmtree(study / ENSEMBLE)
        lost = [trial.key for trial in trials.values() if trial.checkpoint and trial.checkpoint.file == checkpoint.file]
        _, found = ensemble_of([study])
        scored = load_trials(study).dropna(subset=["val_accuracy"])["config_id"]
        said = {f"{key.config_id}-{key.seed}" for key in lost if key.config_id in set(scored)}
        assert {sentence.partition(":")[0] for sentence in found.left_out} == said
        assert not said & {f"{member.config_id}-{member.seed}" for member in found.members}
        assert all("is damaged" in sentence for sentence in found.left_out)

    def test_a_network_that_does_not_score_as_recorded_is_left_out(self, sweep: Sweep, tmp_path: Path) -> None:
        study = copied(sweep(**HELD), tmp_path)
        with Study.open(study) as opened:
            features = prepare(opened.settings).features
            networks = Library(opened, replace(features, x_val=-5 * features.x_val)).networks
            left_out: list[str] = []
            assert not list(true_probabilities(networks, left_out))
        assert len(left_out) == len(networks) and all("does not score as recorded" in one for one in left_out)

    def test_one_that_cannot_be_chosen_again_is_forgotten(self, sweep: Sweep, tmp_path: Path) -> None:
        study = copied(sweep(**HELD), tmp_path)
        prune(study, keep_finished=False)
        assert resume_sweep(study).ensemble == ensemble(study), "its members lie in its own folder"
        shutil.rmtree(study / ENSEMBLE)
        for checkpoint in (study / "checkpoints").iterdir():  # that of the incumbent alone is trained again
            checkpoint.unlink()
        with pytest.warns(InputWarning, match="too few checkpoints are left"):
            assert resume_sweep(study).ensemble is None
        with Study.open(study) as opened:
            assert opened.ensemble is None and {one.model for one in opened.judgements} == {"best"}

    def test_one_that_is_older_than_the_networks_is_kept_and_said(self, sweep: Sweep, tmp_path: Path) -> None:
        """Such as ``resume --epochs`` finds after ``prune``: what it trains on is too little to choose from."""
        study = copied(sweep(**HELD), tmp_path)
        shutil.rmtree(study / "checkpoints")
        with Study.open_for_writing(study) as opened:
            older = replace(ensemble(study), digests=("of other networks",))
            with opened.transaction():
                opened.add_ensemble(older, ())
            with pytest.warns(InputWarning, match="stays as it was chosen before"):
                assert keep_or_assemble(opened, prepare(opened.settings).features) == older

    @pytest.mark.slow
    def test_one_network_is_no_ensemble(self, small: Path, tmp_path: Path, ray_session: int) -> None:
        (tmp_path / "one.toml").write_text('name = "one"\n[parameters]\nhidden_layers = [[8]]\n')
        result = run_sweep(str(small / "tracks.csv"), out=tmp_path / "one", space=str(tmp_path / "one.toml"), epochs=1)
        assert result.ensemble is None and not (tmp_path / "one" / ENSEMBLE).exists()
        assert re.fullmatch(r".*/one: 1 finished, 1 epochs in [\d.]+ s; best 0\.\d{4} \(\S+\)", str(result))
        with pytest.raises(InputError, match="at least two networks"):
            ensemble_of([tmp_path / "one"])


class TestSeveral:
    def test_networks_of_two_sweeps_on_the_same_rows(self, sweep: Sweep, tmp_path: Path) -> None:
        study, other = copied(sweep(**HELD), tmp_path), sweep(**HELD | {"epochs": 2})
        _, found = ensemble_of([study, other])
        assert found.candidates == 2 * ensemble(other).candidates and len(found.digests) == 2
        assert {path.name[:2] for path in (study / ENSEMBLE / "members").iterdir()} <= {"1-", "2-"}
        assert resume_sweep(study).ensemble == found, "a resume leaves it alone"
        shutil.rmtree(study / ENSEMBLE)
        with pytest.warns(InputWarning, match="the ensemble of 2 studies is chosen anew"):
            assert len(resume_sweep(study).ensemble.digests) == 1

    def test_a_copy_is_no_other_study(self, sweep: Sweep, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="hold the same networks"):
            ensemble_of([copied(sweep(**HELD), tmp_path), sweep(**HELD)])

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("seed", 43),
            pytest.param("holdout", 0.2, marks=pytest.mark.slow),
            pytest.param("split", "album", marks=pytest.mark.slow),
        ],
    )
    def test_other_rows_are_refused(self, sweep: Sweep, tmp_path: Path, name: str, value: object) -> None:
        study = copied(sweep(**HELD), tmp_path)
        other = sweep(**WITHOUT) if name == "seed" else sweep(**HELD | {name: value, "epochs": 1})
        before = index(study)
        with pytest.raises(InputError, match=f"cannot stand in one ensemble.*\n  - {name}: .* and {value}"):
            ensemble_of([study, other])
        assert index(study) == before

    @pytest.mark.slow
    def test_another_table_is_refused_by_its_name_and_rows(self, sweep: Sweep, small: Path, tmp_path: Path) -> None:
        lines = (small / "tracks.csv").read_text().splitlines(keepends=True)
        (tmp_path / "other.csv").write_text("".join(lines[:-1]))
        space, settings = str(small / "space.toml"), HELD | {"scheduler": "none", "epochs": 1}
        result = run_sweep(str(tmp_path / "other.csv"), out=tmp_path / "other", space=space, **settings)
        with pytest.raises(
            InputError, match=r"\n  - rows: [\d,]+ of .*tracks.csv \(\w{12}\) and [\d,]+ of .*other.csv"
        ):
            ensemble_of([copied(sweep(**HELD), tmp_path), result.directory])

    def test_a_study_is_named_once(self, sweep: Sweep) -> None:
        with pytest.raises(InputError, match="given twice"):
            ensemble_of([sweep(**HELD), sweep(**HELD)])


class TestTheCommand:
    def test_it_says_what_it_gains_in_words_and_as_json(
        self, sweep: Sweep, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        study = copied(sweep(**HELD), tmp_path)
        assert run(["ensemble", str(study)]) == 0
        said = capsys.readouterr().out
        assert f"the ensemble of {len(ensemble(study).members)} network" in said and "held-out rows: accuracy" in said
        assert run(["ensemble", str(study), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found.pop("directory") == str(study / ENSEMBLE)
        assert Ensemble.from_json(found) == ensemble(study)

    def test_what_cannot_be_a_folder_is_said_with_the_way_out(
        self, sweep: Sweep, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        study = copied(sweep(**HELD), tmp_path)
        shutil.rmtree(study / ENSEMBLE)
        (study / ENSEMBLE).write_text("a file")
        assert run(["ensemble", str(study)]) == 2
        said = capsys.readouterr().err
        assert "cannot be written" in said and "delete it, then go on with genresweep resume" in said

    def test_a_prediction_does_not_replace_its_model(
        self, sweep: Sweep, small: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        model = sweep(**HELD) / ENSEMBLE
        assert run(["predict", str(model), str(small / "tracks.csv"), "-o", str(model / "ensemble.json")]) == 2
        assert "lies in the model's own directory" in capsys.readouterr().err and load_members(model)

    @pytest.mark.parametrize("arguments", [["no-study"], []])
    def test_without_a_study(self, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        assert run(["ensemble", *arguments]) == 2
        assert capsys.readouterr().err
