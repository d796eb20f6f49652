"""Driver and worker understand each other: every message comes back from its JSON as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaces import Configuration
from trainables.segment_protocol import (
    Ending,
    EpochMetrics,
    Failed,
    FailureKind,
    Fatal,
    Member,
    MemberCheckpoint,
    MemberResult,
    Pause,
    Report,
    SegmentTask,
    Task,
    Trained,
    report_from_json,
    task_from_json,
    to_json,
)

texts, counts = st.text(max_size=20), st.integers(0, 10**9)
numbers = st.floats(allow_nan=False)  # NaN is not equal to itself: it has a test of its own
epochs = st.builds(
    EpochMetrics,
    epoch=counts,
    **dict.fromkeys(("train_loss", "val_loss", "val_accuracy", "val_precision", "val_recall", "val_f1"), numbers),
    seconds=numbers,
)
configurations = st.builds(
    Configuration,
    hidden_layers=st.lists(st.integers(1, 512), min_size=1, max_size=4).map(tuple),
    learning_rate=st.floats(1e-6, 1.0),
    batch_norm=st.booleans(),
    clip_norm=st.none() | st.floats(0.1, 10.0),
)
members = st.builds(
    Member,
    config_id=texts,
    configuration=configurations,
    source=st.builds(MemberCheckpoint, file=texts, sha256=texts, row=counts),
)
fresh = st.builds(Member, config_id=texts, configuration=configurations, source=st.none())
tasks: st.SearchStrategy[Task] = st.one_of(
    st.builds(Pause, seconds=st.floats(0, 10)),
    st.builds(
        SegmentTask,
        segment_id=texts,
        members=st.lists(members, max_size=3).map(tuple),
        first_epoch=counts,
        last_epoch=counts,
        seed=counts,
    ),
    st.builds(
        SegmentTask,
        segment_id=texts,
        members=st.lists(fresh | members, max_size=3).map(tuple),
        first_epoch=st.just(1),
        last_epoch=counts,
        seed=counts,
    ),
)
results = st.builds(MemberResult, st.lists(epochs, max_size=3).map(tuple), st.none() | st.sampled_from(Ending))
reports: st.SearchStrategy[Report] = st.one_of(
    st.builds(
        Trained,
        members=st.lists(results, max_size=3).map(tuple),
        checkpoint=texts,
        sha256=texts,
        seconds=numbers,
        started=numbers,
        node=texts,
        host=texts,
    ),
    st.builds(Failed, st.sampled_from(FailureKind), texts),
    st.builds(Fatal, texts),
)


@given(tasks)
def test_a_task_comes_back_as_it_was(task: Task) -> None:
    assert task_from_json(to_json(task)) == task


@given(reports)
def test_a_report_comes_back_as_it_was(report: Report) -> None:
    back = report_from_json(to_json(report))
    assert back == report
    if isinstance(back, Failed):
        assert type(back.kind) is FailureKind
    if isinstance(back, Trained):
        assert {type(member.ending) for member in back.members} <= {Ending, type(None)}


def test_what_is_no_number_comes_back_as_none_that_is_one() -> None:
    metrics = dict.fromkeys(("train_loss", "val_loss", "val_accuracy", "val_precision", "val_recall", "val_f1"))
    epoch = EpochMetrics(epoch=1, seconds=1.0, **dict.fromkeys(metrics, float("nan")))
    result = MemberResult((epoch,), Ending.DIVERGED)
    report = Trained(members=(result,), checkpoint="", sha256="", seconds=1.0, started=0.0, node="", host="")
    back = report_from_json(to_json(report))
    assert isinstance(back, Trained)
    assert all(value != value for name, value in vars(back.members[0].epochs[0]).items() if name in metrics)


def test_neither_takes_the_others_messages() -> None:
    with pytest.raises(ValueError, match="must be a SegmentTask or a Pause, but got 'Fatal'"):
        task_from_json(to_json(Fatal("")))
    with pytest.raises(ValueError, match="must be Trained, Failed or Fatal, but got 'Pause'"):
        report_from_json(to_json(Pause()))


def test_who_goes_on_needs_a_checkpoint() -> None:
    member = Member(config_id="a", configuration=Configuration(hidden_layers=(8,)), source=None)
    with pytest.raises(ValueError, match=r"go on after epoch 3 need a source: \['a'\]"):
        SegmentTask(segment_id="000001", members=(member,), first_epoch=4, last_epoch=5, seed=0)
