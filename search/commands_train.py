"""Commands that train: run, sweep, resume, prune."""

from __future__ import annotations

import math
import signal
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from data.errors import InputError
from search import options
from search.console import ERR, OUT, print_json
from search.placement import Resources, parse_resources


def run(
    data: options.Data = "synthetic",
    transfer_data: options.TransferData = None,
    mapping: options.Mapping = None,
    text_model: options.TextModel = None,
    space: options.Space = "paper",
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
    debug: options.Debug = False,
) -> None:
    """The whole study: description, baselines, sweep, fusion, transfer, scorecard."""
    from results.record import StageSettings
    from search.pipeline import run_study

    stages = StageSettings(
        transfer_data=str(transfer_data) if transfer_data else None,
        epochs=stage_epochs,
        patience=patience,
        transfer_epochs=transfer_epochs,
        transfer_seeds=transfer_seeds,
        freeze=freeze,
    )
    resources = _resources(address, cpus, gpus_per_segment, resources_per_segment)
    directory = out or Path("runs") / (name or f"run-{datetime.now():%Y%m%d-%H%M%S}")
    with _interruptible(directory), _listener(quiet) as listener:
        result = run_study(
            data,
            out=directory,
            stage_settings=stages,
            space=space,
            resources=resources,
            listener=listener,
            mapping=str(mapping) if mapping else None,
            text_model=text_model,
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
    _finish(result, as_json=False)


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
    if dry_run:
        _print_estimate(data, space, settings, cpus, as_json)
        return
    from search.sweep import run_sweep

    directory = out or Path("runs") / (name or f"{scheduler}-{datetime.now():%Y%m%d-%H%M%S}")
    with _interruptible(directory), _listener(quiet) as listener:
        result = run_sweep(data, out=directory, space=space, resources=resources, listener=listener, **settings)
    _finish(result, as_json)


def resume(
    study: Annotated[str, typer.Argument(help="A study's directory, or its place in a storage.", metavar="STUDY|URI")],
    epochs: Annotated[int | None, typer.Option(min=1, help="Extend every configuration to this many.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Directory for a study from a storage, instead of runs/NAME.", metavar="DIR"),
    ] = None,
    address: options.Address = None,
    cpus: options.Cpus = None,
    gpus_per_segment: options.GpusPerSegment = None,
    resources_per_segment: options.ResourcesPerSegment = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Go on with an interrupted study, or extend a finished one."""
    from search.pipeline import resume_study

    resources = _resources(address, cpus, gpus_per_segment, resources_per_segment)
    directory = _fetched(study, out)
    with _interruptible(directory), _listener(quiet) as listener:
        result = resume_study(directory, epochs=epochs, resources=resources, listener=listener)
    _finish(result, as_json)


def _fetched(study: str, out: Path | None) -> Path:
    """A study's directory on this machine; one in a storage is fetched first."""
    from data.storage import base_name, checked_location
    from search.snapshots import fetch, is_storage

    if not is_storage(study):
        if out is not None:
            raise InputError(f"--out goes with a study in a storage; {study} is none")
        return Path(study)
    directory = out or Path("runs") / base_name(checked_location(study))
    fetch(study, directory)
    return directory


def prune(
    study: options.StudyArgument,
    finished: Annotated[bool, typer.Option("--finished", help="Also those that `resume --epochs` would need.")] = False,
    debug: options.Debug = False,
) -> None:
    """Delete checkpoints that nobody needs any more."""
    from search.pruning import prune as prune_study

    pruned = prune_study(study, keep_finished=not finished)
    OUT.print(f"{pruned.files} checkpoints deleted, {pruned.megabytes:.1f} MB freed", highlight=False)


def _print_estimate(data: str, space: str, settings: dict[str, Any], cpus: int | None, as_json: bool) -> None:
    import os

    from results.record import StudySettings
    from search.dry_run import START_SECONDS, estimate
    from search.planning import check_batches, foreseen_trials
    from search.preparation import prepare
    from spaces import load_space

    asked = StudySettings(data=data, space=load_space(space).to_toml(), **settings)
    records = foreseen_trials(asked)
    prepared = prepare(asked)
    check_batches(asked, records, prepared.features)
    found = estimate(
        asked,
        records,
        prepared,
        workers=cpus or os.cpu_count() or 1,
    )
    if as_json:
        print_json(asdict(found))
        return
    OUT.print(
        f"{found.configurations} configurations in about {found.segments} segments on {found.workers} workers: "
        f"{found.epochs:,} epochs, about {found.minutes:.1f} minutes ({START_SECONDS:.0f} s of them until Ray and its "
        f"workers are up), {found.megabytes:.0f} MB of checkpoints",
        highlight=False,
    )


@contextmanager
def _interruptible(study: Path) -> Iterator[None]:
    """However a command ends before its work does: what was committed is kept, and the way on is shown."""

    def interrupt(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except InputError:
        raise
    except KeyboardInterrupt:
        way_on = f"; go on with: genresweep resume {study}" if (study / "manifest.json").is_file() else ""
        ERR.print(f"interrupted{way_on}", markup=False)
        raise typer.Exit(130) from None
    except Exception as error:
        if (study / "manifest.json").is_file():
            error.add_note(f"Nothing that was committed is lost; go on with: genresweep resume {study}")
        raise
    finally:
        signal.signal(signal.SIGTERM, previous)


def _listener(quiet: bool) -> Any:
    from search.listener import Listener
    from search.progress import LiveProgress

    return nullcontext(Listener()) if quiet else LiveProgress(ERR)


def _finish(result: Any, as_json: bool) -> None:
    """Say how a sweep ended; an interrupted one ends the command with code 130."""
    from results.frames import load_trials
    from results.repeats import load_repeats
    from search.display import incumbent_score, top_trials
    from search.trial_tables import repeats_table, trials_table

    if as_json:
        incumbent = result.incumbent and {
            "config_id": result.incumbent.key.config_id,
            "seed": result.incumbent.key.seed,
            "epoch": result.incumbent.epoch,
            "val_accuracy": result.incumbent.val_accuracy,
            "directory": str(result.incumbent.directory),
            "mean": result.incumbent.mean,
            "spread": None if math.isnan(result.incumbent.spread) else result.incumbent.spread,
        }
        print_json(
            {
                "study": str(result.directory),
                "complete": result.complete,
                "states": {str(state): count for state, count in result.states.items()},
                "epochs": result.epochs,
                "seconds": result.seconds,
                "incumbent": incumbent,
            }
        )
    if not result.complete:
        ERR.print(f"interrupted; go on with: genresweep resume {result.directory}", highlight=False, markup=False)
        raise typer.Exit(130)
    if not as_json:
        states = ", ".join(f"{count} {state}" for state, count in result.states.items() if count)
        if not math.isnan(result.incumbent.spread):
            best = load_repeats(result.directory).head(5)
            OUT.print(repeats_table(best, f"the best {len(best)}, by the mean of their seeds", OUT.width))
        else:
            best = top_trials(load_trials(result.directory), 5)
            OUT.print(trials_table(best, f"the best {len(best)}", OUT.width))
        OUT.print(
            f"{states}; {result.epochs:,} epochs in {result.seconds:.0f} s\n"
            f"the incumbent {result.incumbent.key.config_id} ({incumbent_score(result.incumbent)}) "
            f"is in {result.incumbent.directory}",
            highlight=False,
            markup=False,
        )
        _report_stages(result.directory)


def _report_stages(study: Path) -> None:
    """After a whole run: what each stage took, and the scorecard, which is written beside the study's figures."""
    from results.report import write_report
    from results.stage_record import load_stages
    from search.display import report_tables, stages_table

    stages = load_stages(study)
    if not stages.empty:
        OUT.print(stages_table(stages))
        paths = write_report([study], study)
        for table in report_tables([study]):
            OUT.print(table)
        OUT.print("written: " + ", ".join(str(path) for path in paths), markup=False)


def _resources(address: str | None, cpus: int | None, gpus: float | None, custom: str | None) -> Resources:
    return Resources(address=address, cpus=cpus, gpus_per_segment=gpus, resources_per_segment=parse_resources(custom))


def _stack_size(text: str) -> int | None:
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"--stack-size must be auto or a whole number of at least 1, but got {text!r}")
    return int(text)
