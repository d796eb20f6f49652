"""Output of commands: results go to standard output, everything else to standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from rich.console import Console
from rich.segment import Segment

from data.errors import InputError

_CONTROLS = dict.fromkeys((n for n in (*range(32), *range(127, 160)) if chr(n) not in "\t\n"), "\ufffd")


class NobodyReadsError(Exception):
    """Signal that the reader of standard output has ended, as ``head`` does: the command ends as shell tools do."""


def settle_streams() -> None:
    """Make the standard streams accept any text: closed ones go to the null device, and no encoding raises.

    A descriptor that is closed would be given to the next file that is opened, the record of a study for example, and
    other output would land there.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        with suppress(OSError):
            while (opened := os.open(os.devnull, os.O_RDWR)) < number:
                pass
            if opened > number:
                os.close(opened)
            else:
                os.set_inheritable(opened, True)  # started processes have the same need
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w" if number else "r", encoding="utf-8"))  # noqa: SIM115
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")


class _Console(Console):
    """Console that shows a mark for characters that move the cursor or clear the screen: names may hold them."""

    def render(self, renderable: Any, options: Any = None) -> Any:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(segment.text.translate(_CONTROLS), segment.style)

    def on_broken_pipe(self) -> None:
        """Raise the error, which rich would turn into an exit with code 1."""
        raise


class _Results(_Console):
    """Standard output, where results must arrive."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print, and raise as `writing_results` does."""
        with writing_results():
            super().print(*objects, **options)


class _Messages(_Console):
    """Standard error: work does not end because nobody reads its messages."""

    def on_broken_pipe(self) -> None:
        """Print nothing from now on."""
        self.quiet = True
        silence(sys.stderr)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print where that is possible."""
        with suppress(OSError):
            super().print(*objects, **options)


@contextmanager
def writing_results() -> Iterator[None]:
    """Run the body; raise ``NobodyReadsError`` where standard output has no reader, ``InputError`` where unwritable."""
    try:
        yield
    except BrokenPipeError:
        silence(sys.stdout)
        raise NobodyReadsError from None
    except OSError as error:
        silence(sys.stdout)
        raise InputError(
            f"standard output cannot be written: {error.strerror or error}; send it to another place"
        ) from None


def silence(stream: TextIO) -> None:
    """Send a stream's remaining text to the null device: Python writes it once more as it ends."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


OUT = _Results(
    soft_wrap=True,
    highlight=False,
    markup=False,
    emoji=False,
    width=None if sys.stdout is not None and sys.stdout.isatty() else 120,
)
ERR = _Messages(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False)


def frames_json(record: Any) -> dict[str, Any]:
    """Return the dataframes and plain values of a dataclass as JSON's, each under its name; others are left out."""
    from results.rendering.exports import records_of

    found: dict[str, Any] = {}
    for name, value in vars(record).items():
        if hasattr(value, "columns"):
            found[name] = records_of(value)
        elif value is None or isinstance(value, str | int | float):
            found[name] = None if value != value else value
    return found


def print_json(value: Any) -> None:
    """Print one JSON document on standard output; letters that its encoding lacks are escaped."""
    whole = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") == "utf8"
    with writing_results():
        sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=not whole) + "\n")
        sys.stdout.flush()
