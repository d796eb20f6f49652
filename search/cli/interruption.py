"""Messages of a command that is interrupted or fails: committed work is kept, and how to go on."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from data.errors import InputError, command
from search.cli.console import ERR
from search.scheduling.untrainable import UntrainableError


@contextmanager
def interruptible(study: Path) -> Iterator[None]:
    """Run the body; where it ends early, keep committed work and show how to go on."""

    def interrupt(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except (InputError, UntrainableError):
        raise
    except KeyboardInterrupt:
        way_on = f"; go on with: {command('resume', study)}" if (study / "manifest.json").is_file() else ""
        ERR.print(f"interrupted{way_on}", markup=False)
        raise typer.Exit(130) from None
    except Exception as error:
        if (study / "manifest.json").is_file():
            error.add_note(f"Nothing that was committed is lost; go on with: {command('resume', study)}")
        raise
    finally:
        signal.signal(signal.SIGTERM, previous)
