"""The whole study (``genresweep run``), stage by stage; committed stages are not done again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from data.errors import InputError
from data.machine.peak_memory import PeakMemory
from data.tables.columns import ALBUM_NAME, TRACK_NAME
from data.tables.tracks import Source
from data.titles.embeddings import embed_titles
from results.paper.description import describe, write_description
from results.record.settings import StageSettings, StudySettings
from results.record.stage_records import StageRecord, commit_stage, load_stage_scores
from results.record.study import Study
from search.cluster.connection import connected
from search.cluster.environment import settle
from search.cluster.fitness import refuse_unfit_machine
from search.cluster.placement import Places
from search.planning.prepared_data import Prepared
from search.planning.settings import Space, whole_settings
from search.scheduling.bounds import NO_BOUNDS, Bounds, Limit
from search.scheduling.listener import Listener
from search.snapshots.copies import snapshots
from search.studies.draft import Draft
from search.studies.extension import Extension
from search.studies.relocation import Sources
from search.studies.stages import networks
from search.studies.stages.baselines import baselines
from search.studies.stages.context import Run, StageInterruptedError
from search.studies.stages.fusion_sweep import bring_here
from search.studies.stopping import last_words, logging_to
from search.studies.sweep import (
    Resources,
    SweepResult,
    drive,
    joining,
    reopened,
    resume_sweep,
)
from trainables.checkpoint import load_model

_log = logging.getLogger("genresweep")


def run_study(
    data: Source | StudySettings = "synthetic",
    *,
    out: str | Path,
    stage_settings: StageSettings | None = None,
    space: Space | None = None,
    resources: Resources | None = None,
    listener: Listener | None = None,
    **settings: Any,
) -> SweepResult:
    """Run every stage of the paper in one study directory; see ``run_sweep`` for the arguments.

    ``stage_settings`` are the ``stages`` of settings that are given one by one; settings given whole have their own.
    """
    settle()
    resources = resources or Resources()
    refuse_unfit_machine(resources.address)
    listener = listener or Listener()
    listener.waiting("reading the tracks")
    if stage_settings is not None or not isinstance(data, StudySettings):
        settings = {"stages": stage_settings or StageSettings(), **settings}
    asked, frame = whole_settings(data, space, settings)
    if asked.stages is None:
        raise InputError("a run of all stages needs settings of them, but got stages=None: give a StageSettings")
    draft = Draft.check(asked, out, frame)
    prepared = draft.prepare()
    listener.waiting("starting Ray")
    with connected(resources, draft.settings.device, last_words(draft.directory)) as places:
        study = draft.create(prepared)
        with study, logging_to(study.directory / "log.txt"), snapshots(study):
            return _run(study, prepared, resources, listener, places)


def resume_study(
    out: str | Path,
    *,
    epochs: int | None = None,
    trials: int | None = None,
    space: Space | None = None,
    retry: str | None = None,
    sources: Sources | None = None,
    resources: Resources | None = None,
    listener: Listener | None = None,
    bounds: Bounds = NO_BOUNDS,
) -> SweepResult:
    """Go on with a study that was interrupted, a sweep or a whole run, or extend it; see ``resume_sweep``."""
    limit = Limit(bounds)
    extension = Extension(epochs=epochs, trials=trials, space=space, retry=retry)
    settle()
    with Study.open(out) as study:
        staged = study.settings.stages is not None
    if not staged:
        return resume_sweep(
            out,
            sources=sources,
            resources=resources,
            listener=listener,
            bounds=bounds,
            **vars(extension),
        )
    refuse_unfit_machine(resources.address if resources else None)
    listener = listener or Listener()
    listener.waiting("reading the tracks, checking the checkpoints")
    with reopened(out, extension, sources) as (study, prepared):
        listener.waiting("starting Ray")
        return _run(study, prepared, resources or Resources(), listener, limit=limit)


def _run(
    study: Study,
    prepared: Prepared,
    resources: Resources,
    listener: Listener,
    places: Places | None = None,
    limit: Limit | None = None,
) -> SweepResult:
    """Run the stages that are not yet in the record; an interrupted sweep, or one that ``limit`` ends, ends the run.

    ``places`` are those of a Ray that runs already.
    """
    started, before = time.monotonic(), sum(trial.epoch for trial in study.trials())
    bring_here(study)
    _forget_lost_models(study)
    with joining(study, resources, places) as found:
        run = Run(study, prepared, resources, listener, found, limit or Limit())
        for name, step in STAGES.items():
            if name not in study.stages_done():
                listener.stage(name)
                try:
                    with _measured(name, run) as record:
                        step(run, record)
                except StageInterruptedError as interrupted:
                    return interrupted.result
    result = drive(study, prepared, resources, listener, places)
    trained = sum(trial.epoch for trial in study.trials()) - before
    return replace(result, epochs=trained, seconds=time.monotonic() - started)


def _forget_lost_models(study: Study) -> None:
    """Forget the stages with a model damaged since, so that they are done again, to the same numbers."""
    for stage, directories in _models(study).items():
        try:
            for directory in directories:
                load_model(study.directory / directory)
        except InputError as error:
            _log.warning("the stage %s is done again: %s", stage, error)
            with study.transaction():
                study.forget_stages([stage])


def _models(study: Study) -> dict[str, list[str]]:
    """Return the model directories of each stage that is done, without those of networks that never had a score."""
    found = {stage: [directory] for stage, directory in _CHOSEN.items() if stage in study.stages_done()}
    scores = load_stage_scores(study)
    scored = scores[scores["epoch"] != 0]  # an earlier version recorded those that diverged before they had a score
    for stage, variant in scored[["stage", "variant"]].drop_duplicates().itertuples(index=False):
        directory = networks.MODELS.get((stage, variant))
        if directory is not None and (directory not in _NEWER or (study.directory / directory).exists()):
            found.setdefault(stage, []).append(directory)
    return found


_CHOSEN = {"sweep": "best", "fusion": "stages/fusion"}
"""Model directories that hold the best of several variants."""
_NEWER = {"stages/transfer-scratch"}
"""Model directories that studies of an earlier version do not have."""


@contextmanager
def _measured(name: str, run: Run) -> Iterator[StageRecord]:
    """Run the body with a stage's record, and commit that with its time and peak memory."""
    record = StageRecord(name)
    # time that earlier commands spent on it before they were interrupted
    earlier = run.study.seconds_spent(name)
    started = time.monotonic() - earlier
    try:
        with PeakMemory() as memory:
            yield record
    except StageInterruptedError:
        run.study.set_seconds_spent(name, time.monotonic() - started)
        raise
    record.seconds, record.peak_megabytes = time.monotonic() - started, memory.megabytes
    commit_stage(run.study, record)
    if earlier:
        run.study.set_seconds_spent(name, 0)
    run.listener.stage_done(record)


def _describe(run: Run, record: StageRecord) -> None:
    write_description(describe(run.prepared.tracks), run.study.directory / "description")


def _embed(run: Run, record: StageRecord) -> None:
    """Encode every title that a later stage reads, once, over all workers."""
    tables = [run.prepared.tracks, *filter(None, [run.prepared.transfer_tracks])]
    albums, titles = ([name for t in tables for name in t.frame[column]] for column in (ALBUM_NAME, TRACK_NAME))
    embed_titles(albums, titles, model=run.prepared.text_model, encoder=run.encoder)
    record.note = f"{len(set(zip(albums, titles, strict=True))):,} different titles"


def _sweep(run: Run, record: StageRecord) -> None:
    result = drive(run.study, run.prepared, run.resources, run.listener, run.places, run.limit)
    if not result.complete:
        raise StageInterruptedError(result)


STAGES: dict[str, Callable[[Run, StageRecord], None]] = {
    "description": _describe,
    "embeddings": _embed,
    "baselines": baselines,
    "simple": networks.simple,
    "sweep": _sweep,
    "fusion": networks.fusion,
    "transfer": networks.transfer,
}
"""Stages in the order in which they run."""
