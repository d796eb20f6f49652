"""The sweep of the fusion stage: the search of a run once more, on audio + text, as a study within the study."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from data.errors import InputError
from data.object_stores import delete_file, is_uri, join, list_files
from results.dataframes.frames import load_curves
from results.judging.ensemble import ENSEMBLE
from results.judging.judgement import Judgement
from results.record.places import FUSION_SWEEP
from results.record.records import ModelScores, StageEpoch, StageScore, TrialKey
from results.record.schema import SCORES
from results.record.settings import FeatureKind
from results.record.stage_records import load_stage_scores
from results.record.study import Study
from search.planning.extending import extended_budget
from search.planning.prepared_data import Prepared
from search.scheduling.coordinator import Coordinator, Outcome
from search.scheduling.listener import CountingListener, Listeners
from search.snapshots.copies import fetch, snapshots
from search.studies.draft import Draft
from search.studies.extension import NO_EXTENSION, Extension
from search.studies.model_directories import four_scores
from search.studies.relocation import Sources, relocated
from search.studies.stages.context import Run, StageInterruptedError
from search.studies.stopping import logging_to
from search.studies.sweep import SweepResult, drive, reopened
from trainables.stack.metrics import weighted_scores

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

    An earlier command's study is gone on with; where the run was extended to a larger budget, so is it, once it has
    ended. Raises ``StageInterruptedError`` where the user stops the search.
    """
    directory = run.study.directory / FUSION_SWEEP
    result, swept = _driven(run, directory)
    missing = _missing(run.study, directory)
    if swept is not None and missing != NO_EXTENSION:
        result, swept = _driven(run, directory, missing)
    if swept is None:
        raise StageInterruptedError(replace(result, directory=run.study.directory))
    return swept


def bring_here(parent: Study) -> None:
    """Fetch the study within a study from the storage where only that has it; clear a place that a kill left half-made.

    Raises ``InputError`` where the storage cannot be read.
    """
    directory, stages = parent.directory / FUSION_SWEEP, parent.settings.stages
    if directory.exists() or parent.settings.storage is None or stages is None or not stages.fusion_sweep:
        return
    storage = join(parent.settings.storage, FUSION_SWEEP)
    try:
        found = list_files(storage)
        if any(name.startswith("record/") for name in found):
            fetch(storage, directory)
        else:  # no record has ever been there, so nothing refers to what is
            _clear(storage, found)
    except OSError as error:
        raise InputError(f"the storage {storage} cannot be read: {error}") from None


def _clear(storage: str, found: Iterable[str]) -> None:
    for name in found:
        delete_file(join(storage, name))
    if not is_uri(storage):
        for folder in (Path(storage, "checkpoints"), Path(storage)):
            with suppress(OSError):
                folder.rmdir()


def _driven(run: Run, directory: Path, extension: Extension = NO_EXTENSION) -> tuple[SweepResult, Swept | None]:
    """Train what is left of the study; return also what came out, ``None`` where the user interrupted it."""
    with _opened(run, directory, extension) as (study, prepared):
        listener = Listeners([run.listener, _Noting(run)])
        result = drive(study, prepared, run.resources, listener, run.places)
        best = result.incumbent
        if best is None:
            return result, None
        return result, Swept(best.directory, best.val_accuracy, _curve(study, best.key), _scores(study, best.key))


@contextmanager
def _opened(run: Run, directory: Path, extension: Extension) -> Iterator[tuple[Study, Prepared]]:
    """Run the body with the study, made or gone on with."""
    settings = relocated(run.study, Sources())
    if directory.exists():
        sources = Sources(data=settings.data, mapping=settings.mapping, text_model=settings.text_model)
        with reopened(directory, extension, sources) as opened:
            yield opened
        return
    draft = Draft.check(replace(settings, features=FeatureKind.FUSION, stages=None), directory)
    prepared = draft.prepare()
    with draft.create(prepared) as study, logging_to(directory / "log.txt"), snapshots(study):
        yield study, prepared


def _missing(parent: Study, directory: Path) -> Extension:
    """Return by what a run was extended and its search on audio + text, which has ended, was not."""
    budget, asked = extended_budget(parent.settings, parent.trials()), parent.settings
    with Study.open(directory) as study:
        budgets, settings = {trial.budget for trial in study.trials()}, study.settings
    longer = budget is not None and budgets != {budget} and max(budgets) <= budget
    return Extension(
        epochs=budget if longer else None,
        trials=asked.trials if asked.trials != settings.trials else None,
        space=asked.space if asked.space != settings.space else None,
    )


class _Noting(CountingListener):
    """The progress of the sweep as that of the run's stage, in the record of the run."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self._note = run.noted("epochs")

    def segment(self, coordinator: Coordinator, outcome: Outcome) -> None:
        super().segment(coordinator, outcome)
        if self.counter is not None:
            progress = self.counter.progress
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
            found.append(
                StageScore(variant=ENSEMBLE, seed=key.seed, side=judged.side, epoch=None, scores=_four(judged))
            )
    return tuple(found)


def _four(judged: Judgement) -> ModelScores:
    metrics = weighted_scores(torch.tensor([judged.confusion]))
    return four_scores({name: float(value) for name, value in metrics.items()})
