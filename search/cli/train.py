"""Commands that train: run, sweep, resume, prune."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from data.errors import InputError
from data.files import user_path
from data.runs import RUNS
from search.cli import options
from search.cli.console import ERR, OUT, print_json
from search.cli.interruption import interruptible
from search.cli.options import study_directory
from search.cli.progress.telling import refuse_two_outputs, telling
from search.cli.summary import finish
from search.cluster.placement import Resources, parse_resources


def run(
    data: options.Data = "synthetic",
    transfer_data: options.TransferData = None,
    mapping: options.Mapping = None,
    text_model: options.TextModel = None,
    space: options.Space = "paper",
    search: options.Search = "grid",
    trials: options.Trials = None,
    sampler: options.Sampler = None,
    repeats: options.Repeats = 1,
    scheduler: options.Scheduler = "asha",
    reduction_factor: options.ReductionFactor = 4,
    grace_period: options.GracePeriod = 1,
    epochs: options.Epochs = 20,
    seed: options.Seed = 42,
    split: options.Split = "random",
    holdout: options.Holdout = 0.0,
    stack_size: options.StackSize = "auto",
    stage_epochs: options.StageEpochs = 100,
    patience: options.Patience = None,
    transfer_epochs: options.TransferEpochs = 30,
    transfer_seeds: options.TransferSeeds = 5,
    freeze: options.Freeze = False,
    address: options.Address = None,
    cpus: options.Cpus = None,
    gpus_per_segment: options.GpusPerSegment = None,
    resources_per_segment: options.ResourcesPerSegment = None,
    device: options.Device = "cpu",
    name: options.Name = None,
    out: options.Out = None,
    storage: options.Storage = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
    json_events: options.JsonEvents = False,
    debug: options.Debug = False,
) -> None:
    """The whole study: description, baselines, sweep, fusion, transfer, scorecard."""
    from results.record.settings import StageSettings
    from search.studies.pipeline import run_study

    stages = StageSettings(
        transfer_data=str(transfer_data) if transfer_data else None,
        epochs=stage_epochs,
        patience=patience,
        transfer_epochs=transfer_epochs,
        transfer_seeds=transfer_seeds,
        freeze=freeze,
    )
    resources = _resources(address, cpus, gpus_per_segment, resources_per_segment)
    refuse_two_outputs(as_json, json_events)
    directory = study_directory(name, out, "run")
    _warn_of_shared_disk(directory)
    with interruptible(directory), telling(directory, quiet=quiet, json_events=json_events) as listener:
        result = run_study(
            data,
            out=directory,
            stage_settings=stages,
            space=space,
            resources=resources,
            listener=listener,
            mapping=str(mapping) if mapping else None,
            text_model=text_model,
            search=search,
            trials=trials,
            sampler=sampler,
            repeats=repeats,
            scheduler=scheduler,
            reduction_factor=reduction_factor,
            grace_period=grace_period,
            epochs=epochs,
            seed=seed,
            split=split,
            holdout=holdout,
            stack_size=_stack_size(stack_size),
            device=device,
            storage=storage,
        )
    finish(result, as_json, json_events)


def sweep(
    data: options.Data = "synthetic",
    mapping: options.Mapping = None,
    space: options.Space = "paper",
    search: options.Search = "grid",
    trials: options.Trials = None,
    sampler: options.Sampler = None,
    repeats: options.Repeats = 1,
    features: options.FeatureKind = "audio",
    text_model: options.TextModel = None,
    scheduler: options.Scheduler = "asha",
    reduction_factor: options.ReductionFactor = 4,
    grace_period: options.GracePeriod = 1,
    epochs: options.Epochs = 20,
    seed: options.Seed = 42,
    split: options.Split = "random",
    holdout: options.Holdout = 0.0,
    stack_size: options.StackSize = "auto",
    address: options.Address = None,
    cpus: options.Cpus = None,
    gpus_per_segment: options.GpusPerSegment = None,
    resources_per_segment: options.ResourcesPerSegment = None,
    device: options.Device = "cpu",
    name: options.Name = None,
    out: options.Out = None,
    storage: options.Storage = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would run and for how long, and run nothing.")
    ] = False,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
    json_events: options.JsonEvents = False,
    debug: options.Debug = False,
) -> None:
    """Train every configuration of a search space, stop the weak ones early, promote the best."""
    settings = {
        "mapping": str(mapping) if mapping else None,
        "search": search,
        "trials": trials,
        "sampler": sampler,
        "repeats": repeats,
        "features": features,
        "text_model": text_model,
        "scheduler": scheduler,
        "reduction_factor": reduction_factor,
        "grace_period": grace_period,
        "epochs": epochs,
        "seed": seed,
        "split": split,
        "holdout": holdout,
        "stack_size": _stack_size(stack_size),
        "device": device,
        "storage": storage,
    }
    resources = _resources(address, cpus, gpus_per_segment, resources_per_segment)
    refuse_two_outputs(as_json, json_events)
    directory = study_directory(name, out, scheduler)
    if not quiet:
        _warn_of_schedules(space, epochs)
    _warn_of_shared_disk(directory)
    if dry_run:
        _print_estimate(data, directory, space, settings, resources, as_json)
        return
    from search.studies.sweep import run_sweep

    with interruptible(directory), telling(directory, quiet=quiet, json_events=json_events) as listener:
        result = run_sweep(data, out=directory, space=space, resources=resources, listener=listener, **settings)
    finish(result, as_json, json_events)


def resume(
    study: Annotated[str, typer.Argument(help="A study's directory, or its place in a storage.", metavar="STUDY|URI")],
    epochs: Annotated[int | None, typer.Option(min=1, help="Train those that finished to so many epochs.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Directory for a study from a storage, instead of runs/NAME.", metavar="DIR"),
    ] = None,
    data: options.MovedData = None,
    mapping: options.Mapping = None,
    transfer_data: options.TransferData = None,
    text_model: options.TextModel = None,
    address: options.Address = None,
    cpus: options.Cpus = None,
    gpus_per_segment: options.GpusPerSegment = None,
    resources_per_segment: options.ResourcesPerSegment = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
    json_events: options.JsonEvents = False,
    debug: options.Debug = False,
) -> None:
    """Go on with an interrupted study, or extend a finished one."""
    from search.studies.pipeline import resume_study
    from search.studies.relocation import Sources

    sources = Sources(
        data=data,
        mapping=str(mapping) if mapping else None,
        transfer_data=str(transfer_data) if transfer_data else None,
        text_model=text_model,
    )
    resources = _resources(address, cpus, gpus_per_segment, resources_per_segment)
    refuse_two_outputs(as_json, json_events)
    directory = _fetched(study, out)
    _warn_of_shared_disk(directory)
    with interruptible(directory), telling(directory, quiet=quiet, json_events=json_events) as listener:
        result = resume_study(directory, epochs=epochs, sources=sources, resources=resources, listener=listener)
    finish(result, as_json, json_events)


def _fetched(study: str, out: Path | None) -> Path:
    """Return a study's directory on this machine; one in a storage is fetched first."""
    from data.storage import base_name, checked_location, is_uri
    from search.storage.snapshots import fetch, is_storage

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
    """Delete checkpoints that nobody needs any more."""
    from search.studies.pruning import prune as prune_study

    pruned = prune_study(study, keep_finished=not finished)
    if as_json:
        print_json(asdict(pruned))
        return
    OUT.print(f"{pruned.files} checkpoints deleted, {pruned.megabytes:.1f} MB freed", highlight=False)


