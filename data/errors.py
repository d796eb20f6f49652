"""What a person is told: the error that means "the input is wrong", warnings, and commands to go on with."""

from __future__ import annotations

import difflib
import shlex
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class InputError(ValueError):
    """Wrong input from a person: the command line shows its message alone and exits with code 2.

    The message says what was expected, what was found, and how to mend it.
    """


class FailureError(Exception):
    """A failure inside: its message tells a person the cause and the way on, and the command exits with code 1."""


class InputWarning(UserWarning):
    """Something about the input that a person should know; the command line shows its message, once."""


def warn(message: str) -> None:
    """Tell the person an `InputWarning`; Python's own filters say whether and how often it is shown."""
    warnings.warn(message, InputWarning, stacklevel=2)


@contextmanager
def naming_option(option: str, what: str) -> Iterator[None]:
    """Add to an ``InputError`` of the body which option gives ``what`` is written there another place."""
    try:
        yield
    except InputError as error:
        error.add_note(f"Choose another place for {what} with {option}")
        raise


def command(*words: object) -> str:
    """Return a genresweep command line that can be pasted into a shell, whatever its words hold."""
    return shlex.join(["genresweep", *map(str, words)])


def did_you_mean(found: str, valid: Iterable[str]) -> str:
    """``" (did you mean 'dropout'?)"`` for the nearest valid name, or an empty string."""
    nearest = difflib.get_close_matches(found, list(valid), n=1)
    return f" (did you mean {nearest[0]!r}?)" if nearest else ""
