"""A sweep whose configurations are suggested while it runs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from results.record.facts import Fact
from results.record.records import Decision, TrialKey, TrialRecord
from results.record.study import Study
from search.scheduling.coordinator import Coordinator, Outcome
from search.scheduling.rungs import Rungs
from search.scheduling.segments import Segment, SegmentQueue
from search.suggestions.optuna_search import OptunaSearch
from trainables.segment_protocol import Failed, Trained


class SuggestingCoordinator(Coordinator):
    """A coordinator that asks for more configurations where nothing is ready for an idle worker.

    Those that a rung lets go on are trained first: the more have ended, the more a suggestion can know.
    """

    def __init__(self, trials: Sequence[TrialRecord], rungs: Rungs, queue: SegmentQueue, search: OptunaSearch) -> None:
        super().__init__(trials, rungs, queue)
        self._search = search

    @property
    def finished(self) -> bool:
        """True where every configuration has ended and no other will be suggested."""
        return super().finished and self._search.exhausted

    @property
    def to_come(self) -> int:
        """Configurations that are yet to be suggested, each seed counted."""
        return self._search.left

    def start(self, decided: Iterable[Decision], scores_at: Mapping[int, Mapping[TrialKey, float | None]]) -> Outcome:
        """Start as ``Coordinator.start`` does, and tell the search."""
        return self._observed(super().start(decided, scores_at))

    def replenish(self, slots: int) -> Outcome:
        """Return new configurations, to be committed before they are handed out; none where there is work enough."""
        if not self._queue.empty or self._search.exhausted or (slots == 1 and self.in_flight):
            return Outcome()
        suggested = self._search.suggest(slots)
        self.add(suggested)
        facts: dict[str, str] = {Fact.ANSWERED: json.dumps(self._search.answered)}
        facts[Fact.AHEAD] = json.dumps([configuration.to_json() for configuration in self._search.ahead])
        if self._search.ran_out:
            facts[Fact.RAN_OUT] = "yes"
        return Outcome(suggested=suggested, facts=facts)

    def complete(self, segment: Segment, report: Trained) -> Outcome:
        """Take up a report as ``Coordinator.complete`` does, and tell the search."""
        return self._observed(super().complete(segment, report))

    def fail(self, segment: Segment, failure: Failed) -> Outcome:
        """Take up a failure as ``Coordinator.fail`` does, and tell the search."""
        return self._observed(super().fail(segment, failure))

    def _observed(self, outcome: Outcome) -> Outcome:
        self._search.observe(outcome.curves, outcome.trials.values())
        return outcome


def restored_search(study: Study) -> OptunaSearch:
    """Return the search as the record has it."""
    curves = {
        key: {epoch: accuracy for epoch, accuracy in curve.items() if accuracy is not None}
        for key, curve in study.accuracies().items()
    }
    return OptunaSearch(
        study.settings, study.trials(), curves, study.answered, ahead=study.ahead, ran_out=study.ran_out
    )
