"""Recorded reasons: what a study of any version says of a failure is read as it was meant."""

from __future__ import annotations

from dataclasses import replace

import pytest

from results.record.records import State
from search.scheduling.failures import WORKER_DIED, kind_of, may_be_revived, reason_of, worker_died
from tests.support.simulated import paper_trials
from trainables.segment_protocol import Failed, FailureKind


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (None, FailureKind.RAISED),
        ("unknown", FailureKind.RAISED),
        ("ValueError: odd", FailureKind.RAISED),
        ("ValueError: MemoryError is not meant", FailureKind.RAISED),
        (f"RuntimeError: {WORKER_DIED}", FailureKind.RAISED),
        ("its worker died twice", FailureKind.WORKER_DIED),
        ("its worker died twice: its node left before it could be asked what it runs", FailureKind.WORKER_DIED),
        ("MemoryError", FailureKind.OUT_OF_MEMORY),
        ("numpy._core._exceptions._ArrayMemoryError: Unable to allocate 1 GiB", FailureKind.OUT_OF_MEMORY),
        ("torch.OutOfMemoryError: CUDA out of memory.", FailureKind.OUT_OF_MEMORY),
        (
            "RuntimeError: DefaultCPUAllocator: can't allocate memory: you tried",
            FailureKind.OUT_OF_MEMORY,
        ),
    ],
)
def test_the_reasons_of_studies_of_every_version(reason: str | None, kind: FailureKind) -> None:
    assert kind_of(reason) is kind
    trial = replace(paper_trials(1)[0], state=State.FAILED, reason=reason)
    assert may_be_revived(trial) is (kind is not FailureKind.RAISED)
    assert not may_be_revived(replace(trial, state=State.STOPPED))


def test_what_is_recorded_of_a_failure() -> None:
    assert reason_of(Failed(FailureKind.RAISED, "Traceback\n  ...\nValueError: odd\n")) == "ValueError: odd"
    assert reason_of(Failed(FailureKind.RAISED, " ")) == "unknown"
    assert reason_of(worker_died()) == WORKER_DIED
    assert reason_of(worker_died("its node left")) == f"{WORKER_DIED}: its node left"
    starved = Failed(FailureKind.OUT_OF_MEMORY, "Traceback\n  ...\ntorch.OutOfMemoryError: none left\nSee the manual.")
    assert reason_of(starved) == "torch.OutOfMemoryError: none left"
