"""The synthetic twin of the six-genre table: any number of rows, deterministic, embedded, no download.

It is sampled from `synthetic_twin.json`, aggregate numbers and common words that `data.tables.synthetic_fit` took
from the real tables once; none of its tracks ever existed. The audio features come from clusters per genre, whose
quantiles are joined by a Gaussian copula; titles are bags of common words; the same track may be listed under
several genres, as in the real table, so no classifier reaches 100%.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import ndtr

from data.errors import InputError
from data.tables.columns import PAPER_NUMBERS

TWIN_FILE = Path(__file__).with_name("synthetic_twin.json")
DEFAULT_ROWS = 26_262
MINIMUM_ROWS = 100
MAXIMUM_ROWS = 10_000_000
NUMBERS = (*(name for name in PAPER_NUMBERS if name != "key"), "year")
DECIMALS = {
    "track_popularity": 0,
    "loudness": 3,
    "tempo": 3,
    "duration_ms": 0,
    "year": 0,
    "instrumentalness": 6,
}
LEVELS = (0.002, 0.01, 0.025, *np.round(np.arange(0.05, 0.96, 0.05), 2).tolist(), 0.975, 0.99, 0.998)
# Calibrated against the real table (accuracies of audio, text and both), where summaries lose differences between
# genres. A copula holds only pairwise structure, so clusters are sampled a little narrower (SPREAD). Rare words are
# not shipped, so common ones replace them, this share of them independent of the genre.
SPREAD = 0.94
RARE_WORDS_NEUTRAL = 0.6
YEAR_GROUPS = (1980, 1990, 2000, 2010)
DATE_FORMS = ("YYYY", "YYYY-MM", "YYYY-MM-DD")
COLUMNS = (
    "track_name",
    "track_artist",
    "track_popularity",
    "track_album_name",
    "track_album_release_date",
    "playlist_genre",
    "danceability",
    "energy",
    "key",
    "loudness",
    "mode",
    "speechiness",
    "acousticness",
    "instrumentalness",
    "liveness",
    "valence",
    "tempo",
    "duration_ms",
)


def synthetic_frame(rows: int = DEFAULT_ROWS, seed: int = 0) -> pd.DataFrame:
    """Sample a six-genre table with the columns of the paper's Table 1 that are features, names or the label.

    The default has as many rows per genre as the real tables; another count keeps the shares. The same (rows,
    seed) gives the same table. Raises InputError for fewer than MINIMUM_ROWS rows.
    """
    if rows < MINIMUM_ROWS:
        raise InputError(
            f"Synthetic twin: expected at least {MINIMUM_ROWS} rows, found {rows}.\n"
            f"Fix: --data synthetic, or --data synthetic:{MINIMUM_ROWS} or more."
        )
    twin = load_twin()
    rng = np.random.default_rng([seed, rows])
    shares = np.array(twin["rows"], dtype=float)
    repeats = np.array([cluster["repeats"] for cluster in twin["clusters"]], dtype=float)
    repeats_per_cluster = np.floor(repeats * (rows / shares.sum())).astype(int)
    first_rows = _apportion(shares, rows) - repeats_per_cluster.sum(axis=0)
    tracks = pd.concat(
        [_sample_tracks(twin, genre, count, rng) for genre, count in zip(twin["genres"], first_rows, strict=True)],
        ignore_index=True,
    )
    listed = pd.concat([tracks, *_repeat_tracks(twin, tracks, repeats_per_cluster, rng)], ignore_index=True)
    order = rng.permutation(len(listed))
    return listed.iloc[order].reset_index(drop=True)[list(COLUMNS)]


@functools.cache
def load_twin() -> dict[str, Any]:
    """Load the shipped summary numbers; treat them as read-only."""
    return json.loads(TWIN_FILE.read_text(encoding="utf-8"))


def _apportion(shares: np.ndarray, total: int) -> np.ndarray:
    """Return whole numbers in proportion to `shares` that add up to `total` (largest remainders)."""
    exact = shares / shares.sum() * total
    whole = np.floor(exact).astype(int)
    largest = np.argsort(whole - exact, kind="stable")[: total - whole.sum()]
    whole[largest] += 1
    return whole


def _sample_tracks(twin: dict[str, Any], genre: str, count: int, rng: np.random.Generator) -> pd.DataFrame:
    """Sample `count` different tracks of one genre: numbers by cluster, then albums, names and dates."""
    clusters = {i: cluster for i, cluster in enumerate(twin["clusters"]) if cluster["genre"] == genre}
    sizes = _apportion(np.array([cluster["tracks"] for cluster in clusters.values()], dtype=float), count)
    tracks = pd.concat(
        [
            _sample_numbers(cluster, size, rng).assign(cluster=i)
            for (i, cluster), size in zip(clusters.items(), sizes, strict=True)
        ],
        ignore_index=True,
    )
    first_of_album = _sample_albums(twin, len(tracks), rng)
    tracks["year"] = tracks["year"].to_numpy()[first_of_album]
    names = _sample_names(twin, genre, "track", count, rng)
    albums = _sample_names(twin, genre, "album", count, rng)
    artists = _sample_names(twin, genre, "artist", count, rng)
    alone = np.bincount(first_of_album, minlength=count)[first_of_album] == 1
    albums = np.where(alone & (rng.random(count) < twin["title_is_album"]), names, albums[first_of_album])
    dates = _sample_dates(twin, tracks["year"].to_numpy(), rng)[first_of_album]
    return tracks.assign(
        playlist_genre=genre,
        track_name=names,
        track_album_name=albums,
        track_artist=artists[first_of_album],
        track_album_release_date=dates,
    )


def _sample_numbers(cluster: dict[str, Any], count: int, rng: np.random.Generator) -> pd.DataFrame:
    """Sample the numbers of one cluster, sorted by year so that neighbours can share an album."""
    normal = rng.standard_normal((count, len(NUMBERS))) @ _copula_factor(cluster).T
    normal = normal[np.argsort(normal[:, NUMBERS.index("year")], kind="stable")]
    columns = {
        name: np.round(np.interp(ndtr(SPREAD * normal[:, i]), LEVELS, cluster["quantiles"][i]), DECIMALS.get(name, 4))
        for i, name in enumerate(NUMBERS)
    }
    tone = rng.choice(len(cluster["tones"]), count, p=_shares(cluster["tones"]))
    whole = {name: columns[name].astype(np.int64) for name in ("track_popularity", "duration_ms", "year")}
    return pd.DataFrame({**columns, **whole, "key": tone // 2, "mode": tone % 2})


def _copula_factor(cluster: dict[str, Any]) -> np.ndarray:
    """Return the matrix that correlates standard normals; eigenvalues clipped, as rounding can make one negative."""
    matrix = np.eye(len(NUMBERS))
    lower = np.tril_indices(len(NUMBERS), -1)
    matrix[lower] = cluster["copula"]
    matrix.T[lower] = cluster["copula"]
    values, vectors = np.linalg.eigh(matrix)
    factor = vectors * np.sqrt(np.clip(values, 1e-6, None))
    return factor / np.linalg.norm(factor, axis=1, keepdims=True)


def _sample_albums(twin: dict[str, Any], count: int, rng: np.random.Generator) -> np.ndarray:
    """Sample albums of neighbouring tracks; return the number of its album's first track for each of `count` tracks."""
    shares = _shares(twin["album_sizes"])
    sizes = rng.choice(len(shares), count, p=shares) + 1
    starts = np.concatenate([[0], np.cumsum(sizes)])
    starts = starts[starts < count]
    return np.repeat(starts, np.diff(np.append(starts, count)))


