"""The command line. Exit codes: 0 done, 1 the study failed, 2 the input is wrong, 130 interrupted."""

from __future__ import annotations

import json
import sys
import traceback
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from data.errors import InputError
from search import options

app = typer.Typer(
    help="Hyperparameter search over music genre networks, trained as stacks under Ray Tune.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
_out = Console(soft_wrap=True, width=None if sys.stdout.isatty() else 120)
_err = Console(stderr=True, soft_wrap=True)


@app.command()
def sweep(
    data: options.Data = "synthetic",
    mapping: options.Mapping = None,
    space: options.Space = "paper",
    search: options.Search = "grid",
    trials: options.Trials = None,
    features: options.FeatureKind = "audio",
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
    device: options.Device = "cpu",
    name: options.Name = None,
    out: options.Out = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would run, and run nothing.")] = False,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Train every configuration of a search space, stop the weak ones early, promote the best."""
    settings = {
        "mapping": str(mapping.resolve()) if mapping else None,
        "search": search,
        "trials": trials,
        "features": features,
        "scheduler": scheduler,
        "reduction_factor": reduction_factor,
        "grace_period": grace_period,
        "epochs": epochs,
        "seed": seed,
        "split": split,
        "holdout": holdout,
        "stack_size": _stack_size(stack_size),
    }
    if dry_run:
        _print_estimate(data, space, settings, cpus, as_json)
        return
    from search.sweep import Resources, run_sweep

    directory = out or Path("runs") / (name or f"{scheduler}-{datetime.now():%Y%m%d-%H%M%S}")
    resources = Resources(address=address, cpus=cpus, device=device)
    with _listener(quiet) as listener:
        result = run_sweep(data, out=directory, space=space, resources=resources, listener=listener, **settings)
    _report(result, as_json)


@app.command()
def resume(
    study: options.StudyArgument,
    epochs: Annotated[int | None, typer.Option(min=1, help="Extend every configuration to this many.")] = None,
    address: options.Address = None,
    cpus: options.Cpus = None,
    device: options.Device = "cpu",
    quiet: options.Quiet = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Go on with an interrupted study, or extend a finished one."""
    from search.sweep import Resources, resume_sweep

    resources = Resources(address=address, cpus=cpus, device=device)
    with _listener(quiet) as listener:
        result = resume_sweep(study, epochs=epochs, resources=resources, listener=listener)
    _report(result, as_json)


@app.command()
def status(
    study: Annotated[Path | None, typer.Argument(help="A study; without it, all in runs/.", metavar="[STUDY]")] = None,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """How far a study is, also while it runs."""
    from search.display import studies_in, study_summary, summary_lines

    summaries = [study_summary(path) for path in ([study] if study else studies_in(Path("runs")))]
    if as_json:
        _print_json(summaries)
        return
    for summary in summaries:
        _out.print("\n".join(summary_lines(summary)), highlight=False, markup=False)


@app.command()
def trials(
    study: options.StudyArgument,
    top: Annotated[int | None, typer.Option(min=1, help="Only the best N.", metavar="N")] = None,
    curves: Annotated[bool, typer.Option("--curves", help="One row per epoch instead.")] = False,
    to: Annotated[
        Path | None, typer.Option(help="Write a .csv, .parquet or .json file instead.", metavar="FILE")
    ] = None,
    debug: options.Debug = False,
) -> None:
    """The trials of a study as a table, best first, or their learning curves."""
    from results.exports import write_table
    from results.frames import load_curves, load_trials
    from search.display import top_trials, trials_table

    chosen = top_trials(load_trials(study), top)
    frame = chosen
    if curves:
        rows = load_curves(study)
        frame = rows[rows["config_id"].isin(chosen["config_id"])]
    if to is not None:
        write_table(frame, to)
        _out.print(f"{len(frame):,} rows written to {to}", highlight=False, markup=False)
    elif curves:
        _out.print(frame.to_string(index=False), highlight=False, markup=False)
    else:
        _out.print(trials_table(chosen, str(study)))


@app.command()
def prune(
    study: options.StudyArgument,
    finished: Annotated[bool, typer.Option("--finished", help="Also those that `resume --epochs` would need.")] = False,
    debug: options.Debug = False,
) -> None:
    """Delete checkpoints that nobody needs any more."""
    from search.pruning import prune as prune_study

    pruned = prune_study(study, keep_finished=not finished)
    _out.print(f"{pruned.files} checkpoints deleted, {pruned.megabytes:.1f} MB freed", highlight=False)


def _print_estimate(data: str, space: str, settings: dict[str, Any], cpus: int | None, as_json: bool) -> None:
    import os

    from results.record import StudySettings
    from search.dry_run import estimate
    from search.preparation import check_batches, pending_trials, prepare
    from search.sweep import DEFAULT_STACK_SIZE
    from spaces import load_space

    asked = StudySettings(data=data, space=load_space(space).to_toml(), **settings)
    records = pending_trials(asked)
    features = prepare(asked).features
    check_batches(tuple(trial.configuration for trial in records), features)
    found = estimate(
        asked,
        records,
        features,
        stack_size=asked.stack_size or DEFAULT_STACK_SIZE,
        workers=cpus or os.cpu_count() or 1,
    )
    if as_json:
        _print_json(asdict(found))
        return
    _out.print(
        f"{found.configurations} configurations in about {found.segments} segments on {found.workers} workers: "
        f"{found.epochs:,} epochs, about {found.minutes:.1f} minutes, {found.megabytes:.0f} MB of checkpoints",
        highlight=False,
    )


def _listener(quiet: bool) -> Any:
    from contextlib import nullcontext

    from search.progress import LiveProgress
    from search.sweep import Listener

    return nullcontext(Listener()) if quiet else LiveProgress(_err)


def _report(result: Any, as_json: bool) -> None:
    """Say how a sweep ended; an interrupted one ends the command with code 130."""
    from results.frames import load_trials
    from search.display import top_trials, trials_table

    if as_json:
        incumbent = result.incumbent and {
            "config_id": result.incumbent.key.config_id,
            "seed": result.incumbent.key.seed,
            "epoch": result.incumbent.epoch,
            "val_accuracy": result.incumbent.val_accuracy,
            "directory": str(result.incumbent.directory),
        }
        _print_json(
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
        _err.print(f"interrupted; go on with: genresweep resume {result.directory}", highlight=False, markup=False)
        raise typer.Exit(130)
    if not as_json:
        states = ", ".join(f"{count} {state}" for state, count in result.states.items() if count)
        _out.print(trials_table(top_trials(load_trials(result.directory), 5), "the best five"))
        _out.print(
            f"{states}; {result.epochs:,} epochs in {result.seconds:.0f} s\n"
            f"the incumbent {result.incumbent.key.config_id} ({result.incumbent.val_accuracy:.4f} at epoch "
            f"{result.incumbent.epoch}) is in {result.incumbent.directory}",
            highlight=False,
            markup=False,
        )


def _stack_size(text: str) -> int | None:
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"--stack-size must be auto or a whole number of at least 1, but got {text!r}")
    return int(text)


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line; returns its exit code."""
    try:
        result = typer.main.get_command(app).main(arguments, prog_name="genresweep", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except typer.TyperException as error:
        error.show()  # type: ignore[attr-defined]
        return 2
    except InputError as error:
        return _fail(error, 2, arguments)
    except (KeyboardInterrupt, typer.Abort):
        _err.print("interrupted; what was committed is kept", highlight=False)
        return 130
    except Exception as error:
        return _fail(error, 1, arguments)


def _fail(error: Exception, code: int, arguments: list[str]) -> int:
    if "--debug" in arguments:
        traceback.print_exception(error)
    message = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
    _err.print(f"genresweep: {message}", highlight=False, markup=False)
    return code


if __name__ == "__main__":
    main()
