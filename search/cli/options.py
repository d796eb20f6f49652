"""The options that several commands share, with their help, and the directory that some of them name."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from data.errors import InputError
from data.runs import RUNS

Data = Annotated[
    str, typer.Option(help="A table of tracks: a path, `spotify`, or `synthetic[:ROWS]`.", metavar="SOURCE")
]
MovedData = Annotated[
    str | None,
    typer.Option(help="Where the table lies now, if it has moved; its rows must be the same.", metavar="SOURCE"),
]
Mapping = Annotated[
    Path | None,
    typer.Option(help="TOML table that says which columns of the table are which.", metavar="FILE.toml"),
]
Space = Annotated[str, typer.Option(help="paper (192), paper-full (384), wide or a TOML file.", metavar="SPACE")]
Search = Annotated[
    Literal["grid", "random", "optuna"],
    typer.Option(help="Train the whole grid, a random sample, or what Optuna suggests by what came out before."),
]
Trials = Annotated[
    int | None, typer.Option(min=1, help="Configurations that --search random draws or optuna suggests.")
]
Sampler = Annotated[
    Literal["tpe", "random", "gp", "cmaes"] | None,
    typer.Option(help="What suggests in --search optuna, tpe by default; cmaes where all parameters are numbers."),
]
Repeats = Annotated[
    int, typer.Option(min=1, help="Train each configuration with so many seeds; the mean chooses.", metavar="N")
]
FeatureKind = Annotated[Literal["audio", "text", "fusion"], typer.Option(help="What the networks read.")]
TextModel = Annotated[
    str | None,
    typer.Option(
        help="Reads the titles instead of the packaged all-MiniLM-L6-v2: a sentence-transformers model.",
        metavar="NAME|FOLDER",
    ),
]
Scheduler = Annotated[
    Literal["asha", "halving", "none"], typer.Option(help="Who goes on at a rung; `none` trains everyone.")
]
ReductionFactor = Annotated[int, typer.Option(min=2, help="One in this many goes on at a rung.")]
GracePeriod = Annotated[int, typer.Option(min=1, help="Epochs before the first rung.")]
Epochs = Annotated[int, typer.Option(min=1, help="Epochs of a configuration that is not stopped.")]
Seed = Annotated[int, typer.Option(min=0, help="Of the split, the initial weights and the order of the batches.")]
Split = Annotated[
    Literal["random", "track", "album"],
    typer.Option(help="Rows at random, as in the paper, or no track (album) on two sides."),
]
Holdout = Annotated[float, typer.Option(min=0.0, max=0.5, help="Share of rows that nothing is chosen by.")]
StackSize = Annotated[str, typer.Option(help="Networks trained as one: auto, or at most this many.", metavar="N")]
Address = Annotated[
    str | None,
    typer.Option(help="A Ray cluster: auto or HOST:PORT. Without it Ray starts here.", metavar="ADDRESS"),
]
Cpus = Annotated[int | None, typer.Option(min=1, help="The most segments that train at once; all cores by default.")]
GpusPerSegment = Annotated[
    float | None,
    typer.Option(help="Share of a GPU that a segment takes, with --device cuda; 1 by default.", metavar="SHARE"),
]
ResourcesPerSegment = Annotated[
    str | None,
    typer.Option(help="Custom resources of Ray that a segment takes, such as '{\"spot\": 1}'.", metavar="JSON"),
]
Device = Annotated[Literal["cpu", "cuda"], typer.Option(help="Where the networks train.")]
Name = Annotated[str | None, typer.Option(help="The study's name; its directory is runs/NAME.")]
Out = Annotated[Path | None, typer.Option(help="The study's directory, instead of runs/NAME.", metavar="DIR")]
Storage = Annotated[
    str | None,
    typer.Option(
        help="Keep checkpoints, and copies of the record, in a folder that all nodes share or an object store.",
        metavar="DIR|s3://BUCKET/PREFIX|gs://BUCKET/PREFIX",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress.")]
Json = Annotated[bool, typer.Option("--json", help="The result as JSON on standard output.")]
JsonEvents = Annotated[
    bool, typer.Option("--json-events", help="What happens, as one JSON object per line on standard output.")
]
Debug = Annotated[bool, typer.Option("--debug", help="A traceback for errors, too.")]
StudyArgument = Annotated[Path, typer.Argument(help="A study's directory.", metavar="STUDY")]
TransferData = Annotated[
    Path | None, typer.Option(help="Tracks of a sixth genre, for the transfer stage.", metavar="PATH")
]
StageEpochs = Annotated[int, typer.Option(min=1, help="Epochs of the simple, text and fusion networks.")]
Patience = Annotated[
    int | None, typer.Option(min=1, help="Stop a stage's network after this many epochs without a lower loss.")
]
TransferEpochs = Annotated[int, typer.Option(min=1, help="Epochs of the six-genre networks.")]
TransferSeeds = Annotated[int, typer.Option(min=1, help="Seeds of the six-genre networks.")]
Freeze = Annotated[bool, typer.Option("--freeze", help="Transfer: train the output layer alone.")]

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
