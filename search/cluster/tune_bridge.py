"""The bridge to Ray Tune: a searcher that hands out segments as trials, and the Tuner that runs them."""

from __future__ import annotations

import contextlib
import io
import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any

from ray import tune
from ray.tune import CheckpointConfig, FailureConfig, RunConfig, TuneConfig, Tuner
from ray.tune.search import Searcher

from data.feature_store import FeatureHandle
from results.record.study import Study, StudyError
from search.cluster.placement import Slots, trust_all
from search.cluster.watchdog import scratch_prefix
from search.scheduling.bounds import Limit
from search.scheduling.coordinator import Coordinator, Outcome
from search.scheduling.failures import worker_died
from search.scheduling.listener import Listener
from search.scheduling.segments import Segment
from trainables.segment_protocol import Failed, FailureKind, Fatal, Pause, Trained, report_from_json, to_json
from trainables.sweep_trainable import SegmentTrainable

_DEATHS = 4
"""Worker deaths tolerated per slot before the machine is blamed, not the configurations."""
_IDLE_SECONDS = 60.0
"""Seconds with too little work after which an autoscaling cluster's idle workers, and their nodes, are let go."""


class SegmentSearcher(Searcher):
    """Searcher that suggests segments to Tune and commits their outcomes.

    Tune pickles its searcher now and then; a pickle of this one is empty, since nothing is ever restored from it.
    """

    def __init__(
        self,
        coordinator: Coordinator,
        study: Study,
        slots: Callable[[], Slots],
        listener: Listener,
        trust: Callable[[str], bool] = trust_all,
        limit: Limit | None = None,
    ) -> None:
        super().__init__()
        self._coordinator, self._study = coordinator, study
        self._places, self._listener, self._trust = slots, listener, trust
        self._limit = limit or Limit()
        self._limit.begin(coordinator.trials.values(), study.best_accuracy())
        self._slots = slots()
        self._busy = time.monotonic()
        coordinator.spread_over(self._slots.wanted)
        self._segments: dict[str, Segment] = {}
        self._parked: set[str] = set()
        self._deaths = 0
        self.stopping = False
        self.failure: Exception | None = None

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        """Return the next segment, a pause, nothing for now, or the end.

        One segment more than there are workers is handed out, so that none waits for the driver. A worker for which
        there is nothing yet gets a short pause: Tune would end it, and at the next rung start another for seconds.
        """
        if self.failure or self._coordinator.finished or self.stopping or self._limit.reached(self._segments.values()):
            return Searcher.FINISHED
        try:
            self._follow(self._places())
            if self._coordinator.in_flight >= self._slots.now:
                self._busy = time.monotonic()
            if self._coordinator.in_flight > self._slots.wanted:
                return None
            segment = self._next_segment()
        except Exception as failure:  # raised into Tune it would only be logged
            self.failure = failure
            return Searcher.FINISHED
        if segment is not None:
            self._segments[trial_id] = segment
            return {"segment": to_json(segment.task)}
        if self._coordinator.in_flight + len(self._parked) < self._slots.now and not self._lets_go:
            self._parked.add(trial_id)
            return {"segment": to_json(Pause())}
        return None

    @property
    def _lets_go(self) -> bool:
        """True where a cluster that can shrink has had too little work for all its places for long."""
        return self._slots.grows and time.monotonic() - self._busy > _IDLE_SECONDS

    def _follow(self, slots: Slots) -> None:
        """Spread the work over the present places."""
        if slots != self._slots:
            self._slots = slots
            self._coordinator.spread_over(slots.wanted)
            self._show(self._listener.resized, slots.now)

    def _next_segment(self) -> Segment | None:
        fresh = self._coordinator.replenish(self._slots.wanted)
        if fresh.facts:
            commit(self._study, fresh)
            self._show(self._listener.suggested, self._coordinator, fresh)
        segment = self._coordinator.next_segment()
        if segment is not None:
            self._study.mark_running(segment.keys)
        return segment

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Commit a segment's report, its checkpoint and the rungs' decisions in one transaction."""
        if trial_id in self._parked:
            self._parked.remove(trial_id)
            return
        segment = self._segments.pop(trial_id, None)
        if segment is None or self.failure is not None:
            return
        try:
            report = report_from_json(result["report"]) if result and not error else worker_died()
            if isinstance(report, Fatal):
                raise StudyError(report.error)
            if isinstance(report, Trained) and not self._trust(report.node):
                report = worker_died("its node left before it could be asked what it runs")
            if isinstance(report, Failed):
                outcome = self._coordinator.fail(segment, report)
            else:
                outcome = self._coordinator.complete(segment, report)
            commit(self._study, outcome)
            self._limit.observe(outcome)
            self._count_deaths(report)
        except Exception as failure:
            # raised here, it would be one more failed trial to Tune: the end of the run raises it
            self.failure = failure
            return
        self._show(self._listener.segment, self._coordinator, outcome)

    def _count_deaths(self, report: Trained | Failed) -> None:
        """Raise ``StudyError`` where so many workers died since a segment was trained that the machine is to blame."""
        if isinstance(report, Trained):
            self._deaths = 0
        elif report.kind is FailureKind.WORKER_DIED:
            self._deaths += 1
        if self._deaths > _DEATHS * max(_DEATHS, self._slots.now):
            raise StudyError(
                f"workers die one after another: {self._deaths} segments lost theirs and none was trained. "
                "Is there too little memory, or is a node broken? Those that failed with their workers are tried again "
                "when the study goes on"
            )

    def _show(self, event: Callable[..., None], *facts: object) -> None:
        try:
            event(*facts)
        except Exception:
            logging.getLogger("genresweep").exception("the display failed; training goes on")

    def save(self, checkpoint_path: str) -> None:
        """Do nothing: the study is the record."""

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing: the study is the record."""

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Do nothing: the study is the record."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


