"""A sweep without Ray: the real queue, coordinator and record, with made-up learning curves."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from data.object_stores import join
from results.record.manifest import DataFacts, Manifest
from results.record.records import Decision, State, TrialKey, TrialRecord
from results.record.schema import METRICS
from results.record.settings import StudySettings
from results.record.study import Study
from search.scheduling.building import build_coordinator
from search.scheduling.coordinator import Coordinator, Outcome
from search.scheduling.cost_model import CostModel
from search.scheduling.segments import Segment
from search.snapshots.copies import reserve
from spaces import Configuration, load_space
from spaces.hyperparameters import ENCODINGS
from trainables import SEMANTICS_VERSION
from trainables.segment_protocol import Ending, EpochMetrics, Failed, FailureKind, MemberResult, Trained

ROWS = 200_000
"""So many that a stack's share of five seconds is a few epochs: segments end between the rungs, too."""


def made_up_score(key: TrialKey, epoch: int) -> float:
    """A function of configuration and epoch, coarse, so that there are ties."""
    digest = hashlib.sha256(f"{key.config_id}/{epoch}".encode()).digest()
    return digest[0] % 20 / 20


def paper_trials(count: int, *, epochs: int = 8, space: str = "paper") -> tuple[TrialRecord, ...]:
    """``count`` configurations spread over a named space, so that several stack keys are among them."""
    points = load_space(space).configurations()
    step = max(1, len(points) // count)
    return tuple(trial(point, position, epochs) for position, point in enumerate(points[::step][:count]))


def trial(configuration: Configuration, position: int, epochs: int = 8) -> TrialRecord:
    return TrialRecord(
        key=TrialKey(configuration.config_id, 42),
        position=position,
        configuration=configuration,
        budget=configuration.epochs or epochs,
    )


@dataclass
class World:
    """What would happen to each configuration if it were trained."""

    score: Callable[[TrialKey, int], float] = made_up_score
    endings: Mapping[TrialKey, tuple[int, str]] = field(default_factory=dict)
    """Members that end by themselves: at which epoch, and as what."""
    failing: Mapping[TrialKey, int] = field(default_factory=dict)
    """Members whose training raises: in which epoch."""
    seconds: float = 1.0
    """Of a segment; 0 where nothing may depend on time."""

    def failure(self, segment: Segment) -> Failed | None:
        for key in segment.keys:
            if segment.first_epoch <= self.failing.get(key, 0) <= segment.last_epoch:
                error = f"Traceback (most recent call last):\n  ...\nRuntimeError: {key.config_id} cannot be trained"
                return Failed(FailureKind.RAISED, error)
        return None

    def report(self, segment: Segment) -> Trained:
        return Trained(
            members=tuple(self._member(key, segment) for key in segment.keys),
            checkpoint=f"{segment.segment_id}.safetensors",
            sha256="00" * 32,
            seconds=self.seconds,
            started=0.0,
            node="nowhere",
            host="nowhere:1",
        )

    def _member(self, key: TrialKey, segment: Segment) -> MemberResult:
        last, ending = self.endings.get(key, (10**9, None))
        epochs = range(segment.first_epoch, min(segment.last_epoch, last) + 1)
        ended = segment.first_epoch <= last <= segment.last_epoch
        results = tuple(self.epoch(key, epoch) for epoch in epochs)
        return MemberResult(results, Ending(ending) if ended and ending else None)

    def epoch(self, key: TrialKey, epoch: int) -> EpochMetrics:
        last, ending = self.endings.get(key, (10**9, None))
        score = float("nan") if ending == "diverged" and epoch == last else self.score(key, epoch)
        return EpochMetrics(epoch=epoch, **{**dict.fromkeys(METRICS, 1.0), "val_accuracy": score})


class Driver:
    """Stands where Ray Tune stands: some segments in flight, completed in the order that ``choose`` says."""

    def __init__(
        self,
        coordinator: Coordinator,
        world: World,
        *,
        slots: int = 2,
        choose: Callable[[int], int] = lambda count: 0,
        commit: Callable[[Outcome], None] = lambda outcome: None,
        hand_out: Callable[[Segment], None] = lambda segment: None,
    ) -> None:
        self.coordinator, self.world = coordinator, world
        self.trained: list[Segment] = []
        self._slots, self._choose, self._commit, self._hand_out = slots, choose, commit, hand_out
        self._in_flight: list[Segment] = []

    def run(self, segments: int | None = None) -> None:
        """Complete so many segments, or all; raises where work is left and nothing can go on."""
        while segments is None or segments > 0:
            self._fill()
            if not self._in_flight:
                assert self.coordinator.finished, "nothing is in flight, yet configurations wait: a deadlock"
                return
            self._complete(self._in_flight.pop(self._choose(len(self._in_flight)) % len(self._in_flight)))
            segments = None if segments is None else segments - 1

    def _fill(self) -> None:
        while len(self._in_flight) < self._slots:
            fresh = self.coordinator.replenish(self._slots)
            if fresh.facts:
                self._commit(fresh)
            segment = self.coordinator.next_segment()
            if segment is None:
                return
            self._hand_out(segment)
            self._in_flight.append(segment)

    def _complete(self, segment: Segment) -> None:
        failure = self.world.failure(segment)
        if failure:
            self._commit(self.coordinator.fail(segment, failure))
        else:
            self.trained.append(segment)
            self._commit(self.coordinator.complete(segment, self.world.report(segment)))


@dataclass
class History:
    """What a simulated sweep has left."""

    trials: dict[TrialKey, TrialRecord]
    curves: dict[TrialKey, list[int]]
    decisions: list[Decision]
    segments: list[Segment]

    def states(self) -> dict[TrialKey, tuple[State, int]]:
        return {key: (trial.state, trial.epoch) for key, trial in self.trials.items()}

    def verdicts(self) -> set[tuple[TrialKey, int, bool]]:
        return {(d.key, d.epoch, d.promoted) for d in self.decisions}


def simulate(
    trials: Iterable[TrialRecord],
    world: World,
    *,
    scheduler: str = "none",
    stack_size: int = 16,
    reduction_factor: int = 2,
    grace_period: int = 1,
    slots: int = 2,
    choose: Callable[[int], int] = lambda count: 0,
) -> History:
    """A whole sweep in memory."""
    trials = tuple(trials)
    settings = StudySettings(
        data="synthetic",
        scheduler=scheduler,
        grace_period=grace_period,
        reduction_factor=reduction_factor,
        stack_size=stack_size,
    )
    costs = CostModel(ROWS, dict.fromkeys(ENCODINGS, 14), 5)
    coordinator, opening = build_coordinator(settings, trials, costs)
    history = History({}, {t.key: [] for t in trials}, [], [])

    def take(outcome: Outcome) -> None:
        for row in outcome.curves:
            history.curves[row.key].append(row.epoch)
        history.decisions += outcome.decisions

    take(opening)
    driver = Driver(coordinator, world, slots=slots, choose=choose, commit=take)
    driver.run()
    history.trials, history.segments = coordinator.trials, driver.trained
    return history


def create_study(directory: Path, rows: Iterable[TrialRecord], **settings: Any) -> Study:
    """A study of made-up data."""
    manifest = Manifest(
        settings=StudySettings(data="synthetic", **settings),
        data=DataFacts(source="made up", synthetic=True, fingerprint="f", inputs=("tempo",), genres=("pop", "rock")),
        versions={"genresweep": "0"},
        semantics=SEMANTICS_VERSION,
        created="2026-01-01T00:00:00+00:00",
    )
    return Study.create(directory, manifest, rows)


def coordinator_for(study: Study, costs: CostModel | None = None) -> Coordinator:
    """A coordinator of a new study; without ``costs``, those of a hundred rows."""
    return build_coordinator(study.settings, study.trials(), costs or CostModel(100, {"standardised": 3}, 2))[0]


def train_in(
    study: Study,
    world: World,
    segments: int | None = None,
    *,
    began: Callable[[], None] = lambda: None,
    committed: Callable[[Coordinator, Outcome], None] = lambda *_: None,
    **options: Any,
) -> None:
    """Go on with a study, as ``search.studies.sweep`` does, for so many segments; without a number, to its end.

    ``began`` is called when the record has what a new command adds to it, ``committed`` after each outcome.
    """
    from search.cluster.tune_bridge import commit
    from search.studies.sweep import restored_coordinator

    features = SimpleNamespace(y_train=range(ROWS), names=range(14), genres=range(5))
    prepared = SimpleNamespace(features=features, input_sizes=dict.fromkeys(ENCODINGS, 14))
    coordinator, opening = restored_coordinator(study, prepared)  # type: ignore[arg-type]
    commit(study, opening)
    began()

    def take(outcome: Outcome) -> None:
        commit(study, outcome)
        committed(coordinator, outcome)

    Driver(
        coordinator,
        world,
        commit=take,
        hand_out=lambda segment: study.mark_running(segment.keys),
        **options,
    ).run(segments)


def extend_in(study: Study, **more: Any) -> None:
    """Extend an open study, as ``search.studies.sweep.reopened`` does."""
    from search.studies.extension import Extension, extend, extended_settings

    extension = Extension(**more)
    study.settings = extended_settings(study, extension)
    extend(study, extension, SimpleNamespace(y_train=range(ROWS)))  # type: ignore[arg-type]


def die(study: Study) -> None:
    """What is left of a driver after ``SIGKILL``: no word, no clean-up; its lock ends with it."""
    study._connection.close()
    study._lock.close()


def curves_of(study: Study) -> dict[TrialKey, list[int]]:
    """The epochs in the record, by configuration, in the order of the epochs."""
    found: dict[TrialKey, list[int]] = {trial.key: [] for trial in study.trials()}
    return found | {key: list(curve) for key, curve in study.accuracies().items()}


def begin(directory: Path, storage: str) -> Study:
    """As ``search.studies.sweep`` makes a study."""
    place = join(storage, directory.name)
    created = create_study(directory, paper_trials(3), storage=place)
    reserve(place, Manifest.read(directory))
    return created
