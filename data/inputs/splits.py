"""Stratified splits into training, validation and hold-out rows: at random, or by whole tracks or albums."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.errors import InputError, did_you_mean
from data.inputs.kinds import SplitKind
from data.tables.columns import ALBUM_NAME, TRACK_NAME
from data.tables.genres import Wanted, least_rows, rare_genres, too_rare
from data.tables.tracks import Tracks

SPLIT_KINDS = tuple(kind.value for kind in SplitKind)
VAL_FRACTION = 0.2
"""The paper's share of validation rows."""
LEFT_OUT, TRAIN, VAL, HOLDOUT = -1, 0, 1, 2
_FREE = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """The row numbers of a table's three sides: int64, disjoint; ``holdout`` may be empty."""

    train: np.ndarray
    val: np.ndarray
    holdout: np.ndarray
    kind: SplitKind
    seed: int

    def __post_init__(self) -> None:
        for name in ("train", "val", "holdout"):
            rows = np.array(getattr(self, name), dtype=np.int64)
            rows.setflags(write=False)
            object.__setattr__(self, name, rows)
        if self.kind not in SPLIT_KINDS:
            raise InputError(f"--split {self.kind}: must be one of {', '.join(SPLIT_KINDS)}")
        if not len(self.train) or not len(self.val):
            raise ValueError(f"train and val must have rows, but got {len(self.train)} and {len(self.val)}")
        rows = np.concatenate([self.train, self.val, self.holdout])
        if rows.min() < 0 or len(np.unique(rows)) != len(rows):
            raise ValueError("the sides must be disjoint row numbers from 0")

    def sides(self, rows: int) -> np.ndarray:
        """Return the side of each of ``rows`` rows: 0 train, 1 val, 2 holdout, -1 none; shape ``(rows,)``, int8."""
        sides = np.full(rows, LEFT_OUT, dtype=np.int8)
        for side, members in ((TRAIN, self.train), (VAL, self.val), (HOLDOUT, self.holdout)):
            sides[members] = side
        return sides


def split_tracks(
    tracks: Tracks,
    *,
    kind: str = "random",
    seed: int = 42,
    val_fraction: float = VAL_FRACTION,
    holdout: float = 0.0,
) -> Split:
    """Split rows into train, validation and hold-out, each with the genre shares of the table.

    ``random`` without a hold-out is the paper's split: scikit-learn's ``train_test_split``, stratified.
    ``track`` keeps all rows of a track on one side; ``album`` also those of an album. The hold-out is taken
    first, as a share of all rows; ``val_fraction`` is a share of the rest.

    Raises:
        InputError: an unknown kind, a wrong fraction, or genres with too few rows, which are listed.
    """
    if kind not in SPLIT_KINDS:
        raise InputError(f"--split {kind}{did_you_mean(kind, SPLIT_KINDS)}: must be one of {', '.join(SPLIT_KINDS)}")
    if not 0 < val_fraction < 1 or not 0 <= holdout < 1:
        raise InputError(f"0 < val_fraction < 1 and 0 <= holdout < 1 must hold, but got {val_fraction} and {holdout}")
    if not 0 <= seed < 2**32:
        raise InputError(f"0 <= seed < 2**32 must hold, but got {seed}")
    genres, wanted = tracks.genres, Wanted(kind, val_fraction, holdout, kind != "random", _blank(tracks))
    groups = None if kind == "random" else group_rows(tracks, kind)
    rest, held = np.arange(len(tracks)), np.empty(0, dtype=np.int64)
    try:
        if holdout:
            rest, held = _part(rest, genres, groups, holdout, seed)
        train, val = _part(rest, genres, groups, val_fraction, seed)
    except ValueError as error:  # scikit-learn refuses
        raise _too_rare(genres, None, [], wanted) from error
    _check_genres(genres, groups, [train, val, *([held] if holdout else [])], wanted)
    return Split(train=train, val=val, holdout=held, kind=SplitKind(kind), seed=seed)


def check_rare_genres(tracks: Tracks, *, kind: str = "random", seed: int = 42, holdout: float = 0.0) -> None:
    """Raise the error of ``split_tracks`` for genres that are too rare, without delay if none is rare.

    Importing scikit-learn takes a second, so only a table with a rare genre is split here.
    """
    if not 0 <= holdout < 1 or kind not in SPLIT_KINDS:
        return  # split_tracks refuses these
    least = least_rows(VAL_FRACTION, holdout)
    if rare_genres(tracks.genres, least) or (kind != "random" and _has_few_groups(tracks, kind, 2 * least)):
        split_tracks(tracks, kind=kind, seed=seed, holdout=holdout)


