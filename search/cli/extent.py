"""The options that say how far a command takes a study: its bounds, and what it extends the study by."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated

import typer

from search.scheduling.bounds import Bounds


@dataclass(frozen=True, kw_only=True)
class BoundOptions:
    """The bounds after which a command hands out no more work."""

    minutes: Annotated[
        float | None, typer.Option(help="End after so many minutes, what is in flight finished; resume goes on.")
    ] = None
    max_epochs_total: Annotated[
        int | None, typer.Option(help="End when all configurations together have trained so many epochs.")
    ] = None
    target: Annotated[float | None, typer.Option(help="End when a validation accuracy is as good as this.")] = None
    patience_trials: Annotated[
        int | None, typer.Option(help="End when so many configurations have ended without a better best.", metavar="N")
    ] = None

    def bounds(self) -> Bounds:
        """Return the bounds of a command; ``InputError`` for impossible ones."""
        return Bounds(**asdict(self))


@dataclass(frozen=True, kw_only=True)
class ExtensionOptions:
    """The ways in which a study that goes on is larger than before."""

    epochs: Annotated[int | None, typer.Option(min=1, help="Train those that finished to so many epochs.")] = None
    trials: Annotated[int | None, typer.Option(min=1, help="Go on to so many configurations, not for a grid.")] = None
    space: Annotated[
        str | None, typer.Option(help="A larger space, which holds the study's own, for a grid.", metavar="SPACE")
    ] = None
    retry: Annotated[
        str | None,
        typer.Option(help="Try again what failed, what diverged, or one of both.", metavar="failed|diverged|ID"),
    ] = None
