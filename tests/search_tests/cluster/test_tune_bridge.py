"""What the searcher tells Tune, without Tune."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from ray.tune.search import Searcher

from data.errors import InputError
from results.record.records import State
from results.record.study import Study, StudyError
from search.cluster.placement import Slots, trust_all
from search.cluster.tune_bridge import SegmentSearcher
from search.scheduling.failures import WORKER_DIED, kind_of, reason_of
from search.scheduling.listener import Listener
from search.studies.promotion import promote
from tests.support.simulated import World, coordinator_for, create_study, paper_trials
from trainables.segment_protocol import (
    Failed,
    FailureKind,
    Fatal,
    Pause,
    SegmentTask,
    report_from_json,
    task_from_json,
    to_json,
)
from trainables.sweep_trainable import SegmentTrainable, _failure_kind


def _searcher(tmp_path: Path, configurations: int, trust: Callable[[str], bool] = trust_all) -> SegmentSearcher:
    study = create_study(tmp_path / "s", paper_trials(configurations), scheduler="none", epochs=8, stack_size=1)
    coordinator = coordinator_for(study)
    return SegmentSearcher(coordinator, study, lambda: Slots(2, 2), Listener(), trust)


def test_one_segment_more_than_workers_is_handed_out(tmp_path: Path) -> None:
    searcher = _searcher(tmp_path, configurations=6)
    found = [searcher.suggest(str(trial)) for trial in range(5)]
    tasks = [_task(suggestion) for suggestion in found[:3]]
    assert found[3:] == [None, None]
    assert len({member.config_id for task in tasks for member in task.members}) == 3


def _task(suggestion: object) -> SegmentTask:
    assert isinstance(suggestion, dict)
    task = task_from_json(suggestion["segment"])
    assert isinstance(task, SegmentTask)
    return task


def test_a_worker_with_nothing_to_do_is_parked_and_not_let_go(tmp_path: Path) -> None:
    searcher = _searcher(tmp_path, configurations=1)
    first, second, third = (searcher.suggest(trial) for trial in "abc")
    assert _task(first).members
    assert second == {"segment": to_json(Pause())}
    assert third is None
    searcher.on_trial_complete("b", {"done": True})
    assert searcher.suggest("d") == {"segment": to_json(Pause())}


def test_the_first_failure_ends_the_run_and_is_not_raised_into_tune(tmp_path: Path) -> None:
    """Tune would take it for one more trial that failed, and go on."""
    searcher = _searcher(tmp_path, configurations=3)
    for trial in "ab":
        assert isinstance(searcher.suggest(trial), dict)
    searcher.on_trial_complete("a", {"report": to_json(Fatal("no space left"))})
    searcher.on_trial_complete("a", error=True)
    searcher.on_trial_complete("b", {"report": to_json(Fatal("another"))})
    assert isinstance(searcher.failure, StudyError) and "no space left" in str(searcher.failure)
    assert searcher.suggest("c") == Searcher.FINISHED


def _die(searcher: SegmentSearcher, trial: str) -> None:
    assert isinstance(searcher.suggest(trial), dict)
    searcher.on_trial_complete(trial, error=True)


def test_workers_that_die_one_after_another_end_the_run(tmp_path: Path) -> None:
    """Two slots: sixteen in a row may be the configurations' own fault."""
    searcher, study = _searcher(tmp_path, configurations=32), Study.open(tmp_path / "s")
    for number in range(16):
        _die(searcher, f"{number}")
    assert searcher.failure is None
    _die(searcher, "the last")
    assert isinstance(searcher.failure, StudyError) and "workers die one after another: 17" in str(searcher.failure)
    assert searcher.suggest("more") == Searcher.FINISHED
    assert {trial.reason for trial in study.trials() if trial.state is State.FAILED} <= {WORKER_DIED}
    study.close()


def test_a_segment_that_is_trained_shows_that_the_machine_is_sound(tmp_path: Path) -> None:
    searcher, world = _searcher(tmp_path, configurations=32), World()
    for turn in range(4):
        for number in range(12):
            _die(searcher, f"{turn}-{number}")
        assert isinstance(searcher.suggest("sound"), dict)
        searcher.on_trial_complete("sound", {"report": to_json(world.report(searcher._segments["sound"]))})
    assert searcher.failure is None


def _trained_by(node: str, searcher: SegmentSearcher) -> dict[str, str]:
    (segment,) = searcher._segments.values()
    return {"report": to_json(replace(World().report(segment), node=node))}


def test_what_an_unknown_node_has_trained_is_not_committed(tmp_path: Path) -> None:
    def trust(node: str) -> bool:
        raise StudyError(f"{node} runs other code")

    searcher, study = _searcher(tmp_path, 2, trust), Study.open(tmp_path / "s")
    assert isinstance(searcher.suggest("a"), dict)
    searcher.on_trial_complete("a", _trained_by("stranger", searcher))
    assert str(searcher.failure) == "stranger runs other code"
    assert searcher.suggest("b") == Searcher.FINISHED and study.last_segment_number() == 0
    study.close()


