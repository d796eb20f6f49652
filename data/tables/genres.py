"""Genres that are too rare to be split, and how genres are listed where there may be a hundred of them."""

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
"""A hold-out of this share of the rows asks for few rows of a genre."""
_EXACT = 1e-9
"""By so much may a product of floats miss a whole number."""


def a_few(words: Iterable[str], shown: int = SHOWN) -> str:
    """Return the first of some words and how many more there are: ``a, b, c and 57 more``."""
    listed = list(words)
    more = len(listed) - shown
    # "and 1 more" is no shorter than the word itself
    return ", ".join(listed) if more <= 1 else f"{', '.join(listed[:shown])} and {more} more"


def least_rows(val_fraction: float, holdout: float, training: int = 1) -> int:
    """Return how many rows of a genre always reach every side of a stratified split, ``training`` of them train.

    scikit-learn's ``train_test_split`` (1.9.1) gives a genre its share of each side, rounded up or down: fewer rows may
    do where the rounding is kind, so many always do.
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
    """Return the rows of each genre that has fewer than ``least``, the rarest first."""
    counts = Counter(genres)
    return {genre: counts[genre] for genre in sorted(counts, key=lambda g: (counts[g], g)) if counts[genre] < least}


def _name(genre: str) -> str:
    """A genre's name in quotes where it could be taken for several words of the sentence."""
    short = genre if len(genre) <= _LONGEST else f"{genre[:_LONGEST]}..."
    return short if re.fullmatch(r"[\w&/+-]+", short) else repr(short)


def larger_holdout(val_fraction: float, holdout: float, rows: int) -> str | None:
    """Return the remedy of a larger hold-out where a small one is why genres need many rows, else ``None``.

    It is the smallest, in hundredths, with which the ``rows`` that the rarest genre has are enough; if none is, 0.2.
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
    """What a split asks of every genre, and what may be why one does not have it."""

    unit: str
    val_fraction: float
    holdout: float
    chosen: bool
    """Whether another kind of split would ask for rows alone."""
    blank: tuple[str, ...]

    @property
    def least(self) -> int:
        """How many rows of a genre always do."""
        return least_rows(self.val_fraction, self.holdout)

    def remedies(self, rows: int) -> list[str]:
        """Return ways out that are surer than more rows, for genres of which the rarest has so many ``rows``."""
        enough = rows >= min(self.least, least_rows(self.val_fraction, _LARGE))
        larger = larger_holdout(self.val_fraction, self.holdout, rows) if rows < self.least else None
        blank = f", since all {' and '.join(self.blank)} are empty" if self.blank else ""
        return [*filter(None, [larger]), *([f"take --split random{blank}"] if self.chosen and enough else [])]


def too_rare(rare: Mapping[str, str], of: Collection[str], needed: str, remedies: Sequence[str] = ()) -> InputError:
    """Return the error that some of the genres ``of`` a table are too rare to be split.

    ``rare`` leads from each of them to what it has (``3``, ``20 in 1 album``); ``needed`` says what a genre needs;
    ``remedies`` are named before the usual ones.
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