def _has_few_groups(tracks: Tracks, kind: str, least: int) -> bool:
    """Return whether some genre has few albums, or tracks, by their names as written."""
    column = ALBUM_NAME if kind == "album" else TRACK_NAME
    if column not in tracks.text_columns:
        return True
    return bool((tracks.frame[column].groupby(tracks.genres).nunique() < least).any())


def group_rows(tracks: Tracks, kind: str) -> np.ndarray:
    """Return the group number of each row, shape ``(n,)``: rows that must stay on one side share it.

    For ``album`` a group is a set of rows connected by common albums or common tracks, so that a split
    by album is also a split by track.
    """
    return _hanging_together(_keys(tracks, kind))


def _keys(tracks: Tracks, kind: str) -> list[np.ndarray]:
    return [tracks.track_keys, tracks.album_keys] if kind == "album" else [tracks.track_keys]


def _hanging_together(keys: list[np.ndarray]) -> np.ndarray:
    """Return the connected component of each row; two rows are connected if they share one of the keys."""
    rows = end = len(keys[0])
    nodes = []
    for column in keys:
        codes, distinct = pd.factorize(column)
        nodes.append(codes + end)
        end += len(distinct)
    edges = (np.tile(np.arange(rows), len(keys)), np.concatenate(nodes))
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(edges[0]), dtype=np.int8), edges), shape=(end, end))
    return connected_components(graph, directed=False)[1][:rows].astype(np.int64)


