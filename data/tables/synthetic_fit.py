"""Fit of the synthetic twin: real tables in, aggregate numbers and common words out, never a row.

    python -m data.tables.synthetic_fit train.csv edm.csv

writes `data/tables/synthetic_twin.json`, from which `data.tables.synthetic` samples. Each number describes at least
MINIMUM_CLUSTER tracks; each word occurs in at least MINIMUM_WORD tracks.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm
from sklearn.cluster import KMeans

from data.tables.synthetic import DATE_FORMS, LEVELS, NUMBERS, TWIN_FILE, YEAR_GROUPS

MINIMUM_CLUSTER = 200
MINIMUM_WORD = 20
TRACKS_PER_CLUSTER = 1000
LONGEST_TITLE = 12
LARGEST_ALBUM = 20
WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def fit_twin(rows: pd.DataFrame) -> dict[str, Any]:
    """Summarise a table with the columns of the paper's Table 1 in the form that `data.tables.synthetic` reads."""
    rows = rows.assign(
        track=_normalised(rows.track_name, rows.track_album_name, rows.duration_ms.astype(str)),
        album=_normalised(rows.track_album_name, rows.track_album_release_date),
        year=rows.track_album_release_date.str[:4].astype(int),
    )
    tracks = rows.drop_duplicates("track").copy()
    genres = sorted(rows.playlist_genre.unique())
    words = _common_words(tracks)
    return {
        "genres": genres,
        "rows": [int((rows.playlist_genre == genre).sum()) for genre in genres],
        "repeat_popularity": _popularity_ratio(rows, tracks),
        "album_sizes": _album_sizes(tracks),
        "title_is_album": _title_is_album(tracks),
        "date_forms": _date_forms(rows),
        "clusters": [
            {"genre": genre, **_cluster(members), "repeats": _repeats(members, rows, genres)}
            for genre in genres
            for members in _clusters(tracks[tracks.playlist_genre == genre])
        ],
        "words": words,
        "titles": {
            genre: {
                name: _titles(tracks.loc[tracks.playlist_genre == genre, column], words)
                for name, column in (("track", "track_name"), ("album", "track_album_name"))
            }
            for genre in genres
        },
    }


def words_of(title: str) -> list[str]:
    """Return the lower-case words of a title, without punctuation."""
    return WORD.findall(title.lower())


def _normalised(*columns: pd.Series) -> pd.Series:
    joined = columns[0].str.lower()
    for column in columns[1:]:
        joined = joined + "\0" + column.str.lower()
    return joined


def _common_words(tracks: pd.DataFrame) -> list[str]:
    counts: Counter[str] = Counter()
    for names in zip(tracks.track_name, tracks.track_album_name, strict=True):
        counts.update({word for name in names for word in words_of(name)})
    return sorted(word for word, count in counts.items() if count >= MINIMUM_WORD)


def _repeats(members: pd.DataFrame, rows: pd.DataFrame, genres: list[str]) -> list[int]:
    """Count the further rows of a cluster's tracks under each genre."""
    further = rows[rows.duplicated("track") & rows.track.isin(members.track)]
    return [int((further.playlist_genre == genre).sum()) for genre in genres]


def _popularity_ratio(rows: pd.DataFrame, tracks: pd.DataFrame) -> float:
    """Return the mean popularity rank (0 to 1), among all tracks, of the tracks that have further rows."""
    rank = tracks.set_index("track").track_popularity.rank(pct=True)
    return round(float(rank[rows.track[rows.duplicated("track")]].mean()), 3)


def _album_sizes(tracks: pd.DataFrame) -> list[int]:
    """Count the albums with 1, 2, ... tracks in the table."""
    sizes = tracks.groupby("album").size().clip(upper=LARGEST_ALBUM)
    return np.bincount(sizes, minlength=LARGEST_ALBUM + 1)[1:].tolist()


def _title_is_album(tracks: pd.DataFrame) -> float:
    alone = tracks[~tracks.duplicated("album", keep=False)]
    return round(float((alone.track_name.str.lower() == alone.track_album_name.str.lower()).mean()), 3)


