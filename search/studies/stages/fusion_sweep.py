"""The sweep of the fusion stage: the search of a run once more, on audio + text, as a study within the study."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from data.object_stores import join, list_files
from results.dataframes.frames import load_curves
from results.judging.ensemble import ENSEMBLE
from results.judging.measures import weighted_averages
from results.record.records import ModelScores, StageEpoch, StageScore, TrialKey
from results.record.schema import SCORES
from results.record.settings import FeatureKind
from results.record.stage_records import load_stage_scores
from results.record.study import Study
from search.planning.prepared_data import Prepared
from search.scheduling.coordinator import Coordinator, Outcome
from search.scheduling.listener import Listener, Listeners
from search.scheduling.progress import ProgressCounter
from search.snapshots.copies import fetch, release, snapshots
from search.studies.draft import Draft
from search.studies.relocation import Sources, relocated
from search.studies.stages.context import Run, StageInterruptedError
from search.studies.stopping import logging_to
from search.studies.sweep import drive, reopened

FOLDER = "fusion-sweep"
"""Directory of the study within the study."""
SWEPT = "swept"
"""The variant of the fusion stage that is the best of its own sweep."""


@dataclass(frozen=True)
class Swept:
    """The best network of the sweep on audio + text: its curve, and its scores and those of the ensemble."""

    directory: Path
    val_accuracy: float
    curve: tuple[StageEpoch, ...]
    scores: tuple[StageScore, ...]


def sweep_fusion(run: Run) -> Swept:
    """Search on audio + text as the run searched on audio, in a study within the study, and return what came out.

    An earlier command's study is gone on with. Raises ``StageInterruptedError`` where the user stops the search.
    """
    directory = run.study.directory / FOLDER
    _bring_here(run.study, directory)
    with _opened(run, directory) as (study, prepared):
        listener = Listeners([run.listener, _Noting(run)])
        result = drive(study, prepared, run.resources, listener, run.places)
        if result.incumbent is None:
            raise StageInterruptedError(replace(result, directory=run.study.directory))
        best = result.incumbent
        return Swept(best.directory, best.val_accuracy, _curve(study, best.key), _scores(study, best.key))


def _bring_here(parent: Study, directory: Path) -> None:
    """Fetch the study from the storage where only that has it; forget a place there that was reserved, and no more."""
    if directory.exists() or parent.settings.storage is None:
        return
    storage = join(parent.settings.storage, FOLDER)
    found = list_files(storage)
    if any(name.startswith("record/") for name in found):
        fetch(storage, directory)
    elif found:
        release(storage)


@contextmanager
def _opened(run: Run, directory: Path) -> Iterator[tuple[Study, Prepared]]:
    """Run the body with the study, made or gone on with; its budget grows with that of the run."""
    settings = relocated(run.study, Sources())
    if directory.exists():
        sources = Sources(data=settings.data, mapping=settings.mapping, text_model=settings.text_model)
        with reopened(directory, _larger_budget(run.study, directory), sources) as opened:
            yield opened
        return
    draft = Draft.check(replace(settings, features=FeatureKind.FUSION, stages=None), directory)
    prepared = draft.prepare()
    with draft.create(prepared) as study, logging_to(directory / "log.txt"), snapshots(study):
        yield study, prepared


def _larger_budget(parent: Study, directory: Path) -> int | None:
    """Return the budget of the run's configurations where it has grown since; ``None`` where it has not."""
    with Study.open(directory) as study:
        own = max((trial.budget for trial in study.trials()), default=0)
    asked = max(trial.budget for trial in parent.trials())
    return asked if own and asked > own else None


class _Noting(Listener):
    """The progress of the sweep as that of the run's stage, in the record of the run."""

    def __init__(self, run: Run) -> None:
        self._note = run.noted("epochs")
        self._counter: ProgressCounter | None = None

    def started(self, study: Study, slots: int) -> None:
        self._counter = ProgressCounter(study)

    def suggested(self, coordinator: Coordinator, outcome: Outcome) -> None:
        if self._counter is not None:
            self._counter.suggested(coordinator, outcome.suggested)

    def segment(self, coordinator: Coordinator, outcome: Outcome) -> None:
        if self._counter is not None:
            self._counter.add(outcome)
            progress = self._counter.progress
            self._note(progress.done, progress.total)


def _curve(study: Study, key: TrialKey) -> tuple[StageEpoch, ...]:
    curves = load_curves(study)
    own = curves[(curves["config_id"] == key.config_id) & (curves["seed"] == key.seed)].drop(columns="config_id")
    rows: list[Any] = own.to_dict("records")
    return tuple(StageEpoch(variant=SWEPT, **row) for row in rows)


def _scores(study: Study, key: TrialKey) -> tuple[StageScore, ...]:
    """Return the scores of the best network and of the ensemble, on the validation rows and on held-out ones if any."""
    scores = load_stage_scores(study)
    best = scores[(scores["variant"] == "incumbent") & (scores["seed"] == key.seed)]
    found = [
        StageScore(
            variant=SWEPT,
            seed=key.seed,
            side=row["side"],
            epoch=int(row["epoch"]),
            scores=ModelScores(**{name: row[name] for name in SCORES}),
        )
        for row in best.to_dict("records")
    ]
    for judged in study.judgements:
        if judged.model == ENSEMBLE:
            of_mixture = ModelScores(**dict(zip(SCORES, (judged.accuracy, *weighted_averages(judged)), strict=True)))
            found.append(StageScore(variant=ENSEMBLE, seed=key.seed, side=judged.side, epoch=None, scores=of_mixture))
    return tuple(found)
