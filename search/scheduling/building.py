"""Building a coordinator: the rungs, the costs and the queue of a study, from its settings and its record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from results.record.records import Decision, TrialKey, TrialRecord
from results.record.settings import StudySettings
from search.planning.prepared_data import Prepared
from search.planning.trials import longest_budget
from search.scheduling.coordinator import Coordinator, Outcome
from search.scheduling.cost_model import CostModel
from search.scheduling.rungs import Rungs, make_rungs
from search.scheduling.segments import SegmentQueue

Make = Callable[[Sequence[TrialRecord], Rungs, SegmentQueue], Coordinator]


def _no_scores(epoch: int) -> Mapping[TrialKey, float | None]:
    return {}


@dataclass(frozen=True, kw_only=True)
class Past:
    """What a study has done already, by its record; the defaults are those of a new one."""

    decisions: Sequence[Decision] = ()
    scores: Callable[[int], Mapping[TrialKey, float | None]] = _no_scores
    """Function that returns the validation accuracies at an epoch."""
    last_segment: int = 0
    """Number of the newest segment."""


_NEW = Past()


def build_coordinator(
    settings: StudySettings,
    trials: Sequence[TrialRecord],
    costs: CostModel,
    *,
    past: Past = _NEW,
    workers: int = 1,
    make: Make = Coordinator,
) -> tuple[Coordinator, Outcome]:
    """Return a coordinator that has started, and what its start changes in the record."""
    rungs = make_rungs(
        settings.scheduler,
        grace_period=settings.grace_period,
        reduction_factor=settings.reduction_factor,
        positions={trial.key: trial.position for trial in trials},
        budgets={trial.key: trial.budget for trial in trials},
        earlier=past.decisions,
        longest_budget=longest_budget(settings),
    )
    queue = SegmentQueue(rungs.levels, settings.stack_size, costs, first_number=past.last_segment, workers=workers)
    coordinator = make(trials, rungs, queue)
    return coordinator, coordinator.start(past.decisions, {level: past.scores(level) for level in rungs.levels})


def cost_model(settings: StudySettings, prepared: Prepared) -> CostModel:
    """Return the costs of training on a study's rows, on its device."""
    features = prepared.features
    return CostModel(len(features.y_train), prepared.input_sizes, len(features.genres), device=settings.device)
