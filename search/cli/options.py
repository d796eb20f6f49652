"""The options that several commands share, in groups, and the directory that some of them name.

A group is a frozen dataclass whose fields are options. `with_groups` gives a command that takes groups the options of
all their fields: Typer reads them from the signature.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from data.errors import InputError
from data.inputs.kinds import FeatureKind, SplitKind
from data.run_directories import RUNS
from results.record.settings import Device, Sampler, Scheduler, Search, StageSettings, StudySettings
from search.cluster.placement import Resources, parse_resources

Data = Annotated[
    str, typer.Option(help="A table of tracks: a path, `spotify`, or `synthetic[:ROWS]`.", metavar="SOURCE")
]
MappingFile = Annotated[
    Path | None,
    typer.Option(help="TOML table that says which columns of the table are which.", metavar="FILE.toml"),
]
TextModel = Annotated[
    str | None,
    typer.Option(
        help="Sentence-transformers model for the titles, instead of the packaged all-MiniLM-L6-v2.",
        metavar="NAME|FOLDER",
    ),
]
TransferData = Annotated[
    Path | None, typer.Option(help="Tracks of a sixth genre, for the transfer stage.", metavar="PATH")
]
Features = Annotated[FeatureKind, typer.Option(help="Features that the networks read.")]
ReductionFactor = Annotated[int, typer.Option(min=2, help="At a rung, one in this many configurations goes on.")]
GracePeriod = Annotated[int, typer.Option(min=1, help="Epoch of the first rung.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
JsonEvents = Annotated[bool, typer.Option("--json-events", help="Print each event as one line of JSON.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")]
StudyArgument = Annotated[Path, typer.Argument(help="A study's directory.", metavar="STUDY")]


@dataclass(frozen=True, kw_only=True)
class SettingsOptions:
    """The settings of a sweep, with the defaults of ``StudySettings``."""

    data: Data = "synthetic"
    mapping: MappingFile = None
    space: Annotated[
        str,
        typer.Option(
            help="paper (192), paper-full (384), wide, strong (48 at random, for accuracy) or a TOML file.",
            metavar="SPACE",
        ),
    ] = "paper"
    search: Annotated[
        Search,
        typer.Option(help="How configurations are chosen: the whole grid, a random sample, or Optuna's suggestions."),
    ] = StudySettings.search
    trials: Annotated[
        int | None, typer.Option(min=1, help="Configurations that --search random draws or optuna suggests.")
    ] = None
    sampler: Annotated[
        Sampler | None,
        typer.Option(help="Optuna's sampler, tpe by default; cmaes only where all parameters are numbers."),
    ] = None
    repeats: Annotated[
        int, typer.Option(min=1, help="Seeds to train each configuration with; the mean decides.", metavar="N")
    ] = StudySettings.repeats
    text_model: TextModel = None
    scheduler: Annotated[
        Scheduler,
        typer.Option(help="How configurations are stopped at rungs: asha, halving, or none (train all to the end)."),
    ] = StudySettings.scheduler
    reduction_factor: ReductionFactor = StudySettings.reduction_factor
    grace_period: GracePeriod = StudySettings.grace_period
    epochs: Annotated[int, typer.Option(min=1, help="Budget: epochs that a configuration may train.")] = (
        StudySettings.epochs
    )
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the split, the initial weights and the order of the batches.")
    ] = StudySettings.seed
    split: Annotated[
        SplitKind,
        typer.Option(help="How rows are split: at random, as in the paper, or with each track (album) on one side."),
    ] = StudySettings.split
    holdout: Annotated[
        float, typer.Option(min=0.0, max=0.5, help="Share of rows kept out of training and selection.")
    ] = StudySettings.holdout
    stack_size: Annotated[
        str, typer.Option(help="Most networks that are trained together: auto, or a number.", metavar="N")
    ] = "auto"
    device: Annotated[Device, typer.Option(help="Device that the networks train on.")] = StudySettings.device
    no_ensemble: Annotated[
        bool, typer.Option("--no-ensemble", help="Choose no ensemble among the networks in the end.")
    ] = False

    def settings(
        self,
        *,
        storage: str | None = None,
        features: FeatureKind = StudySettings.features,
        stages: StageSettings | None = None,
    ) -> StudySettings:
        """Return the settings of a study, with those that are no options of this group."""
        from search.planning.settings import study_settings

        given = {part.name: getattr(self, part.name) for part in fields(self)}
        given["ensemble"] = not given.pop("no_ensemble")
        given["stack_size"] = _stack_size(self.stack_size)
        return study_settings(**given, storage=storage, features=features, stages=stages)


@dataclass(frozen=True, kw_only=True)
class StageOptions:
    """The stages around a sweep, with the defaults of ``StageSettings``."""

    transfer_data: TransferData = None
    stage_epochs: Annotated[int, typer.Option(min=1, help="Epochs of the simple, text and fusion networks.")] = (
        StageSettings.epochs
    )
    patience: Annotated[
        int | None, typer.Option(min=1, help="Stop a stage's network after this many epochs without a lower loss.")
    ] = None
    transfer_epochs: Annotated[int, typer.Option(min=1, help="Epochs of the six-genre networks.")] = (
        StageSettings.transfer_epochs
    )
    transfer_seeds: Annotated[int, typer.Option(min=1, help="Seeds of the six-genre networks.")] = (
        StageSettings.transfer_seeds
    )
    freeze: Annotated[bool, typer.Option("--freeze", help="Train only the output layer in the transfer stage.")] = False
    fusion_sweep: Annotated[
        bool | None,
        typer.Option(
            "--fusion-sweep/--no-fusion-sweep",
            help="Search on audio + text, too, for the fusion network; done by itself with --space strong.",
        ),
    ] = None

    def settings(self) -> StageSettings:
        """Return the settings of the stages."""
        return StageSettings(
            transfer_data=None if self.transfer_data is None else str(self.transfer_data),
            epochs=self.stage_epochs,
            patience=self.patience,
            transfer_epochs=self.transfer_epochs,
            transfer_seeds=self.transfer_seeds,
            freeze=self.freeze,
            fusion_sweep=self.fusion_sweep,
        )


@dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    """The place where segments train, and the share of it that each takes."""

    address: Annotated[
        str | None,
        typer.Option(help="A Ray cluster: auto or HOST:PORT. Without it Ray starts here.", metavar="ADDRESS"),
    ] = None
    cpus: Annotated[int | None, typer.Option(min=1, help="Most segments that train at once; all cores by default.")] = (
        None
    )
    gpus_per_segment: Annotated[
        float | None,
        typer.Option(help="Share of a GPU that a segment takes, with --device cuda; 1 by default.", metavar="SHARE"),
    ] = None
    resources_per_segment: Annotated[
        str | None,
        typer.Option(help="Custom resources of Ray that a segment takes, such as '{\"spot\": 1}'.", metavar="JSON"),
    ] = None

    def resources(self) -> Resources:
        """Return the resources of a sweep; ``InputError`` for custom ones that are no JSON."""
        return Resources(
            address=self.address,
            cpus=self.cpus,
            gpus_per_segment=self.gpus_per_segment,
            resources_per_segment=parse_resources(self.resources_per_segment),
        )


@dataclass(frozen=True, kw_only=True)
class PlaceOptions:
    """The places of a new study."""

    name: Annotated[str | None, typer.Option(help="The study's name; its directory is runs/NAME.")] = None
    out: Annotated[Path | None, typer.Option(help="The study's directory, instead of runs/NAME.", metavar="DIR")] = None
    storage: Annotated[
        str | None,
        typer.Option(
            help="Keep checkpoints, and copies of the record, in a folder that all nodes share or an object store.",
            metavar="DIR|s3://BUCKET/PREFIX|gs://BUCKET/PREFIX",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class ToldOptions:
    """The ways in which a command that trains says what happens."""

    quiet: Quiet = False
    as_json: Json = False
    json_events: JsonEvents = False


@dataclass(frozen=True, kw_only=True)
class MovedOptions:
    """The present places of a study's inputs; ``None`` for those that have not moved."""

    data: Annotated[
        str | None,
        typer.Option(help="Where the table lies now, if it has moved; its rows must be the same.", metavar="SOURCE"),
    ] = None
    mapping: MappingFile = None
    transfer_data: TransferData = None
    text_model: TextModel = None


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with every parameter that is a group replaced by the options of the group's fields."""
    groups = {name: hint for name, hint in get_type_hints(command).items() if is_dataclass(hint)}

    @functools.wraps(command)
    def flat(**given: Any) -> None:
        made = {
            name: group(**{part.name: given.pop(part.name) for part in fields(group)})  # type: ignore[operator]
            for name, group in groups.items()
        }
        command(**made, **given)

    parameters = [*_flattened(command, groups)]
    flat.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    flat.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return flat


