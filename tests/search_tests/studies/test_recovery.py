"""What stands between a damaged or a freed checkpoint and a study that goes on."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pytest

from data.files import write_atomically
from results.dataframes.frames import load_trials
from results.record.records import CheckpointRef, CurveRow, State, TrialKey
from results.record.schema import METRICS
from results.record.study import Study
from search.scheduling.failures import WORKER_DIED, kind_of
from search.scheduling.segments import Segment
from search.studies.promotion import choose_incumbent
from search.studies.pruning import prune
from search.studies.recovery import clear_leftovers, revive, rewind, rewind_incumbent
from tests.support.simulated import World, create_study, curves_of, die, made_up_score, paper_trials, train_in
from trainables.segment_protocol import Failed


class Written(World):
    """A world whose segments leave a file."""

    def __init__(self, study: Study, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self._checkpoints = Path(study.checkpoints)

    def report(self, segment):  # type: ignore[no-untyped-def]
        file = f"{segment.segment_id}.safetensors"
        sha256 = write_atomically(self._checkpoints / file, segment.segment_id.encode())
        return replace(super().report(segment), checkpoint=file, sha256=sha256)


def begun(directory: Path, segments: int, **settings: object) -> Study:
    """A study of 6 configurations, some segments in; rungs at 1, 2, 4."""
    options = {"scheduler": "asha", "reduction_factor": 2, "epochs": 8, "stack_size": 2, **settings}
    study = create_study(directory, paper_trials(6), **options)
    train_in(study, Written(study), segments)
    return study


def farthest(study: Study) -> tuple[TrialKey, CheckpointRef]:
    """An unfinished configuration that has come far, and its checkpoint."""
    running = [t for t in study.trials() if not t.state.is_final and t.checkpoint is not None]
    trial = max(running, key=lambda t: t.epoch)
    assert trial.checkpoint is not None and trial.epoch >= 2
    return trial.key, trial.checkpoint


def trial_of(study: Study, key: TrialKey):  # type: ignore[no-untyped-def]
    return next(t for t in study.trials() if t.key == key)


class TestRewind:
    def test_nothing_damaged_nothing_changed(self, tmp_path: Path) -> None:
        with begun(tmp_path / "s", 6) as study:
            before = study.trials()
            assert rewind(study) == []
            assert study.trials() == before

    @pytest.mark.parametrize("damage", ["cut short", "another", "missing", "a folder"])
    def test_goes_back_to_the_newest_whole_one(
        self, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        with begun(tmp_path / "s", 6) as study:
            key, newest = farthest(study)
            path = Path(study.checkpoints) / newest.file
            content = path.read_bytes()
            path.unlink()
            if damage == "cut short":
                path.write_bytes(content[:-1])
            elif damage == "another":
                path.write_bytes(b"x" * len(content))
            elif damage == "a folder":
                path.mkdir()
            with caplog.at_level(logging.WARNING, logger="genresweep"):
                rewound = rewind(study)
            assert key in {t.key for t in rewound}
            back = trial_of(study, key)
            assert 1 <= back.epoch < newest.epoch and back.checkpoint.epoch == back.epoch
            assert (Path(study.checkpoints) / back.checkpoint.file).is_file()
            assert curves_of(study)[key] == list(range(1, back.epoch + 1))
            assert newest.file in caplog.text and f"goes back to epoch {back.epoch}" in caplog.text

    def test_to_the_start_where_none_is_whole_and_all_comes_out_as_before(self, tmp_path: Path) -> None:
        with begun(tmp_path / "whole", 10**6, scheduler="halving") as study:
            expected = {t.key: (t.state, t.epoch) for t in study.trials()}
        with begun(tmp_path / "s", 8, scheduler="halving") as study:
            decisions = study.decisions()
            assert decisions, "the case is about configurations that have passed a rung"
            for path in Path(study.checkpoints).iterdir():
                path.write_bytes(b"")
            unfinished = {t.key for t in study.trials() if not t.state.is_final and t.epoch}
            assert {t.key for t in rewind(study)} == unfinished
            assert all(t.epoch == 0 and t.checkpoint is None for t in study.trials() if t.key in unfinished)
            assert study.decisions() == decisions, "scores come out the same, so they stand"
            train_in(study, Written(study))
            assert {t.key: (t.state, t.epoch) for t in study.trials()} == expected
            assert all(curves_of(study)[key] == [*range(1, epoch + 1)] for key, (_, epoch) in expected.items())

    def test_what_has_ended_stays_as_it_is(self, tmp_path: Path) -> None:
        with begun(tmp_path / "s", 10**6) as study:
            for path in Path(study.checkpoints).iterdir():
                path.unlink()
            assert rewind(study) == []


class TestLogCutShort:
    @pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9, 1.0])
    def test_whole_commits_are_lost_and_trained_again(self, tmp_path: Path, share: float) -> None:
        """The tail of ``study.db-wal`` never reached the disk, or is rubbish."""
        with begun(tmp_path / "whole", 10**6, scheduler="halving"):
            pass
        study = begun(tmp_path / "s", 8, scheduler="halving")
        epochs = {t.key: t.epoch for t in study.trials()}
        database, log = tmp_path / "s" / "study.db", tmp_path / "s" / "study.db-wal"
        before, content = database.read_bytes(), log.read_bytes()
        die(study)  # closing it has emptied the log into the database
        database.write_bytes(before)
        kept = int(share * len(content))
        log.write_bytes(content[:kept] + b"\x01" * (len(content) - kept))
        with Study.open_for_writing(tmp_path / "s") as study:
            found = {t.key: t.epoch for t in study.trials()}
            assert all(found[key] <= epochs[key] for key in epochs) and (found == epochs) == (share == 1.0)
            assert curves_of(study) == {key: [*range(1, epoch + 1)] for key, epoch in found.items()}
            study.release_running()
            clear_leftovers(study)
            assert rewind(study) == []
            train_in(study, Written(study))
        pd_equal(tmp_path / "s", tmp_path / "whole")


class Starved(Written):
    """A world in which workers die that train some of the configurations."""

    starved: Collection[TrialKey] = ()
    reason = WORKER_DIED

    def failure(self, segment: Segment) -> Failed | None:
        failed = Failed(kind_of(self.reason), f"Traceback\n  ...\n{self.reason}")
        return failed if set(segment.keys) & set(self.starved) else None


class TestRevive:
    @pytest.mark.parametrize("scheduler", ["none", "halving"])
    @pytest.mark.parametrize("reason", [WORKER_DIED, "numpy._core._exceptions._ArrayMemoryError: Unable to allocate"])
    def test_on_a_sound_machine_all_ends_as_if_nothing_had_happened(
        self, tmp_path: Path, scheduler: str, reason: str
    ) -> None:
        with begun(tmp_path / "whole", 10**6, scheduler=scheduler):
            pass
        with begun(tmp_path / "s", 0, scheduler=scheduler) as study:
            world = Starved(study)
            world.starved, world.reason = [trial.key for trial in study.trials()], reason
            train_in(study, world)
            assert {(t.state, t.reason) for t in study.trials()} == {(State.FAILED, reason)}
            assert {t.key for t in revive(study)} == set(world.starved)
            train_in(study, Written(study))
            assert revive(study) == []
        pd_equal(tmp_path / "s", tmp_path / "whole")

    def test_who_comes_late_to_a_rung_is_judged_by_its_cutoff(self, tmp_path: Path) -> None:
        """Two of six die before the first rung: one that would have passed it, one that would not."""
        trials = sorted(paper_trials(6), key=lambda trial: made_up_score(trial.key, 1))
        starved = [trials[0].key, trials[-1].key]
        with begun(tmp_path / "s", 0, scheduler="halving") as study:
            world = Starved(study)
            world.starved = starved
            train_in(study, world)
            before = study.decisions()
            cutoff = next(d.cutoff for d in before if d.epoch == 1)
            assert cutoff is not None and made_up_score(starved[0], 1) < cutoff <= made_up_score(starved[1], 1)
            assert {t.key for t in revive(study)} == set(starved)
            train_in(study, Written(study))
            after = study.decisions()
            assert after[: len(before)] == before
            late = {d.key: d for d in after[len(before) :] if d.epoch == 1}
            assert {key: d.promoted for key, d in late.items()} == {starved[0]: False, starved[1]: True}
            assert {d.cutoff for d in late.values()} == {cutoff}
            assert all(t.state in (State.STOPPED, State.FINISHED) for t in study.trials())
            assert all(curves_of(study)[t.key] == [*range(1, t.epoch + 1)] for t in study.trials())

    def test_whose_training_raised_stays_failed(self, tmp_path: Path) -> None:
        with begun(tmp_path / "s", 0, scheduler="none") as study:
            world = Starved(study)
            world.starved, world.reason = [study.trials()[2].key], "ValueError: a bad member"
            train_in(study, world)
            assert revive(study) == []
            assert [t.reason for t in study.trials() if t.state is State.FAILED] == ["ValueError: a bad member"]


class TestIncumbentLost:
    @pytest.mark.parametrize("scheduler", ["asha", "halving"])
    @pytest.mark.parametrize("ended", [State.STOPPED, State.FINISHED])
    def test_it_is_trained_again_to_the_same_end(self, tmp_path: Path, scheduler: str, ended: State) -> None:
        """The rungs that had stopped it stop it again; nobody else is trained."""
        with begun(tmp_path / "s", 10**6, scheduler=scheduler) as study:
            trial = next(t for t in study.trials() if t.state is ended)
            make_best(study, trial.key, trial.epoch)
            expected = {t.key: (t.state, t.epoch, t.reason) for t in study.trials()}
            decisions = study.decisions()
            for path in Path(study.checkpoints).iterdir():
                path.write_bytes(b"")
            assert rewind_incumbent(study)
            back = trial_of(study, trial.key)
            assert back.state is State.PENDING and back.epoch == 0 and curves_of(study)[trial.key] == []
            before = {segment.segment_id for segment in study.segments()}
            train_in(study, Written(study))
            assert {t.key: (t.state, t.epoch, t.reason) for t in study.trials()} == expected
            assert study.decisions() == decisions
            again = {segment.keys for segment in study.segments() if segment.segment_id not in before}
            assert again == {(trial.key,)}
            make_best(study, trial.key, trial.epoch)
            assert not rewind_incumbent(study)

    def test_what_was_not_committed_is_cleared_away(self, tmp_path: Path) -> None:
        with begun(tmp_path / "s", 5) as study:
            before = {path.name for path in Path(study.checkpoints).iterdir()}
            for name in ("checkpoints/000009-ab.safetensors", "checkpoints/.1.safetensors.2.tmp", "best/.m.7.tmp"):
                write_atomically(study.directory / name, b"left")
            (study.directory / "notes.txt").write_text("mine")
            clear_leftovers(study)
            assert {path.name for path in Path(study.checkpoints).iterdir()} == before
            assert not list(study.directory.rglob("*.tmp")) and (study.directory / "notes.txt").exists()


def make_best(study: Study, key: TrialKey, epoch: int) -> None:
    row = CurveRow(key=key, epoch=epoch, **{**dict.fromkeys(METRICS, 1.0), "val_accuracy": 2.0})
    with study.transaction():
        study.forget_epochs({key: epoch - 1})
        study.add_curves([row])
    assert choose_incumbent(load_trials(study)) == key


class TestPrune:
    def test_keeps_what_can_be_trained_on_and_the_best_so_far(self, tmp_path: Path) -> None:
        """The best so far may be one that a rung has stopped since: it is still to be promoted."""
        with begun(tmp_path / "s", 8) as study:
            trials = study.trials()
            stopped = next(t for t in trials if t.state is State.STOPPED)
            with study.transaction():
                row = CurveRow(key=stopped.key, epoch=stopped.epoch, **dict.fromkeys(METRICS, 1.0))
                study.forget_epochs({stopped.key: stopped.epoch - 1})
                study.add_curves([row])
            assert choose_incumbent(load_trials(study)) == stopped.key
            files = len(list(Path(study.checkpoints).iterdir()))
        pruned = prune(tmp_path / "s")
        with Study.open(tmp_path / "s") as study:
            kept = {path.name for path in Path(study.checkpoints).iterdir()}
        assert pruned.files == files - len(kept) > 0
        assert stopped.checkpoint is not None and stopped.checkpoint.file in kept
        going = {t.checkpoint.file for t in trials if t.checkpoint and not t.state.is_final}
        assert going <= kept

    def test_a_pruned_study_goes_on_to_the_same_end(self, tmp_path: Path) -> None:
        for name in ("pruned", "left"):
            with begun(tmp_path / name, 6, scheduler="halving"):
                pass
            if name == "pruned":
                assert prune(tmp_path / name).files > 0
            with Study.open_for_writing(tmp_path / name) as study:
                assert rewind(study) == []
                train_in(study, Written(study))
        pd_equal(tmp_path / "pruned", tmp_path / "left")

    def test_only_the_incumbents_is_left_where_that_is_asked_for(self, tmp_path: Path) -> None:
        with begun(tmp_path / "s", 10**6) as study:
            trials = {trial.key: trial for trial in study.trials()}
            best = choose_incumbent(load_trials(study))
        assert best is not None
        prune(tmp_path / "s", keep_finished=False)
        kept = trials[best].checkpoint
        assert kept is not None
        assert [path.name for path in (tmp_path / "s" / "checkpoints").iterdir()] == [kept.file]

    def test_keeps_what_a_sound_machine_may_train_on(self, tmp_path: Path) -> None:
        with begun(tmp_path / "s", 4, scheduler="halving") as study:
            trial = next(t for t in study.trials() if t.epoch and not t.state.is_final)
            assert trial.checkpoint is not None
            with study.transaction():
                study.update_trials([replace(trial, state=State.FAILED, reason=WORKER_DIED)])
        prune(tmp_path / "s", keep_finished=False)
        assert (tmp_path / "s" / "checkpoints" / trial.checkpoint.file).is_file()

    def test_half_written_files_go_too(self, tmp_path: Path) -> None:
        with begun(tmp_path / "s", 4) as study:
            (Path(study.checkpoints) / ".000009.safetensors.1.tmp").write_bytes(b"half")
        prune(tmp_path / "s")
        assert not list((tmp_path / "s" / "checkpoints").glob(".*"))


def pd_equal(one: Path, other: Path) -> None:
    assert load_trials(one).drop(columns="seconds").equals(load_trials(other).drop(columns="seconds"))


class TestIncumbent:
    def test_best_accuracy_then_the_earlier_epoch_then_the_smaller_network_then_the_earlier_place(
        self, tmp_path: Path
    ) -> None:
        trials = paper_trials(192)
        with create_study(tmp_path / "s", trials, scheduler="none", epochs=8) as study:
            frame = load_trials(study)
        assert choose_incumbent(frame) is None
        frame["val_accuracy"], frame["best_epoch"] = 0.5, 3
        small = frame.index[frame["hidden_layers"] == "16-16-16"]
        assert choose_incumbent(frame) == trials[small[0]].key
        frame.loc[100, "best_epoch"] = 2
        assert choose_incumbent(frame) == trials[100].key
        frame.loc[150, "val_accuracy"] = 0.6
        assert choose_incumbent(frame) == trials[150].key
        frame.loc[150, "val_accuracy"] = float("nan")
        assert choose_incumbent(frame) == trials[100].key
