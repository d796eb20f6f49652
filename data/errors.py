"""The one error that means "the input is wrong, not the program"."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Wrong input from a person: the command line shows its message alone and exits with code 2.

    The message says what was expected, what was found, and how to mend it.
    """


def did_you_mean(found: str, valid: Iterable[str]) -> str:
    """``" (did you mean 'dropout'?)"`` for the nearest valid name, or an empty string."""
    nearest = difflib.get_close_matches(found, list(valid), n=1)
    return f" (did you mean {nearest[0]!r}?)" if nearest else ""
