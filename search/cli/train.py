"""Commands that train or change a study: run, sweep, resume, ensemble, trees, prune."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from data.errors import InputError
from data.files import user_path
from data.run_directories import RUNS
from results.record.settings import StudySettings
from search.cli import options
from search.cli.console import ERR, OUT, print_json
from search.cli.extent import BoundOptions, ExtensionOptions
from search.cli.interruption import interruptible
from search.cli.options import study_directory
from search.cli.progress.telling import refuse_two_outputs, telling
from search.cli.texts.summary import ensemble_text, finish, trees_text
from search.cluster.placement import Resources
from search.scheduling.bounds import Bounds
from search.scheduling.listener import Listener


@options.with_groups
def run(
    *,
    asked: options.SettingsOptions,
    stages: options.StageOptions,
    cluster: options.ClusterOptions,
    place: options.PlaceOptions,
    told: options.ToldOptions,
    debug: options.Debug = False,
) -> None:
    """The whole study: description, baselines, sweep, fusion, transfer, scorecard."""
    from search.studies.pipeline import run_study

    resources = cluster.resources()
    refuse_two_outputs(told.as_json, told.json_events)
    directory = study_directory(place.name, place.out, "run")
    settings = asked.settings(stages=stages.settings(), storage=place.storage)
    _warn_of_shared_disk(directory)
    with interruptible(directory), _telling(directory, told) as listener:
        result = run_study(settings, out=directory, resources=resources, listener=listener)
    finish(result, told.as_json, told.json_events)


@options.with_groups
def sweep(
    *,
    asked: options.SettingsOptions,
    features: options.Features = StudySettings.features,
    bound: BoundOptions,
    cluster: options.ClusterOptions,
    place: options.PlaceOptions,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would run and for how long, and run nothing.")
    ] = False,
    told: options.ToldOptions,
    debug: options.Debug = False,
) -> None:
    """Train every configuration of a search space, stop the weak ones early, promote the best."""
    resources, bounds = cluster.resources(), bound.bounds()
    refuse_two_outputs(told.as_json, told.json_events)
    directory = study_directory(place.name, place.out, asked.scheduler)
    settings = asked.settings(features=features, storage=place.storage)
    if not told.quiet:
        _warn_of_schedules(settings)
    _warn_of_shared_disk(directory)
    if dry_run:
        _print_estimate(settings, directory, resources, bounds, told.as_json)
        return
    from search.studies.sweep import run_sweep

    with interruptible(directory), _telling(directory, told) as listener:
        result = run_sweep(settings, out=directory, resources=resources, listener=listener, bounds=bounds)
    finish(result, told.as_json, told.json_events)


@options.with_groups
def resume(
    *,
    study: Annotated[str, typer.Argument(help="A study's directory, or its place in a storage.", metavar="STUDY|URI")],
    more: ExtensionOptions,
    bound: BoundOptions,
    out: Annotated[
        Path | None,
        typer.Option(help="Directory for a study from a storage, instead of runs/NAME.", metavar="DIR"),
    ] = None,
    moved: options.MovedOptions,
    cluster: options.ClusterOptions,
    told: options.ToldOptions,
    debug: options.Debug = False,
) -> None:
    """Go on with an interrupted study, or extend a finished one."""
    from search.studies.pipeline import resume_study
    from search.studies.relocation import Sources

    bounds = bound.bounds()
    sources = Sources(**{name: str(place) for name, place in asdict(moved).items() if place is not None})
    resources = cluster.resources()
    refuse_two_outputs(told.as_json, told.json_events)
    directory = _fetched(study, out)
    _warn_of_shared_disk(directory)
    with interruptible(directory), _telling(directory, told) as listener:
        result = resume_study(
            directory, sources=sources, resources=resources, listener=listener, bounds=bounds, **asdict(more)
        )
    finish(result, told.as_json, told.json_events)


def _fetched(study: str, out: Path | None) -> Path:
    """Return a study's directory on this machine; one in a storage is fetched first."""
    from data.object_stores import base_name, checked_location, is_uri
    from search.snapshots.copies import fetch, is_storage

    if not is_uri(study):
        study = str(user_path(study))
    if not is_storage(study):
        if out is not None:
            raise InputError(f"--out goes with a study in a storage; {study} is none")
        return Path(study)
    directory = out or RUNS / base_name(checked_location(study))
    fetch(study, directory)
    return directory


