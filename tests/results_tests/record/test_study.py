from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data.errors import InputError
from results.dataframes.frames import load_curves, load_trials
from results.record.manifest import DataFacts, Manifest
from results.record.records import CheckpointRef, CurveRow, Decision, SegmentRecord, State, TrialKey, TrialRecord
from results.record.schema import METRICS, create_database
from results.record.settings import StudySettings
from results.record.study import Study, StudyError
from spaces import Choice, Configuration, SearchSpace

ROOT = Path(__file__).parents[3]
SPACE = SearchSpace("s", {"hidden_layers": Choice(((8,),))})


def some_trials(count: int = 3) -> tuple[TrialRecord, ...]:
    points = [Configuration(hidden_layers=(8 + n,), clip_norm=0.5 if n else None) for n in range(count)]
    return tuple(
        TrialRecord(key=TrialKey(point.config_id, 42), position=place, configuration=point, budget=4)
        for place, point in enumerate(points)
    )


def manifest() -> Manifest:
    return Manifest(
        settings=StudySettings(data="synthetic", space=SPACE, epochs=4),
        data=DataFacts.from_mapping(
            {"source": "made up", "synthetic": True, "inputs": ["tempo"], "genres": ["pop", "rock"]}
        ),
        versions={"genresweep": "0"},
        semantics=1,
        created="2026-01-01T00:00:00+00:00",
    )


def new_study(directory: Path, count: int = 3) -> Study:
    return Study.create(directory, manifest(), some_trials(count))


def row(key: TrialKey, epoch: int, accuracy: float = 0.5) -> CurveRow:
    return CurveRow(key=key, epoch=epoch, **{**dict.fromkeys(METRICS, 1.0), "val_accuracy": accuracy})


def segment(number: int, keys: tuple[TrialKey, ...]) -> SegmentRecord:
    return SegmentRecord(
        segment_id=f"{number:06d}",
        keys=keys,
        first_epoch=1,
        last_epoch=1,
        seconds=1.0,
        host="h",
        started=0.0,
        checkpoint=f"{number:06d}.safetensors",
        sha256="ab",
    )


