"""Consequences of a segment: new states of its configurations, decisions of the rungs, and new work.

Pure bookkeeping, without Ray and without a disk: the sweep commits each ``Outcome``, the dry run only counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from results.record.records import CheckpointRef, CurveRow, Decision, SegmentRecord, State, TrialKey, TrialRecord
from search.scheduling.failures import reason_of
from search.scheduling.rungs import Rungs
from search.scheduling.segments import Segment, SegmentQueue
from trainables.segment_protocol import Ending, Failed, MemberResult, Trained


@dataclass
class Outcome:
    """Changes that one segment makes to the record, to be committed in one transaction."""

    segment: SegmentRecord | None = None
    curves: list[CurveRow] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    trials: dict[TrialKey, TrialRecord] = field(default_factory=dict)
    suggested: list[TrialRecord] = field(default_factory=list)
    """New configurations."""
    facts: dict[str, str] = field(default_factory=dict)


class Coordinator:
    """Bookkeeper that hands out segments and takes up their reports.

    A segment that fails is tried once more as it is, then halved until the failing member is alone.
    """

    def __init__(self, trials: Sequence[TrialRecord], rungs: Rungs, queue: SegmentQueue) -> None:
        self.trials = {trial.key: trial for trial in trials}
        self.states = Counter(trial.state for trial in trials)
        """Number of configurations in each state; a segment in flight changes nothing yet."""
        self._rungs, self._queue = rungs, queue
        self._in_flight: dict[str, Segment] = {}
        self._failed_once: set[tuple[tuple[TrialKey, ...], int]] = set()
        self._decided: dict[tuple[TrialKey, int], Decision] = {}

    def start(self, decided: Iterable[Decision], scores_at: Mapping[int, Mapping[TrialKey, float | None]]) -> Outcome:
        """Make the configurations that can go on ready, and report those that wait at a rung to it.

        ``decided`` are the decisions in the record, ``scores_at`` the recorded scores at each rung.
        """
        self._decided = {(decision.key, decision.epoch): decision for decision in decided}
        outcome = Outcome()
        waiting: dict[int, dict[TrialKey, float | None]] = {}
        for trial in self.trials.values():
            if trial.state.is_final:
                if trial.state is not State.STOPPED:
                    self._take(outcome, self._rungs.withdraw(trial.key))
            elif trial.epoch in self._rungs.levels and (trial.key, trial.epoch) not in self._decided:
                waiting.setdefault(trial.epoch, {})[trial.key] = scores_at[trial.epoch].get(trial.key)
            else:
                self._queue.add([trial])
        for epoch in sorted(waiting):
            self._take(outcome, self._rungs.report(epoch, waiting[epoch]))
        return outcome

    def spread_over(self, workers: int) -> None:
        """Set the number of workers, so that no stack is so large that one of them gets nothing to do."""
        self._queue.workers = workers

    @property
    def in_flight(self) -> int:
        """Segments handed out and not yet reported."""
        return len(self._in_flight)

    @property
    def finished(self) -> bool:
        """True where every configuration has ended."""
        return self.ended == len(self.trials)

    @property
    def ended(self) -> int:
        """Configurations that have ended."""
        return sum(count for state, count in self.states.items() if state.is_final)

    @property
    def to_come(self) -> int:
        """Configurations that are yet to be suggested, each seed counted: here all are known beforehand."""
        return 0

    def add(self, trials: Sequence[TrialRecord]) -> None:
        """Take up new configurations; they are ready at once."""
        self.trials |= {trial.key: trial for trial in trials}
        self.states.update(trial.state for trial in trials)
        self._queue.add(trials)

    def replenish(self, slots: int) -> Outcome:
        """Return new configurations, where a search suggests them while it runs: here all are known beforehand."""
        return Outcome()

    def next_segment(self) -> Segment | None:
        """Return the next segment, or ``None`` where everything left waits for segments in flight."""
        segment = self._queue.next()
        if segment is not None:
            self._in_flight[segment.segment_id] = segment
        return segment

    def complete(self, segment: Segment, report: Trained) -> Outcome:
        """Take up the report of a segment that was trained."""
        del self._in_flight[segment.segment_id]
        self._queue.observe(segment, report.seconds)
        outcome = Outcome(segment=_segment_record(segment, report))
        at_rung: dict[TrialKey, float | None] = {}
        ended = []
        for row, (key, member) in enumerate(zip(segment.keys, report.members, strict=True)):
            outcome.curves += [CurveRow(key=key, **vars(epoch)) for epoch in member.epochs]
            trial = self._trained(key, row, member, report)
            if trial.state.is_final:
                ended.append(key)
            elif trial.epoch in self._rungs.levels and (key, trial.epoch) not in self._decided:
                at_rung[key] = member.epochs[-1].val_accuracy
            elif (earlier := self._decided.get((key, trial.epoch))) is not None and not earlier.promoted:
                # trained again, since its checkpoint was lost: its scores are the same, and so is the verdict
                trial = replace(trial, state=State.STOPPED, reason=_stop_reason(earlier))
            else:
                self._queue.add([trial])
            self._set(outcome, trial)
        if at_rung:
            self._take(outcome, self._rungs.report(segment.last_epoch, at_rung))
        for key in ended:
            self._take(outcome, self._rungs.withdraw(key))
        return outcome

    def fail(self, segment: Segment, failure: Failed) -> Outcome:
        """Take up the failure of a segment that raised or whose worker died."""
        del self._in_flight[segment.segment_id]
        trials = [self.trials[key] for key in segment.keys]
        outcome = Outcome(segment=_failed_record(segment, failure.error))
        attempt = segment.keys, segment.first_epoch
        if attempt not in self._failed_once:
            self._failed_once.add(attempt)
            self._queue.add_stacks([trials])
        elif len(trials) > 1:
            middle = len(trials) // 2
            self._queue.add_stacks([trials[:middle], trials[middle:]])
        else:
            self._set(outcome, replace(trials[0], state=State.FAILED, reason=reason_of(failure)))
            self._take(outcome, self._rungs.withdraw(trials[0].key))
            return outcome
        for trial in trials:
            self._set(outcome, replace(trial, state=State.PENDING))
        return outcome

    def _trained(self, key: TrialKey, row: int, member: MemberResult, report: Trained) -> TrialRecord:
        """Return the configuration as it is after its segment, before any rung has judged it."""
        trial = self.trials[key]
        epoch = member.epochs[-1].epoch
        checkpoint = CheckpointRef(file=report.checkpoint, sha256=report.sha256, row=row, epoch=epoch)
        state, reason = State.PENDING, None
        if member.ending is not None:
            state, reason = State(member.ending), _REASONS[member.ending].format(epoch=epoch)
        elif epoch >= trial.budget:
            state = State.FINISHED
        return replace(trial, state=state, reason=reason, epoch=epoch, checkpoint=checkpoint)

    def _take(self, outcome: Outcome, decisions: Sequence[Decision]) -> None:
        """Apply decisions: those promoted are ready again, the others stop."""
        outcome.decisions += decisions
        for decision in decisions:
            trial = self.trials[decision.key]
            if decision.promoted:
                self._queue.add([trial])
            else:
                self._set(outcome, replace(trial, state=State.STOPPED, reason=_stop_reason(decision)))

    def _set(self, outcome: Outcome, trial: TrialRecord) -> None:
        self.states[self.trials[trial.key].state] -= 1
        self.states[trial.state] += 1
        self.trials[trial.key] = outcome.trials[trial.key] = trial


_REASONS = {
    Ending.EARLY_STOPPED: "the validation loss has not fallen for its patience, at epoch {epoch}",
    Ending.DIVERGED: "the loss is not a finite number at epoch {epoch}",
}


def _stop_reason(decision: Decision) -> str:
    score = "no number" if decision.score is None else f"{decision.score:.4f}"
    return f"rung {decision.epoch}: {score}, the cutoff was {decision.cutoff or 0.0:.4f}"


def _segment_record(segment: Segment, report: Trained) -> SegmentRecord:
    return SegmentRecord(
        segment_id=segment.segment_id,
        keys=segment.keys,
        first_epoch=segment.first_epoch,
        last_epoch=segment.last_epoch,
        seconds=report.seconds,
        host=report.host,
        started=report.started,
        checkpoint=report.checkpoint,
        sha256=report.sha256,
    )


def _failed_record(segment: Segment, error: str) -> SegmentRecord:
    return SegmentRecord(
        segment_id=segment.segment_id,
        keys=segment.keys,
        first_epoch=segment.first_epoch,
        last_epoch=segment.last_epoch,
        seconds=0.0,
        host="",
        started=0.0,
        checkpoint=None,
        sha256=None,
        error=error,
    )