def _date_forms(rows: pd.DataFrame) -> list[list[float]]:
    """Return the shares of YYYY, YYYY-MM and YYYY-MM-DD, as [group of years][form]."""
    length = rows.track_album_release_date.str.len()
    group = np.searchsorted(YEAR_GROUPS, rows.year, side="right")
    shares = pd.crosstab(group, length, normalize="index")
    columns = [len(form) for form in DATE_FORMS]
    return shares.reindex(index=range(len(YEAR_GROUPS) + 1), columns=columns).round(4).to_numpy().tolist()


def _clusters(tracks: pd.DataFrame) -> list[pd.DataFrame]:
    """Return groups of similar tracks within one genre, none smaller than MINIMUM_CLUSTER."""
    uniform = tracks[list(NUMBERS)].rank(pct=True, method="average") - 0.5 / len(tracks)
    labels = _large_clusters(np.column_stack([norm.ppf(uniform), tracks["mode"]]))
    return [tracks[labels == label] for label in np.unique(labels)]


def _large_clusters(points: np.ndarray) -> np.ndarray:
    """Return k-means labels, with the number of clusters reduced until the smallest has MINIMUM_CLUSTER points."""
    for count in range(max(1, len(points) // TRACKS_PER_CLUSTER), 0, -1):
        labels = KMeans(count, n_init=10, random_state=0).fit_predict(points)
        if np.bincount(labels).min() >= MINIMUM_CLUSTER:
            return labels
    raise ValueError(f"at least {MINIMUM_CLUSTER} tracks per genre must hold, but got {len(points)}")


def _cluster(tracks: pd.DataFrame) -> dict[str, Any]:
    """Return the quantiles, rank correlations, and joint counts of key and mode of a cluster."""
    numbers = tracks[list(NUMBERS)]
    ranks = numbers.rank(method="average")
    # The Gaussian copula with the observed rank correlation (Pearson 1907).
    copula = 2 * np.sin(np.pi / 6 * ranks.corr().fillna(0).to_numpy())
    lower = np.tril_indices(len(NUMBERS), -1)
    tones = np.bincount(tracks.key * 2 + tracks["mode"], minlength=24)
    return {
        "tracks": len(tracks),
        "quantiles": [_short(np.quantile(numbers[name], LEVELS)) for name in NUMBERS],
        "copula": [round(float(value), 2) for value in copula[lower]],
        "tones": tones.tolist(),
    }


def _short(values: np.ndarray) -> list[float]:
    return [float(f"{value:.4g}") for value in values]


def _titles(names: pd.Series, words: list[str]) -> dict[str, Any]:
    """Return the counts of common words and of title lengths (all words, at least one), and the share of rare words."""
    known = set(words)
    tokens = [words_of(name) for name in names]
    counts = Counter(word for title in tokens for word in set(title) & known)
    all_words = [word for title in tokens for word in title]
    lengths = np.clip([len(title) for title in tokens], 1, LONGEST_TITLE)
    return {
        "lengths": np.bincount(lengths, minlength=LONGEST_TITLE + 1)[1:].tolist(),
        "rare": round(1 - sum(word in known for word in all_words) / len(all_words), 3),
        "counts": [counts[word] for word in words],
    }


def main() -> None:
    """Read tab-separated tables and write the twin's JSON beside `data.tables.synthetic`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="+", type=Path, help="tab-separated tables of the paper's format")
    parser.add_argument("-o", "--output", type=Path, default=TWIN_FILE)
    options = parser.parse_args()
    tables = [pd.read_csv(path, sep="\t", keep_default_na=False) for path in options.tables]
    twin = fit_twin(pd.concat(tables, ignore_index=True))
    options.output.write_text(json.dumps(twin, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"{options.output}: {options.output.stat().st_size / 1024:.0f} KB, {len(twin['clusters'])} clusters")


if __name__ == "__main__":
    main()
