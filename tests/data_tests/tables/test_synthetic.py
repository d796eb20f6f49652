import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import InputError
from data.tables.synthetic import (
    COLUMNS,
    DECIMALS,
    DEFAULT_ROWS,
    LEVELS,
    MINIMUM_ROWS,
    NUMBERS,
    TWIN_FILE,
    _sample_numbers,
    load_twin,
    synthetic_frame,
)
from data.tables.synthetic_fit import MINIMUM_CLUSTER, fit_twin, words_of
from tests.support.examples import examples

GENRES = ["edm", "latin", "pop", "r&b", "rap", "rock"]
TRACK = ["track_name", "track_album_name", "duration_ms"]


@pytest.fixture(scope="module")
def twin() -> pd.DataFrame:
    return synthetic_frame(DEFAULT_ROWS)


def test_columns_and_genre_counts_are_those_of_the_real_tables(twin):
    assert tuple(twin.columns) == COLUMNS
    counts = {"edm": 4834, "rap": 4594, "pop": 4406, "r&b": 4345, "latin": 4122, "rock": 3961}
    assert twin.playlist_genre.value_counts().to_dict() == counts
    assert not twin.isna().any().any()


def test_same_rows_and_seed_give_the_same_table():
    first = synthetic_frame(2000, seed=3)
    pd.testing.assert_frame_equal(first, synthetic_frame(2000, seed=3))
    assert not first.equals(synthetic_frame(2000, seed=4))


@examples(5)
@given(st.integers(MINIMUM_ROWS, 3000))
def test_any_number_of_rows_keeps_the_genre_shares(rows):
    counts = synthetic_frame(rows).playlist_genre.value_counts()
    assert counts.sum() == rows
    assert sorted(counts.index) == GENRES
    expected = np.array(load_twin()["rows"]) / sum(load_twin()["rows"]) * rows
    assert np.abs(counts[GENRES].to_numpy() - expected).max() <= 1


def test_no_word_outside_the_shipped_list(twin):
    words = set(load_twin()["words"])
    for column in ("track_name", "track_album_name", "track_artist"):
        assert {word for name in twin[column] for word in words_of(name)} <= words
        assert (twin[column].str.len() > 0).all()


def test_values_stay_in_the_range_of_the_real_features(twin):
    for name in ("danceability", "energy", "speechiness", "acousticness", "instrumentalness", "valence"):
        assert twin[name].between(0, 1).all(), name
    assert twin.track_popularity.between(0, 100).all()
    assert set(twin.key) == set(range(12))
    assert set(twin["mode"]) == {0, 1}
    assert (twin.duration_ms > 10_000).all()
    dates = twin.track_album_release_date
    assert dates.str.fullmatch(r"(19|20)\d\d(-\d\d(-\d\d)?)?").all()
    assert set(dates.str.len()) == {4, 7, 10}


@pytest.mark.parametrize("cluster", load_twin()["clusters"], ids=lambda cluster: cluster["genre"])
def test_marginals_and_correlations_lie_close_to_the_shipped_ones(cluster):
    sample = _sample_numbers(cluster, 4000, np.random.default_rng(0))
    for name, quantiles in zip(NUMBERS, cluster["quantiles"], strict=True):
        # A tied value covers a range of levels, so its own level only has to lie inside that range.
        tolerance = 0.5 * 10.0 ** -DECIMALS.get(name, 4)
        values = sample[name].to_numpy()[:, None]
        below = (values < np.array(quantiles) - tolerance).mean(axis=0)
        at_most = (values <= np.array(quantiles) + tolerance).mean(axis=0)
        assert (below < np.array(LEVELS) + 0.04).all(), name
        assert (at_most > np.array(LEVELS) - 0.04).all(), name
    continuous = ["danceability", "energy", "loudness", "valence"]
    found = sample[continuous].corr(method="spearman").to_numpy()
    matrix = np.zeros((len(NUMBERS), len(NUMBERS)))
    matrix[np.tril_indices(len(NUMBERS), -1)] = cluster["copula"]
    columns = [NUMBERS.index(name) for name in continuous]
    expected = 6 / np.pi * np.arcsin((matrix + matrix.T)[np.ix_(columns, columns)] / 2)
    lower = np.tril_indices(len(columns), -1)
    np.testing.assert_allclose(found[lower], expected[lower], atol=0.06)


def test_tracks_repeat_across_genres_as_often_as_in_the_real_table(twin):
    track = twin.groupby(TRACK).playlist_genre
    assert (track.transform("nunique") > 1).mean() == pytest.approx(0.128, abs=0.02)
    assert twin.duplicated(TRACK).mean() == pytest.approx(0.133, abs=0.02)
    repeated = twin[twin.duplicated(TRACK, keep=False)]
    same = repeated.groupby(TRACK)[["danceability", "tempo", "track_album_release_date"]].nunique()
    assert (same == 1).all().all()
    assert repeated.track_popularity.mean() > twin.track_popularity.mean() + 5


def test_albums_are_shared_by_tracks(twin):
    tracks = twin.drop_duplicates(TRACK)
    sizes = tracks.groupby(["track_album_name", "track_album_release_date"]).size()
    assert 1.15 < sizes.mean() < 1.35


@pytest.mark.parametrize("rows", [-1, 0, MINIMUM_ROWS - 1])
def test_too_few_rows_is_one_message(rows):
    with pytest.raises(InputError, match=f"at least {MINIMUM_ROWS} rows, found {rows}"):
        synthetic_frame(rows)


def test_shipped_numbers_are_aggregates():
    twin = json.loads(TWIN_FILE.read_text(encoding="utf-8"))
    assert TWIN_FILE.stat().st_size < 200_000
    assert all(cluster["tracks"] >= MINIMUM_CLUSTER for cluster in twin["clusters"])
    assert all(np.diff(quantiles).min() >= 0 for c in twin["clusters"] for quantiles in c["quantiles"])
    assert all(" " not in word for word in twin["words"])
    total = np.sum([titles[kind]["counts"] for titles in twin["titles"].values() for kind in titles], axis=0)
    assert total.min() >= 20


def test_fitting_the_twin_of_the_twin_gives_it_back():
    again, shipped = fit_twin(synthetic_frame(4000)), load_twin()
    assert again["genres"] == shipped["genres"]
    assert sum(again["rows"]) == 4000
    assert again["title_is_album"] == pytest.approx(shipped["title_is_album"], abs=0.05)
    assert again["repeat_popularity"] == pytest.approx(shipped["repeat_popularity"], abs=0.05)
    assert set(again["words"]) < set(shipped["words"])
    median = [{genre: _mean_median_danceability(twin, genre) for genre in GENRES} for twin in (again, shipped)]
    assert median[0] == pytest.approx(median[1], abs=0.03)


def _mean_median_danceability(twin: dict, genre: str) -> float:
    clusters = [cluster for cluster in twin["clusters"] if cluster["genre"] == genre]
    medians = [cluster["quantiles"][NUMBERS.index("danceability")][LEVELS.index(0.5)] for cluster in clusters]
    return float(np.average(medians, weights=[cluster["tracks"] for cluster in clusters]))


@pytest.mark.slow
def test_a_million_rows():
    table = synthetic_frame(1_000_000)
    assert len(table) == 1_000_000
    assert (table.groupby(TRACK).playlist_genre.transform("nunique") > 1).mean() == pytest.approx(0.128, abs=0.02)
