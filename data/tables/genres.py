"""Genres that are too rare to be split, and lists of genres in messages, of which there may be a hundred."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from data.errors import InputError

SHOWN = 5
_LONGEST = 40
_LARGE = 0.2
"""The share of a hold-out that is large enough to need only few rows of each genre."""
_EXACT = 1e-9
"""The tolerance for a product of floats that should be a whole number."""


def a_few(words: Iterable[str], shown: int = SHOWN) -> str:
    """Return the first of some words and the number of the others: ``a, b, c and 57 more``."""
    listed = list(words)
    more = len(listed) - shown
    # "and 1 more" is not shorter than the word itself
    return ", ".join(listed) if more <= 1 else f"{', '.join(listed[:shown])} and {more} more"


def least_rows(val_fraction: float, holdout: float, training: int = 1) -> int:
    """Return the rows that a genre needs to be on each side of a stratified split, ``training`` of them in train.

    scikit-learn's ``train_test_split`` (1.9.1) gives a genre its share of each side, rounded up or down: this many rows
    are always enough, and fewer may be, depending on the rounding.
    """
    smallest = min(val_fraction * (1 - holdout), holdout or 1)
    rows = math.ceil(1 / smallest - _EXACT)
    while not _reaches(rows, val_fraction, holdout, training):
        rows += 1
    return rows


def _reaches(rows: int, val_fraction: float, holdout: float, training: int) -> bool:
    held = rows * holdout
    rest = rows - math.ceil(held - _EXACT)
    val = rest * val_fraction
    return (not holdout or held >= 1 - _EXACT) and val >= 1 - _EXACT and rest - math.ceil(val - _EXACT) >= training


def rare_genres(genres: Iterable[str], least: int) -> dict[str, int]:
    """Return the number of rows of each genre with fewer than ``least``, the rarest first."""
    counts = Counter(genres)
    return {genre: counts[genre] for genre in sorted(counts, key=lambda g: (counts[g], g)) if counts[genre] < least}


def _name(genre: str) -> str:
    """Return a genre's name, in quotes if it could be read as several words of the sentence."""
    short = genre if len(genre) <= _LONGEST else f"{genre[:_LONGEST]}..."
    return short if re.fullmatch(r"[\w&/+-]+", short) else repr(short)


def larger_holdout(val_fraction: float, holdout: float, rows: int) -> str | None:
    """Return the advice to take a larger hold-out, or ``None`` if a larger one does not reduce the rows needed.

    It is the smallest share, in hundredths, for which the rarest genre's ``rows`` are enough; 0.2 if there is none.
    """
    larger = [share for share in (step / 100 for step in range(1, round(_LARGE * 100) + 1)) if share > holdout]
    if not holdout or not larger:
        return None
    share = next((share for share in larger if least_rows(val_fraction, share) <= rows), larger[-1])
    needed = least_rows(val_fraction, share)
    return (
        f"give a larger --holdout ({share:g} takes {needed} rows)"
        if needed < least_rows(val_fraction, holdout)
        else None
    )


@dataclass(frozen=True)
class Wanted:
    """The needs of a split for each genre, and the possible reasons why a genre does not meet them."""

    unit: str
    val_fraction: float
    holdout: float
    chosen: bool
    """True if another kind of split would need only rows."""
    blank: tuple[str, ...]

    @property
    def least(self) -> int:
        """The number of rows of a genre that is always enough."""
        return least_rows(self.val_fraction, self.holdout)

    def remedies(self, rows: int) -> list[str]:
        """Return remedies surer than adding rows, for genres of which the rarest has ``rows`` rows."""
        enough = rows >= min(self.least, least_rows(self.val_fraction, _LARGE))
        larger = larger_holdout(self.val_fraction, self.holdout, rows) if rows < self.least else None
        blank = f", since all {' and '.join(self.blank)} are empty" if self.blank else ""
        return [*filter(None, [larger]), *([f"take --split random{blank}"] if self.chosen and enough else [])]


def too_rare(rare: Mapping[str, str], of: Collection[str], needed: str, remedies: Sequence[str] = ()) -> InputError:
    """Return the error that some of the genres ``of`` a table are too rare to be split.

    ``rare`` maps each of them to the rows that it has (``3``, ``20 in 1 album``); ``needed`` says what a genre needs;
    ``remedies`` are listed before the usual ones.
    """
    others = len(set(of) - rare.keys())
    listed = a_few(f"{_name(genre)} {has}" for genre, has in rare.items())
    few = f"{len(rare)} of {len(rare) + others} genres {'has' if len(rare) == 1 else 'have'} fewer"
    those = "that genre" if len(rare) == 1 else "those genres"
    ways = [*remedies, f"give more rows of {those}", *([f"leave {those} out"] if others > 1 else [])]
    text = f"{', '.join(ways[:-1])}, or {ways[-1]}" if ways[1:] else ways[0]
    return InputError(
        f"too few rows to split: every genre must stand on every side, which takes at least {needed}, but {few}: "
        f"{listed}.\n{text[0].upper()}{text[1:]}"
    )
