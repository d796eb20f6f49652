"""The form in which the record keeps why a configuration failed, written and read in this one place.

``segments.error`` of the record holds a failure's whole text, ``trials.reason`` its last line. A reason does not name
its `FailureKind`, since older studies' do not; what it was is told from the forms that all studies have in common:

- a worker that died: ``WORKER_DIED``, and after a colon what else is known;
- too little memory: the exception's name before the first colon, such as ``MemoryError`` or
  ``torch.OutOfMemoryError``, or the words of PyTorch's allocator of CPU memory;
- a training that raised: any other last line of a traceback.
"""

from __future__ import annotations

from results.record.records import State, TrialRecord
from trainables.segment_protocol import Failed, FailureKind

WORKER_DIED = "its worker died twice"
"""Error of a segment that ended without a report."""
_MEMORY_ERROR = "MemoryError"
_ALLOCATORS_WORDS = "can't allocate memory"


def worker_died(detail: str = "") -> Failed:
    """Return the report in place of one that did not come, or that cannot be trusted for the reason in ``detail``."""
    return Failed(FailureKind.WORKER_DIED, f"{WORKER_DIED}: {detail}" if detail else WORKER_DIED)


def reason_of(failure: Failed) -> str:
    """Return the reason to record with a configuration that has failed."""
    lines = failure.error.strip().splitlines() or ["unknown"]
    if failure.kind is FailureKind.OUT_OF_MEMORY:  # some messages have further lines, by which it would not be known
        lines = [line for line in lines if kind_of(line) is failure.kind] or lines
    return lines[-1]


def kind_of(reason: str | None) -> FailureKind:
    """Return the kind of failure that a recorded reason tells of, in studies of every version."""
    name = (reason or "").partition(":")[0]
    if name == WORKER_DIED:
        return FailureKind.WORKER_DIED
    if _MEMORY_ERROR in name or _ALLOCATORS_WORDS in (reason or ""):
        return FailureKind.OUT_OF_MEMORY
    return FailureKind.RAISED


def may_be_revived(trial: TrialRecord) -> bool:
    """Return True where a configuration failed through its machine's fault: another may train it."""
    return trial.state is State.FAILED and kind_of(trial.reason).is_machines_fault
