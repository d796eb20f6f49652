"""The sweep: its queue built from the record, run under Ray Tune, and the incumbent promoted.

Modules that import torch or Ray Tune are imported by the functions that need them: that takes seconds, in which Ray
starts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import InputError
from data.feature_store import put_encodings
from data.object_stores import is_uri
from data.tables.tracks import Source
from results.dataframes.frames import load_trials
from results.judging.ensemble import Ensemble
from results.record.facts import Fact
from results.record.records import State
from results.record.settings import StudySettings
from results.record.study import Study
from search.cluster.address import cluster_address
from search.cluster.connection import connected
from search.cluster.environment import settle
from search.cluster.fitness import refuse_unfit_machine
from search.cluster.placement import Places, Resources
from search.cluster.storage_check import Reached
from search.cluster.watchdog import clear_scratch
from search.planning.prepared_data import Prepared
from search.planning.settings import Space, whole_settings
from search.scheduling.bounds import NO_BOUNDS, Bounds, Limit
from search.scheduling.building import Make, Past, build_coordinator, cost_model
from search.scheduling.coordinator import Coordinator, Outcome
from search.scheduling.listener import Listener
from search.snapshots.copies import snapshots
from search.studies.draft import Draft
from search.studies.extension import NO_EXTENSION, Extension, extend, extended_settings
from search.studies.relocation import Sources, remember, same_data
from search.studies.stopping import graceful_stop, last_words, logging_to
from trainables import SEMANTICS_VERSION

if TYPE_CHECKING:
    from search.studies.promotion import Incumbent


@dataclass(frozen=True)
class SweepResult:
    """The result of a sweep."""

    directory: Path
    incumbent: Incumbent | None
    """The promoted configuration; ``None`` where the sweep was interrupted."""
    states: dict[State, int]
    epochs: int
    """Epochs trained by this command."""
    seconds: float
    ensemble: Ensemble | None = None
    """The ensemble in ``ensemble/``; ``None`` without one."""
    bounded: str | None = None
    """The bound that ended the command before its work was done; the best so far is promoted then."""

    @property
    def complete(self) -> bool:
        """True where every configuration has ended."""
        return self.incumbent is not None and self.bounded is None

    def __str__(self) -> str:
        """Return the result as a line for a notebook or a log."""
        ended = ", ".join(f"{count} {state}" for state, count in sorted(self.states.items()) if count)
        said = [f"{self.directory}: {ended}, {self.epochs:,} epochs in {self.seconds:.1f} s"]
        if self.bounded is not None:
            said.append(self.bounded)
        elif self.incumbent is None:
            said.append("interrupted")
        if self.incumbent is not None:
            said.append(f"best {self.incumbent.val_accuracy:.4f} ({self.incumbent.key.config_id})")
        if self.ensemble is not None:
            said.append(f"ensemble of {len(self.ensemble.members)}")
        return "; ".join(said)


def run_sweep(
    data: Source | StudySettings = "synthetic",
    *,
    out: str | Path,
    space: Space | None = None,
    resources: Resources | None = None,
    listener: Listener | None = None,
    bounds: Bounds = NO_BOUNDS,
    **settings: Any,
) -> SweepResult:
    """Train a search space on a table of tracks and record everything in the study directory ``out``.

    Settings are given whole, as the first argument, or one by one. Then ``data`` is a path, a named source or a
    DataFrame, of which the study keeps the parts that it reads; ``space`` is a name (``paper``, which is also what
    ``None`` stands for, ``paper-full``, ``wide``, ``strong``), a TOML file, or a ``spaces.SearchSpace``; and
    ``settings`` are the other fields of ``results.StudySettings``. ``storage`` is the folder, or the URI of the prefix,
    in which the study gets a place of its name. ``bounds`` end the command before all is done. Raises ``InputError``
    where the input is wrong, and ``StudyError`` where the study cannot go on.
    """
    started, limit = time.monotonic(), Limit(bounds)
    settle()
    resources = resources or Resources()
    refuse_unfit_machine(resources.address)
    listener = listener or Listener()
    listener.waiting("reading the tracks")
    asked, frame = whole_settings(data, space, settings)
    draft = Draft.check(asked, out, frame)
    # a cluster may turn out not to be there, and a minute of reading titles must be interruptible
    quick = cluster_address(resources.address) == "local" and draft.settings.features == "audio"
    # Ray starts in this thread: what it starts would end together with any other.
    with ThreadPoolExecutor(1) as beside:
        preparing = beside.submit(draft.prepare) if quick else None
        listener.waiting("reading the tracks, starting Ray" if quick else "starting Ray")
        with connected(resources, draft.settings.device, last_words(draft.directory)) as places:
            listener.waiting("reading the tracks")
            prepared = preparing.result() if preparing else draft.prepare(places, listener)
            study = draft.create(prepared)
            with study, logging_to(study.directory / "log.txt"), snapshots(study):
                result = drive(study, prepared, resources, listener, places, limit)
    return replace(result, seconds=time.monotonic() - started)


def resume_sweep(
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
    """Go on with an interrupted study, or extend one.

    It is extended to a budget of ``epochs``, to ``trials`` configurations, to a larger ``space``, or by another try
    (``retry``) of what failed; see ``extension.Extension``. ``sources`` gives the new places of inputs that have moved,
    ``bounds`` end the command before all is done. Raises ``InputError``, with the fields that differ, where data or
    training differ from those that the study began with.
    """
    limit = Limit(bounds)
    extension = Extension(epochs=epochs, trials=trials, space=space, retry=retry)
    settle()
    refuse_unfit_machine(resources.address if resources else None)
    listener = listener or Listener()
    listener.waiting("reading the tracks, checking the checkpoints")
    with reopened(out, extension, sources) as (study, prepared):
        listener.waiting("starting Ray")
        return drive(study, prepared, resources or Resources(), listener, limit=limit)


@contextmanager
def reopened(
    out: str | Path, extension: Extension = NO_EXTENSION, sources: Sources | None = None
) -> Iterator[tuple[Study, Prepared]]:
    """Run the body with a study to go on with, its data checked to be as before, its checkpoints to be whole."""
    from search.studies.recovery import clear_leftovers, revive, rewind

    with Study.open_for_writing(out) as study, logging_to(study.directory / "log.txt"):
        _refuse_other_semantics(study)
        study.settings = extended_settings(study, extension)
        settings, prepared = same_data(study, sources or Sources())
        with snapshots(study):
            remember(study, settings)
            if not is_uri(study.checkpoints):
                Path(study.checkpoints).mkdir(exist_ok=True)
            study.release_running()
            extend(study, extension, prepared.features)
            revive(study)
            clear_leftovers(study)
            clear_scratch()
            rewind(study)
            yield study, prepared


def drive(
    study: Study,
    prepared: Prepared,
    resources: Resources,
    listener: Listener,
    places: Places | None = None,
    limit: Limit | None = None,
) -> SweepResult:
    """Train the work that the record leaves to do, then promote the incumbent and choose the ensemble.

    ``places`` are those of a Ray that runs already; without them one is started, or joined, where there is work left.
    Where ``limit`` ends it before, the best so far is promoted.
    """
    from search.studies.ensembles.choosing import keep_or_assemble
    from search.studies.promotion import choose_incumbent, promote
    from search.studies.recovery import rewind_incumbent

    started, limit = time.monotonic(), limit or Limit()
    before = sum(trial.epoch for trial in study.trials())
    joined = partial(joining, study, resources, places)
    finished = _train_what_is_left(study, prepared, joined, listener, limit)
    if finished and rewind_incumbent(study):
        finished = _train_what_is_left(study, prepared, joined, listener, limit)
    ensemble, incumbent = None, None
    bounded = study.bounded
    if finished or (bounded is not None and choose_incumbent(load_trials(study)) is not None):
        listener.waiting("scoring the incumbent once more")
        # the ensemble first: a study that has its incumbent is complete
        if study.settings.ensemble or study.ensemble is not None:
            ensemble = keep_or_assemble(study, prepared.features)
        incumbent = promote(study, prepared.features)
    trials = study.trials()
    return SweepResult(
        directory=study.directory,
        incumbent=incumbent,
        ensemble=ensemble,
        bounded=bounded,
        states={state: sum(trial.state is state for trial in trials) for state in State},
        epochs=sum(trial.epoch for trial in trials) - before,
        seconds=time.monotonic() - started,
    )


def joining(study: Study, resources: Resources, places: Places | None) -> AbstractContextManager[Places]:
    """Return a context with the places of a Ray: the given ones, or else of one that is started or joined for it."""
    if places is not None:
        return nullcontext(places)
    return connected(resources, study.settings.device, last_words(study.directory))


Joining = Callable[[], AbstractContextManager[Places]]


def _train_what_is_left(study: Study, prepared: Prepared, joined: Joining, listener: Listener, limit: Limit) -> bool:
    """Train the rest, and return True where every configuration has ended; False where the user or a bound ended it.

    The bound is then a fact of the record.
    """
    from search.cluster.tune_bridge import commit
    from search.studies.recovery import clear_leftovers

    coordinator, opening = restored_coordinator(study, prepared)
    commit(study, opening)
    study.set_fact(Fact.BOUNDED, "")
    if coordinator.finished:
        return True
    study.set_fact(Fact.INCUMBENT, "")  # that of before is none until a promotion says so again
    interrupted = _train(study, prepared, coordinator, joined, listener, limit)
    clear_leftovers(study)
    if limit.reason is not None and not coordinator.finished and not interrupted:
        study.set_fact(Fact.BOUNDED, limit.reason)
    return coordinator.finished and not interrupted


def restored_coordinator(study: Study, prepared: Prepared) -> tuple[Coordinator, Outcome]:
    """Return the coordinator of a study as its record has it, and what its start changes in the record."""
    past = Past(decisions=study.decisions(), scores=study.scores, last_segment=study.last_segment_number())
    costs = cost_model(study.settings, prepared)
    return build_coordinator(study.settings, study.trials(), costs, past=past, make=_kind_of_coordinator(study))


def _kind_of_coordinator(study: Study) -> Make:
    if study.settings.search != "optuna":
        return Coordinator
    from search.suggestions.suggesting_coordinator import SuggestingCoordinator, restored_search

    return partial(SuggestingCoordinator, search=restored_search(study))


def _train(
    study: Study, prepared: Prepared, coordinator: Coordinator, joined: Joining, listener: Listener, limit: Limit
) -> bool:
    """Train until nothing is left; return True where the user interrupted it."""
    from search.cluster.tune_bridge import SegmentSearcher, run_segments

    with joined() as places:
        trust = Reached(study.checkpoints, places.trust)
        searcher = SegmentSearcher(coordinator, study, places.slots, listener, trust, limit)
        listener.started(study, places.slots().now)
        handles = put_encodings(prepared.features, prepared.input_sizes)
        with graceful_stop(searcher, lambda: listener.stopping(coordinator.in_flight)):
            run_segments(searcher, handles, study, device=study.settings.device.value, needs=places.needs)
    return searcher.stopping


def _refuse_other_semantics(study: Study) -> None:
    if study.manifest.semantics != SEMANTICS_VERSION:
        raise InputError(
            f"{study.directory} was trained by version {study.manifest.semantics} of the training's arithmetic, "
            f"this is version {SEMANTICS_VERSION}: it can be read, not resumed"
        )