def commit(study: Study, outcome: Outcome) -> None:
    """Write an outcome to the record, all or nothing."""
    with study.transaction():
        study.add_trials(outcome.suggested)
        study.add_facts(outcome.facts)
        study.add_curves(outcome.curves)
        study.add_decisions(outcome.decisions)
        study.update_trials(outcome.trials.values())
        if outcome.segment is not None:
            study.add_segment(outcome.segment)


def run_segments(
    searcher: SegmentSearcher,
    features: Mapping[str, FeatureHandle],
    study: Study,
    *,
    device: str,
    needs: Mapping[str, float],
) -> None:
    """Run Tune until the searcher has nothing left; raise the cause where the record could not be written.

    ``needs`` are the resources of one segment, by Ray's names.
    """
    trainable = tune.with_parameters(SegmentTrainable, features=features, checkpoints=study.checkpoints, device=device)
    storage = tempfile.mkdtemp(prefix=f"{scratch_prefix()}tune-")
    try:
        tuner = Tuner(
            tune.with_resources(trainable, dict(needs)),
            tune_config=TuneConfig(
                search_alg=searcher,
                num_samples=-1,
                reuse_actors=True,
                trial_dirname_creator=lambda trial: trial.trial_id,
            ),
            run_config=RunConfig(
                name="segments",
                storage_path=storage,
                verbose=0,
                failure_config=FailureConfig(max_failures=1),
                checkpoint_config=CheckpointConfig(checkpoint_at_end=False),
            ),
        )
        with _silenced():
            tuner.fit()
    except Exception:
        if searcher.failure is None:
            raise
    finally:
        shutil.rmtree(storage, ignore_errors=True)
    if searcher.failure is not None:
        raise searcher.failure


@contextlib.contextmanager
def _silenced() -> Any:
    """Run the body with Tune's output sent to the study's log: its trials are segments, of no interest to users.

    Its errors go there, too: where the disk of the temporary files is full, it shows a traceback, and goes on.
    """
    captured = io.StringIO()
    tunes, ours = logging.getLogger("ray.tune"), logging.getLogger("genresweep")
    before = tunes.handlers, tunes.propagate
    tunes.setLevel(logging.ERROR)
    tunes.handlers, tunes.propagate = ours.handlers, False
    try:
        with contextlib.redirect_stdout(captured):
            yield
    finally:
        tunes.handlers, tunes.propagate = before
        if text := captured.getvalue().strip():
            ours.info("Ray Tune printed:\n%s", text)