def test_what_a_node_has_trained_that_left_before_its_answer_is_trained_again(tmp_path: Path) -> None:
    searcher, study = _searcher(tmp_path, 1, lambda node: False), Study.open(tmp_path / "s")
    first = searcher.suggest("a")
    assert isinstance(first, dict)
    searcher.on_trial_complete("a", _trained_by("gone", searcher))
    assert searcher.failure is None
    again = searcher.suggest("b")
    assert isinstance(again, dict)
    assert _task(first).members == _task(again).members
    assert [trial.epoch for trial in study.trials()] == [0]
    study.close()


def test_a_record_that_cannot_be_written_hands_out_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StudyError("the disk is full")

    searcher = _searcher(tmp_path, configurations=3)
    monkeypatch.setattr(Study, "mark_running", full)
    assert searcher.suggest("a") == Searcher.FINISHED
    assert isinstance(searcher.failure, StudyError)


def test_nothing_of_the_study_goes_into_tunes_pickle(tmp_path: Path) -> None:
    assert pickle.loads(pickle.dumps(_searcher(tmp_path, configurations=1))).__dict__ == {}


@pytest.mark.parametrize(
    ("raised", "kind", "said"),
    [
        (
            ImportError("libgomp.so.1: cannot open shared object file"),
            Fatal,
            "cannot import what training needs: libgomp",
        ),
        (OSError("No space left on device"), Fatal, "No space left"),
        (InputError("--device cuda: PyTorch finds no GPU"), Fatal, "finds no GPU"),
        (ValueError("a member's own"), Failed, "a member's own"),
    ],
)
def test_what_is_no_members_fault_stops_the_study(
    raised: Exception, kind: type[Fatal | Failed], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = report_from_json(_one_that_raises(raised, "cpu", monkeypatch).step()["report"])
    assert isinstance(report, kind) and said in report.error


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (ValueError("a member's own"), FailureKind.RAISED),
        (MemoryError(), FailureKind.OUT_OF_MEMORY),
        (np._core._exceptions._ArrayMemoryError((10**9,), np.dtype(float)), FailureKind.OUT_OF_MEMORY),
        (torch.OutOfMemoryError("CUDA out of memory.\nIn some words more"), FailureKind.OUT_OF_MEMORY),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), FailureKind.OUT_OF_MEMORY),
    ],
)
def test_the_kind_of_a_failure_is_that_of_its_exception_and_survives_the_record(
    raised: Exception, kind: FailureKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = report_from_json(_one_that_raises(raised, "cpu", monkeypatch).step()["report"])
    assert isinstance(report, Failed)
    assert report.kind is kind_of(reason_of(report)) is kind


def test_pytorchs_allocator_still_says_what_we_know_it_by() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**55)
    assert _failure_kind(raised.value) is FailureKind.OUT_OF_MEMORY


def test_a_worker_that_has_lost_its_gpu_dies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would fail every segment that it gets from now on, whoever its members are."""
    trainable = _one_that_raises(RuntimeError("an illegal memory access was encountered"), "cuda", monkeypatch)
    monkeypatch.setattr("torch.cuda.synchronize", lambda: None)
    report = report_from_json(trainable.step()["report"])
    assert isinstance(report, Failed) and "illegal memory access" in report.error
    monkeypatch.setattr("torch.cuda.synchronize", Mock(side_effect=RuntimeError("and still")))
    with pytest.raises(RuntimeError, match="and still"):
        trainable.step()


def _one_that_raises(raised: Exception, device: str, monkeypatch: pytest.MonkeyPatch) -> SegmentTrainable:
    def fail(*_: object) -> None:
        raise raised

    monkeypatch.setattr(SegmentTrainable, "_train_and_save", fail)
    trainable = SegmentTrainable.__new__(SegmentTrainable)
    task = SegmentTask(segment_id="000001", members=(), first_epoch=1, last_epoch=1, seed=0)
    trainable.config, trainable._device = {"segment": to_json(task)}, device
    return trainable


def test_where_all_have_failed_the_most_common_reason_is_said(tmp_path: Path) -> None:
    study = create_study(tmp_path / "s", paper_trials(3), scheduler="none", epochs=8)
    reasons = ["MemoryError", "ValueError: odd", "MemoryError"]
    with study, study.transaction():
        failed = zip(study.trials(), reasons, strict=True)
        study.update_trials([replace(trial, state=State.FAILED, reason=reason) for trial, reason in failed])
    with Study.open(tmp_path / "s") as study, pytest.raises(StudyError, match=r"2 ended with: MemoryError\)$"):
        promote(study, None)  # type: ignore[arg-type]