def prune(
    study: options.StudyArgument,
    finished: Annotated[bool, typer.Option("--finished", help="Also those that `resume --epochs` would need.")] = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Delete checkpoints that no resume needs; ensemble/ stays, but a new one is chosen among those that are left."""
    from search.studies.pruning import prune as prune_study

    pruned = prune_study(study, keep_finished=not finished)
    if as_json:
        print_json(asdict(pruned))
        return
    OUT.print(f"{pruned.files} checkpoints deleted, {pruned.megabytes:.1f} MB freed", highlight=False)


def ensemble(
    studies: Annotated[
        list[Path],
        typer.Argument(help="One study, or several on the same rows; the first one's is replaced.", metavar="STUDY..."),
    ],
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Choose networks of a sweep, or of several, whose mixed predictions are better than those of the best one."""
    from search.studies.ensembles.several import ensemble_of

    with interruptible(studies[0]):
        directory, found = ensemble_of(studies)
    if as_json:
        print_json({"directory": str(directory), **found.to_json()})
        return
    OUT.print(ensemble_text(studies[0]), highlight=False, markup=False)


def trees(
    study: options.StudyArgument,
    seconds: Annotated[
        float | None, typer.Option(min=0, help="Length of the search; else as many core-seconds as the sweep took.")
    ] = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Tune XGBoost on a study's rows at the cost of its sweep, as a rival that stands beside it in the report."""
    from search.studies.tuned_trees import tune_beside

    with interruptible(study), telling(study, quiet=quiet, json_events=False) as listener:
        listener.stage("trees")
        found = tune_beside(study, seconds=seconds, told=listener.stage_progress)
    if as_json:
        print_json(found.to_json())
        return
    OUT.print(trees_text(study), highlight=False, markup=False)


def _warn_of_shared_disk(directory: Path) -> None:
    from search.snapshots.local_disk import warning

    if (said := warning(directory)) is not None:
        ERR.print(said)


def _print_estimate(
    settings: StudySettings, directory: Path, resources: Resources, bounds: Bounds, as_json: bool
) -> None:
    from data.machine.cpus import usable_cpus
    from search.cluster.address import find_address
    from search.cluster.placement import slots_here
    from search.planning.prepared_data import prepare, read_tables
    from search.planning.trials import absolute, check_batches, foreseen_trials

    asked = absolute(settings, directory)
    records, tables = foreseen_trials(asked), read_tables(asked)
    from search.studies.dry_run import START_SECONDS, estimate  # takes a second, for PyTorch: mistakes are told first

    prepared = prepare(asked, tables)
    check_batches(asked, records, prepared.features)
    local = find_address(resources.address).is_local
    workers = slots_here(resources.cpus) if local else resources.cpus or usable_cpus()
    found = estimate(asked, records, prepared, workers=workers, bounds=bounds)
    if not local and resources.cpus is None:
        ERR.print(
            "--dry-run asks no cluster: this is for as many CPUs as it may use on this machine; --cpus N for another "
            "number"
        )
    if asked.device == "cuda":
        ERR.print("--dry-run knows no GPU: its seconds are those of CPUs, one for each worker")
    if as_json:
        print_json(asdict(found))
        return
    if found.bounded is not None:
        OUT.print(f"it ends when {found.bounded}; {found.ended} of the configurations will have ended", highlight=False)
    about = "about " if asked.scheduler == "asha" else ""  # its decisions depend on scores
    OUT.print(
        f"{found.configurations} configurations in about {found.segments} segments on {found.workers} workers: "
        f"{about}{found.epochs:,} epochs, about {found.minutes:.1f} minutes ({START_SECONDS:.0f} s of them until Ray "
        f"and its workers are up), {found.megabytes:.0f} MB of checkpoints",
        highlight=False,
    )


def _warn_of_schedules(settings: StudySettings) -> None:
    from search.planning.trials import schedule_warning

    if (warning := schedule_warning(settings.space, settings.epochs)) is not None:
        ERR.print(f"note: {warning}", markup=False, highlight=False)


def _telling(directory: Path, told: options.ToldOptions) -> AbstractContextManager[Listener]:
    return telling(directory, quiet=told.quiet, json_events=told.json_events)