def _part(
    rows: np.ndarray, genres: np.ndarray, groups: np.ndarray | None, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Split off ``fraction`` of ``rows``, stratified, and return (the rest, the part taken)."""
    if groups is not None:
        taken = take_groups(genres[rows], groups[rows], fraction, seed)
        return rows[~taken], rows[taken]
    from sklearn.model_selection import train_test_split

    stays, taken = train_test_split(rows, test_size=fraction, stratify=genres[rows], random_state=seed)
    return stays, taken


def take_groups(genres: np.ndarray, groups: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Mark about ``fraction`` of each genre's rows, whole groups only; shape ``(n,)``, bool.

    The groups are visited from the largest to the smallest, in random order among equals. A group is taken
    if that brings the counts taken so far, per genre, nearer to ``fraction`` of the counts visited so far
    than leaving it. Single rows come last and even out the differences that larger groups left.
    """
    _, genre_codes = np.unique(genres.astype(str), return_inverse=True)
    _, group_codes, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    counts = np.zeros((len(sizes), genre_codes.max() + 1))
    np.add.at(counts, (group_codes, genre_codes), 1)
    order = np.lexsort((np.random.default_rng(seed).permutation(len(sizes)), -sizes))
    taken = np.zeros(len(sizes), dtype=bool)
    excess = np.zeros(counts.shape[1])
    for group in order:
        without = excess - fraction * counts[group]
        taken[group] = np.square(without + counts[group]).sum() < np.square(without).sum()
        excess = without + counts[group] if taken[group] else without
    return taken[group_codes]


def extend_split(split: Split, old: Tracks, new: Tracks) -> Split:
    """Return a split of ``join_tracks(old, new)`` that keeps every old row on its side.

    A new row that is a track of ``old`` (for ``album``: or shares an album with it, or with a row that
    does) goes to that row's side. The rest is split by whole tracks (albums), stratified, with the old
    shares. If a new row's group has old rows on several sides, ``random``, whose sides share tracks anyway,
    sends it to train, or to val if none is in train; ``album`` leaves it out, on no side.

    Raises:
        InputError: a genre would be missing from a side.
    """
    old_sides = split.sides(len(old))
    groups = _hanging_together(_joint_keys(split.kind, old, new))
    sides = np.concatenate([old_sides, _inherited(split.kind, groups, old_sides)])
    free = np.flatnonzero(sides == _FREE)
    if len(free):
        sides[free] = _free_sides(split, new.genres[free - len(old)], groups[free])
    extended = Split(
        train=np.concatenate([split.train, _added(sides, TRAIN, len(old))]),
        val=np.concatenate([split.val, _added(sides, VAL, len(old))]),
        holdout=np.concatenate([split.holdout, _added(sides, HOLDOUT, len(old))]),
        kind=split.kind,
        seed=split.seed,
    )
    parts = [extended.train, extended.val, *([extended.holdout] if len(extended.holdout) else [])]
    _check_genres(np.concatenate([old.genres, new.genres]), groups, parts, _wanted_again(split, new))
    return extended


def _wanted_again(split: Split, new: Tracks) -> Wanted:
    """Return the needs of a genre in a split like this one; new rows are split at least by tracks."""
    seen = len(split.train) + len(split.val)
    holdout = len(split.holdout) / (seen + len(split.holdout))
    unit = "album" if split.kind == "album" else "track"
    return Wanted(unit, len(split.val) / seen, holdout, split.kind != "random", _blank(new))


def _joint_keys(kind: SplitKind, old: Tracks, new: Tracks) -> list[np.ndarray]:
    nameless = TRACK_NAME not in old.text_columns or TRACK_NAME not in new.text_columns
    if kind == "random" and nameless:
        return [np.arange(len(old) + len(new))]
    return [np.concatenate(pair) for pair in zip(_keys(old, kind), _keys(new, kind), strict=True)]


def _inherited(kind: SplitKind, groups: np.ndarray, old_sides: np.ndarray) -> np.ndarray:
    """Return the side of each new row from the old rows of its group; `_FREE` if there are none."""
    rows = len(old_sides)
    touches = np.zeros((groups.max() + 1, HOLDOUT + 1), dtype=bool)
    placed = old_sides != LEFT_OUT
    touches[groups[:rows][placed], old_sides[placed]] = True
    touches = touches[groups[rows:]]
    # argmax gives the first side touched: train before val before holdout
    sides = np.where(touches.any(axis=1), touches.argmax(axis=1), _FREE)
    if kind != "random":
        sides[touches.sum(axis=1) > 1] = LEFT_OUT
    return sides.astype(np.int8)


def _free_sides(split: Split, genres: np.ndarray, groups: np.ndarray) -> np.ndarray:
    seen = len(split.train) + len(split.val)
    sides = np.full(len(genres), TRAIN, dtype=np.int8)
    if len(split.holdout):
        held = take_groups(genres, groups, len(split.holdout) / (seen + len(split.holdout)), split.seed)
        sides[held] = HOLDOUT
    rest = np.flatnonzero(sides == TRAIN)
    if len(rest):
        sides[rest[take_groups(genres[rest], groups[rest], len(split.val) / seen, split.seed)]] = VAL
    return sides


def _added(sides: np.ndarray, side: int, first: int) -> np.ndarray:
    return np.flatnonzero(sides[first:] == side) + first


def _blank(tracks: Tracks) -> tuple[str, ...]:
    names = {TRACK_NAME: "titles", ALBUM_NAME: "names of albums"}
    return tuple(what for name, what in names.items() if name in tracks.text_columns and not tracks.frame[name].any())


def _check_genres(genres: np.ndarray, groups: np.ndarray | None, sides: list[np.ndarray], wanted: Wanted) -> None:
    there = set(genres)
    if missing := {genre for side in sides for genre in there - set(genres[side])}:
        raise _too_rare(genres, groups, sides, wanted, missing)


def _too_rare(
    genres: np.ndarray,
    groups: np.ndarray | None,
    sides: list[np.ndarray],
    wanted: Wanted,
    missing: Collection[str] = (),
) -> InputError:
    """Return the error that genres are too rare.

    A split of single rows lists all genres below the least number; a split of whole tracks or albums lists those that
    are missing from a side.
    """
    counts, least, unit = Counter(genres), wanted.least, wanted.unit
    if groups is None:
        few = rare_genres(genres, least) or {genre: counts[genre] for genre in sorted(missing or counts)}
        remedies = wanted.remedies(min(few.values()))
        return too_rare({genre: f"{count}" for genre, count in few.items()}, counts, f"{least} rows", remedies)
    parts = {genre: len(set(groups[genres == genre])) for genre in missing}
    has = {
        genre: f"{counts[genre]} in {parts[genre]} {unit}{'s' * (parts[genre] > 1)}"
        for genre in sorted(parts, key=lambda g: (counts[g], g))
    }
    remedies = wanted.remedies(min(counts[genre] for genre in missing))
    return too_rare(has, counts, f"{least} rows in {len(sides)} {unit}s", remedies)
