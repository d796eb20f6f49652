"""Messages for the user: the error for wrong input, warnings, and commands to continue with."""

from __future__ import annotations

import difflib
import shlex
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class InputError(ValueError):
    """An error in the user's input: the command line shows only its message and exits with code 2.

    The message says what was expected, what was found, and how to fix it.
    """


class FailureError(Exception):
    """An internal failure: its message gives the cause and the next step, and the command exits with code 1."""


class InputWarning(UserWarning):
    """A warning about the input; the command line shows its message once."""


def warn(message: str) -> None:
    """Issue an `InputWarning`; Python's warning filters decide whether and how often it is shown."""
    warnings.warn(message, InputWarning, stacklevel=2)


@contextmanager
def naming_option(option: str, what: str) -> Iterator[None]:
    """Run the body and add to its ``InputError`` a note: ``option`` chooses another place for ``what``."""
    try:
        yield
    except InputError as error:
        error.add_note(f"Choose another place for {what} with {option}")
        raise


def command(*words: object) -> str:
    """Return a genresweep command line that can be pasted into a shell, whatever its words contain."""
    return shlex.join(["genresweep", *map(str, words)])


def did_you_mean(found: str, valid: Iterable[str]) -> str:
    """Return ``" (did you mean 'dropout'?)"`` for the nearest valid name, or an empty string."""
    nearest = difflib.get_close_matches(found, list(valid), n=1)
    return f" (did you mean {nearest[0]!r}?)" if nearest else ""