def _warn_of_shared_disk(directory: Path) -> None:
    from search.storage.local_disk import warning

    if (said := warning(directory)) is not None:
        ERR.print(said)


def _print_estimate(
    data: str, directory: Path, space: str, settings: dict[str, Any], resources: Resources, as_json: bool
) -> None:
    from data.machine.cpus import usable_cpus
    from results.record.settings import StudySettings
    from search.cluster.address import find_address
    from search.cluster.placement import slots_here
    from search.planning.data import prepare, read_tables
    from search.planning.trials import absolute, check_batches, foreseen_trials
    from spaces import load_space

    asked = absolute(StudySettings(data=data, space=load_space(space), **settings), directory)
    records, tables = foreseen_trials(asked), read_tables(asked)
    from search.studies.dry_run import START_SECONDS, estimate  # takes a second, for PyTorch: mistakes are told first

    prepared = prepare(asked, tables)
    check_batches(asked, records, prepared.features)
    local = find_address(resources.address).is_local
    workers = slots_here(resources.cpus) if local else resources.cpus or usable_cpus()
    found = estimate(asked, records, prepared, workers=workers)
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
    OUT.print(
        f"{found.configurations} configurations in about {found.segments} segments on {found.workers} workers: "
        f"{found.epochs:,} epochs, about {found.minutes:.1f} minutes ({START_SECONDS:.0f} s of them until Ray and its "
        f"workers are up), {found.megabytes:.0f} MB of checkpoints",
        highlight=False,
    )


def _warn_of_schedules(space: str, epochs: int) -> None:
    from search.planning.trials import schedule_warning
    from spaces import load_space

    if (warning := schedule_warning(load_space(space), epochs)) is not None:
        ERR.print(f"note: {warning}", markup=False, highlight=False)


def _resources(address: str | None, cpus: int | None, gpus: float | None, custom: str | None) -> Resources:
    return Resources(address=address, cpus=cpus, gpus_per_segment=gpus, resources_per_segment=parse_resources(custom))


def _stack_size(text: str) -> int | None:
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"--stack-size must be auto or a whole number of at least 1, but got {text!r}")
    return int(text)