def _flattened(command: Callable[..., None], groups: dict[str, Any]) -> Iterator[inspect.Parameter]:
    """Yield the parameters of a command, each group as its fields; all are given by their names."""
    hints = get_type_hints(command, include_extras=True)
    for name, parameter in inspect.signature(command).parameters.items():
        if name not in groups:
            yield parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
            continue
        options = get_type_hints(groups[name], include_extras=True)
        for part in fields(groups[name]):
            default = inspect.Parameter.empty if part.default is MISSING else part.default
            kind = inspect.Parameter.KEYWORD_ONLY
            yield inspect.Parameter(part.name, kind, default=default, annotation=options[part.name])


def _stack_size(text: str) -> int | None:
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"--stack-size must be auto or a whole number of at least 1, but got {text!r}")
    return int(text)


_PLAIN = re.compile(r"[^./\x00-\x1f\x7f][^/\x00-\x1f\x7f]*")


def study_directory(name: str | None, out: Path | None, kind: str) -> Path:
    """Return the directory of a new study: ``out``, or ``runs/NAME``; without either, one named by kind and time.

    Raises ``InputError`` for both at once, and for a name that ``genresweep status`` would not find in ``runs/``.
    """
    if out is not None:
        if name is not None:
            raise InputError(f"--name {name} and --out {out} both say where the study lies: give one of them")
        return out
    if name is not None and not _PLAIN.fullmatch(name):
        raise InputError(
            f"--name {name!r}: expected the name of one folder in {RUNS}/, without '/', control characters or a "
            "leading dot; for a study in another place give its directory with --out"
        )
    return RUNS / (name or f"{kind}-{datetime.now():%Y%m%d-%H%M%S}")