def _sample_names(twin: dict[str, Any], genre: str, kind: str, count: int, rng: np.random.Generator) -> np.ndarray:
    """Sample `count` bags of common words with the real lengths and word frequencies of one genre.

    A common word replaces each rare word of a real title. An artist is one or two words of an album.
    """
    titles = twin["titles"][genre]["track" if kind == "track" else "album"]
    length_shares = _shares([1, 1] if kind == "artist" else titles["lengths"])
    lengths = rng.choice(len(length_shares), count, p=length_shares) + 1
    of_genre = _shares(titles["counts"])
    of_any = _shares(sum(np.array(twin["titles"][name]["track"]["counts"]) for name in twin["genres"]))
    neutral = RARE_WORDS_NEUTRAL * titles["rare"]
    mixed = (1 - neutral) * of_genre + neutral * of_any
    words = np.array([word.capitalize() for word in twin["words"]], dtype=object)
    chosen = words[rng.choice(len(words), lengths.sum(), p=mixed)]
    ends = np.cumsum(lengths)
    return np.array(
        [" ".join(chosen[end - length : end]) for end, length in zip(ends, lengths, strict=True)],
        dtype=object,
    )


def _shares(counts: ArrayLike) -> np.ndarray:
    numbers = np.asarray(counts, dtype=float)
    return numbers / numbers.sum()


def _sample_dates(twin: dict[str, Any], years: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Sample release dates as text, to the day, month or year, with the real shares of that time."""
    shares = np.cumsum(twin["date_forms"], axis=1)[np.searchsorted(YEAR_GROUPS, years, side="right")]
    form = (rng.random(len(years))[:, None] > shares[:, :-1]).sum(axis=1)
    months, days = rng.integers(1, 13, len(years)), rng.integers(1, 29, len(years))
    lengths = np.array([len(name) for name in DATE_FORMS])[form]
    return np.array(
        [f"{y}-{m:02}-{d:02}"[:n] for y, m, d, n in zip(years, months, days, lengths, strict=True)],
        dtype=object,
    )


def _repeat_tracks(
    twin: dict[str, Any], tracks: pd.DataFrame, repeats_per_cluster: np.ndarray, rng: np.random.Generator
) -> list[pd.DataFrame]:
    """Sample further rows of existing tracks, some under another genre; popular tracks repeat more often."""
    mean_rank = twin["repeat_popularity"]
    further = []
    for cluster, repeats in enumerate(repeats_per_cluster):
        own = np.flatnonzero(tracks["cluster"] == cluster)
        own = own[np.argsort(tracks["track_popularity"].to_numpy()[own], kind="stable")]
        for genre, count in zip(twin["genres"], repeats, strict=True):
            # u ** (1/m - 1) has mean m: the mean popularity rank of repeated tracks.
            picks = own[(rng.random(count) ** (1 / mean_rank - 1) * len(own)).astype(int)]
            further.append(tracks.iloc[picks].assign(playlist_genre=genre))
    return further