class TestCreate:
    def test_what_was_written_is_read_back(self, tmp_path: Path) -> None:
        new_study(tmp_path / "s").close()
        with Study.open(tmp_path / "s") as study:
            assert tuple(study.trials()) == some_trials()
            assert study.manifest == manifest()
            assert study.settings == manifest().settings

    @pytest.mark.parametrize("kind", ["directory", "file", "study"])
    def test_something_of_that_name_is_refused_and_left_alone(self, tmp_path: Path, kind: str) -> None:
        path = tmp_path / "s"
        if kind == "directory":
            path.mkdir()
            (path / "note.txt").write_text("mine")
        elif kind == "file":
            path.write_text("mine")
        else:
            new_study(path).close()
        before = sorted(p.name for p in tmp_path.rglob("*"))
        with pytest.raises(InputError, match="genresweep resume" if kind == "study" else "holds no study: choose"):
            new_study(path)
        assert sorted(p.name for p in tmp_path.rglob("*")) == before

    def test_who_is_writing_what_exists_is_named(self, tmp_path: Path) -> None:
        with (
            new_study(tmp_path / "s"),
            pytest.raises(InputError, match=f"exists already and is being written by process {os.getpid()} on "),
        ):
            new_study(tmp_path / "s")

    def test_the_slower_of_two_makers_hears_of_the_other(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Both have found the place free, and one has its study there when the other is about to."""

        def overtaken(*arguments: Any) -> None:
            monkeypatch.undo()
            shutil.copytree(tmp_path / "elsewhere", tmp_path / "s")
            winner.append(Study.open_for_writing(tmp_path / "s"))
            create_database(*arguments)

        winner: list[Study] = []
        new_study(tmp_path / "elsewhere").close()
        monkeypatch.setattr("results.record.study.create_database", overtaken)
        with pytest.raises(InputError, match=f"is being written by process {os.getpid()} on "):
            new_study(tmp_path / "s")
        winner[0].close()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere", "s"]

    def test_what_a_killed_maker_has_left_is_deleted(self, tmp_path: Path) -> None:
        ended = subprocess.Popen(["true"])
        ended.wait()
        left = [f".s.{socket.gethostname()}-{ended.pid}.tmp", f".t.{socket.gethostname()}-{ended.pid}.tmp"]
        others = [f".s.{socket.gethostname()}-{os.getppid()}.tmp", f".s.other-{ended.pid}.tmp"]
        for name in (*left, *others):
            (tmp_path / name / "checkpoints").mkdir(parents=True)
        new_study(tmp_path / "s").close()
        assert {path.name for path in tmp_path.iterdir()} == {"s", left[1], *others}

    def test_whole_or_not_at_all(self, tmp_path: Path) -> None:
        twice = (*some_trials(), some_trials()[0])
        with pytest.raises(InputError, match="cannot be created"):
            Study.create(tmp_path / "s", manifest(), twice)
        assert list(tmp_path.iterdir()) == []

    def test_nothing_stays_where_its_maker_is_interrupted(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupt(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("results.record.study.create_database", interrupt)
        with pytest.raises(KeyboardInterrupt):
            new_study(tmp_path / "s")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
    def test_a_place_that_cannot_be_written_is_wrong_input(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o500)
        with pytest.raises(InputError, match="cannot be created"):
            new_study(tmp_path / "s")

    def test_a_file_in_the_way_of_the_folder_is_wrong_input(self, tmp_path: Path) -> None:
        (tmp_path / "runs").write_text("")
        with pytest.raises(InputError, match="cannot be created"):
            new_study(tmp_path / "runs" / "s")


class TestTransaction:
    def test_all_or_nothing(self, tmp_path: Path) -> None:
        first, *_ = some_trials()
        with new_study(tmp_path / "s") as study:
            with study.transaction():
                study.add_segment(segment(1, (first.key,)))
            with pytest.raises(StudyError, match="cannot be written"), study.transaction():
                study.add_curves([row(first.key, 1)])
                study.add_decisions([Decision(key=first.key, epoch=1, score=0.5, cutoff=None, promoted=True)])
                study.update_trials([replace(first, epoch=1)])
                study.add_segment(segment(1, (first.key,)))
            assert load_curves(study).empty
            assert study.decisions() == []
            assert tuple(study.trials()) == some_trials()

    def test_an_epoch_is_written_once(self, tmp_path: Path) -> None:
        key = some_trials()[0].key
        with new_study(tmp_path / "s") as study:
            with study.transaction():
                study.add_curves([row(key, 1)])
            with pytest.raises(StudyError), study.transaction():
                study.add_curves([row(key, 1)])

    def test_every_field_of_a_trial_and_of_a_decision_survives(self, tmp_path: Path) -> None:
        trial = replace(
            some_trials()[1],
            state=State.STOPPED,
            reason="because",
            epoch=3,
            budget=9,
            checkpoint=CheckpointRef(file="f", sha256="s", row=2, epoch=3),
        )
        decisions = [
            Decision(key=trial.key, epoch=2, score=None, cutoff=0.25, promoted=False),
            Decision(key=trial.key, epoch=1, score=0.125, cutoff=None, promoted=True),
        ]
        with new_study(tmp_path / "s") as study, study.transaction():
            study.update_trials([trial])
            study.add_decisions(decisions)
        with Study.open(tmp_path / "s") as study:
            assert study.trials()[1] == trial
            assert study.decisions() == decisions

    def test_segment_numbers_go_on_after_the_highest(self, tmp_path: Path) -> None:
        key = some_trials()[0].key
        with new_study(tmp_path / "s") as study:
            assert study.last_segment_number() == 0
            with study.transaction():
                study.add_segment(segment(2, (key,)))
                study.add_segment(segment(1_000_001, (key,)))
            assert study.last_segment_number() == 1_000_001


@contextmanager
def held(directory: Path) -> Iterator[int]:
    """Another process that drives the study; its process id."""
    code = (
        "import sys; from pathlib import Path; from results.record.study import Study\n"
        "with Study.open_for_writing(Path(sys.argv[1])) as study:\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(directory)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        try:
            yield process.pid
        finally:
            process.kill()


class TestOneDriver:
    def test_a_second_one_is_refused_with_the_holder_named(self, tmp_path: Path) -> None:
        new_study(tmp_path / "s").close()
        with held(tmp_path / "s") as pid:
            with pytest.raises(InputError, match=rf"being written by process {pid} on "):
                Study.open_for_writing(tmp_path / "s")
            with Study.open(tmp_path / "s") as study:
                assert len(study.trials()) == 3
        with Study.open_for_writing(tmp_path / "s") as study:
            assert study.driver.startswith(f"process {os.getpid()} on ")

    def test_a_second_one_in_the_same_process_is_refused_too(self, tmp_path: Path) -> None:
        with new_study(tmp_path / "s"), pytest.raises(InputError, match="being written by"):
            Study.open_for_writing(tmp_path / "s")

    def test_readers_see_each_commit_while_it_writes(self, tmp_path: Path) -> None:
        first, second, _ = some_trials()
        with new_study(tmp_path / "s") as study, Study.open(tmp_path / "s") as reader:
            for epoch, key in ((1, first.key), (1, second.key), (2, first.key)):
                seen = len(load_curves(reader))
                with study.transaction():
                    study.add_curves([row(key, epoch)])
                    assert len(load_curves(reader)) == seen, "what is not committed is not seen"
                assert len(load_curves(reader)) == seen + 1
            study.mark_running([first.key])
            assert list(load_trials(tmp_path / "s")["state"]) == ["running", "pending", "pending"]


class TestClosing:
    def test_leaves_one_file_that_opens_from_a_read_only_place(self, tmp_path: Path) -> None:
        with new_study(tmp_path / "s") as study, study.transaction():
            study.add_curves([row(some_trials()[0].key, 1)])
        assert sorted(p.name for p in (tmp_path / "s").iterdir()) == ["checkpoints", "manifest.json", "study.db"]
        elsewhere = shutil.copytree(tmp_path / "s", tmp_path / "copy")
        for path in (elsewhere / "study.db", elsewhere):
            path.chmod(0o555 if path.is_dir() else 0o444)
        try:
            assert len(load_curves(elsewhere)) == 1
            assert sorted(p.name for p in elsewhere.iterdir()) == ["checkpoints", "manifest.json", "study.db"]
        finally:
            elsewhere.chmod(0o755)

    def test_a_reader_that_stays_does_not_fail_the_driver(self, tmp_path: Path) -> None:
        study = new_study(tmp_path / "s")
        with Study.open(tmp_path / "s") as reader:
            assert len(reader.trials()) == 3
            study.close()
            assert len(reader.trials()) == 3
        with Study.open_for_writing(tmp_path / "s") as again:
            assert len(again.trials()) == 3

    def test_after_a_kill_what_was_committed_is_there(self, tmp_path: Path) -> None:
        code = (
            "import os, signal, sys; from pathlib import Path; from tests.results_tests.record.test_study import *\n"
            "study = new_study(Path(sys.argv[1])); key = some_trials()[0].key\n"
            "with study.transaction(): study.add_curves([row(key, 1)])\n"
            "with study.transaction():\n"
            "    study.add_curves([row(key, 2)]); os.kill(os.getpid(), signal.SIGKILL)"
        )
        process = subprocess.run([sys.executable, "-c", code, str(tmp_path / "s")], cwd=ROOT, check=False)
        assert process.returncode == -9
        assert list(load_curves(tmp_path / "s")["epoch"]) == [1]
        with Study.open_for_writing(tmp_path / "s"):
            pass
        assert sorted(p.name for p in (tmp_path / "s").iterdir()) == ["checkpoints", "manifest.json", "study.db"]


class TestDamage:
    @pytest.mark.parametrize("content", ["", "{", "[]", '"text"', "null", '{"schema": 1}', '{"schema": "one"}'])
    def test_of_the_manifest_is_wrong_input(self, tmp_path: Path, content: str) -> None:
        new_study(tmp_path / "s").close()
        (tmp_path / "s" / "manifest.json").write_text(content)
        for open_study in (Study.open, Study.open_for_writing):
            with pytest.raises(InputError, match=r"manifest\.json is damaged"):
                open_study(tmp_path / "s")

    def test_a_newer_schema_asks_for_an_upgrade(self, tmp_path: Path) -> None:
        new_study(tmp_path / "s").close()
        path = tmp_path / "s" / "manifest.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 99}))
        with pytest.raises(InputError, match="newer genresweep: upgrade"):
            Study.open(tmp_path / "s")

    @pytest.mark.parametrize("content", [b"", b"not a database", b"SQLite format 3\x00" + b"\x01" * 4000])
    def test_of_the_database_is_wrong_input(self, tmp_path: Path, content: bytes) -> None:
        new_study(tmp_path / "s").close()
        (tmp_path / "s" / "study.db").write_bytes(content)
        for open_study in (Study.open, Study.open_for_writing):
            with pytest.raises(InputError, match=r"study\.db"):
                open_study(tmp_path / "s")

    def test_no_study_at_all(self, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        for path in (tmp_path / "empty", tmp_path / "missing"):
            with pytest.raises(InputError, match=r"is not a study.*manifest\.json"):
                Study.open(path)

    def test_a_lost_database(self, tmp_path: Path) -> None:
        new_study(tmp_path / "s").close()
        (tmp_path / "s" / "study.db").unlink()
        for open_study in (Study.open, Study.open_for_writing):
            with pytest.raises(InputError, match=r"holds no study\.db"):
                open_study(tmp_path / "s")
        assert not (tmp_path / "s" / "study.db").exists(), "opening makes none"


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    new_study(tmp_path / "s").close()
    with Study.open(tmp_path / "s") as study:
        with pytest.raises(StudyError):
            study.set_fact("driver", "me")
        with pytest.raises(sqlite3.OperationalError):
            study._connection.execute("DELETE FROM trials")


def test_one_that_could_not_open_it_does_not_hold_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error, and so its frames, is still alive when the next driver leaves."""
    new_study(tmp_path / "s").close()
    with monkeypatch.context() as patch:
        patch.setattr(Study, "set_fact", _refuse)
        with pytest.raises(InputError, match="cannot be opened for writing") as refused:
            Study.open_for_writing(tmp_path / "s")
    Study.open_for_writing(tmp_path / "s").close()
    assert sorted(path.name for path in (tmp_path / "s").glob("study.db*")) == ["study.db"]
    assert refused.tb is not None


def _refuse(study: Study, key: str, value: str) -> None:
    study.trials()
    raise StudyError("the disk is read-only")


def test_an_empty_folder_is_as_good_as_none(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    with new_study(tmp_path / "study") as study:
        assert study.trials()
