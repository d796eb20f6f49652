"""Genres with too few rows: only these are listed, with how many they are and what a genre needs."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import InputError
from data.inputs.splits import check_rare_genres, split_tracks
from data.tables.genres import a_few, least_rows, rare_genres
from data.tables.tracks import Tracks, load_tracks
from tests.support.examples import examples
from tests.support.tables import table


def tracks_with(counts: dict[str, int]) -> Tracks:
    rows = sum(counts.values())
    return load_tracks(table(rows).assign(playlist_genre=np.repeat(list(counts), list(counts.values()))))


def refusal(tracks: Tracks, **options: object) -> str:
    with pytest.raises(InputError) as caught:
        check_rare_genres(tracks, **options)  # type: ignore[arg-type]
    with pytest.raises(InputError) as later:
        split_tracks(tracks, **options)  # type: ignore[arg-type]
    assert str(caught.value) == str(later.value)
    return str(caught.value)


def test_only_those_too_small_are_listed_with_how_many_and_the_least():
    message = refusal(tracks_with({"pop": 40, "rap": 40, **{f"micro, {n}": 1 for n in range(60)}, "folk": 4}))
    assert "takes at least 5 rows, but 61 of 63 genres have fewer: 'micro, 0' 1, 'micro, 1' 1, " in message
    assert "and 56 more" in message and "pop" not in message and "leave those genres out" in message
    assert len(message) < 400


def test_one_that_is_too_small():
    message = refusal(tracks_with({"pop": 40, "rap": 40, "polka": 1}))
    assert "but 1 of 3 genres has fewer: polka 1.\nGive more rows of that genre, or leave that genre out" in message


def test_where_all_are_too_small_nobody_is_told_to_leave_them_out():
    assert "leave" not in refusal(tracks_with({"pop": 1, "rap": 1, "folk": 1}))


def test_with_a_holdout_more_rows_are_needed():
    assert "at least 7 rows, but 1 of 2 genres has fewer: rap 1." in refusal(
        tracks_with({"pop": 40, "rap": 1}), holdout=0.2
    )


@pytest.mark.parametrize(("kind", "column"), [("track", "track_name"), ("album", "track_album_name")])
def test_whole_tracks_or_albums_that_are_one(kind, column):
    frame = table(200, genres=("a", "b"))
    frame.loc[frame["playlist_genre"] == "b", [column, "duration_ms", "track_album_release_date"]] = ["x", "1", "2000"]
    if kind == "track":
        frame.loc[frame["playlist_genre"] == "b", "track_album_name"] = "y"
    message = refusal(load_tracks(frame), kind=kind)
    assert f"at least 5 rows in 2 {kind}s, but 1 of 2 genres has fewer: b 100 in 1 {kind}." in message


@pytest.mark.parametrize(("rows", "larger", "takes"), [(40, 0.03, 34), (9, 0.12, 9), (3, 0.2, 7)])
def test_of_a_small_holdout_a_larger_one_is_named_first(rows, larger, takes):
    tracks = tracks_with({"pop": 140, "rap": 140, "folk": rows})
    message = refusal(tracks, holdout=0.01)
    assert "takes at least 100 rows, but 1 of 3 genres has fewer" in message
    assert (
        f"\nGive a larger --holdout ({larger:g} takes {takes} rows), give more rows of that genre, or leave" in message
    )
    if rows >= 7:
        split_tracks(tracks, holdout=larger)


def test_a_holdout_that_is_large_enough_is_no_reason():
    assert "larger" not in refusal(tracks_with({"pop": 40, "rap": 1}), holdout=0.2)


def test_where_every_genre_is_one_album_rows_can_be_split():
    tracks = load_tracks(
        table(60).assign(track_album_name=table(60)["playlist_genre"], track_album_release_date="2000")
    )
    message = refusal(tracks, kind="album")
    assert "latin 12 in 1 album" in message and "\nTake --split random, or give more rows of those genres" in message
    split_tracks(tracks, kind="random")


def test_where_rows_are_too_few_in_any_split_none_is_named():
    assert "--split" not in refusal(tracks_with({"pop": 40, "rap": 1}), kind="album")


@pytest.mark.parametrize("kind", ["track", "album"])
def test_where_all_titles_are_empty_that_is_said(kind):
    tracks = load_tracks(table(60).assign(track_name="", track_album_name="", duration_ms="5"))
    said = "\nTake --split random, since all titles and names of albums are empty, or give more rows"
    assert said in refusal(tracks, kind=kind)


def test_a_table_that_is_one_album():
    frame = table(60).assign(track_album_name="x", track_album_release_date="2000")
    assert "5 of 5 genres have fewer: latin 12 in 1 album" in refusal(load_tracks(frame), kind="album")


@given(
    st.lists(st.integers(1, 60), min_size=2, max_size=30),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 0.1, 0.2, 0.5]),
    st.sampled_from([0.2, 0.1, 0.5]),
)
@examples(30)
def test_so_many_rows_always_do(extra, seed, holdout, fraction):
    least = least_rows(fraction, holdout)
    genres = np.repeat([f"g{n}" for n in range(len(extra))], [least - 1 + more for more in extra])
    frame = pd.DataFrame({"genre": pd.Series(genres, dtype="str"), "n": np.arange(float(len(genres)))})
    tracks = Tracks(frame=frame, text_columns=(), number_columns=("n",), binary_columns=(), source="made up")
    split = split_tracks(tracks, seed=seed, holdout=holdout, val_fraction=fraction)
    for side in (split.train, split.val, *([split.holdout] if holdout else [])):
        assert set(genres[side]) == set(genres)


@pytest.mark.parametrize(
    ("fraction", "holdout", "training", "least"), [(0.2, 0, 1, 5), (0.2, 0.2, 1, 7), (0.2, 0, 5, 7), (0.5, 0, 1, 2)]
)
def test_the_least_rows(fraction, holdout, training, least):
    assert least_rows(fraction, holdout, training) == least


def test_a_sound_table_is_checked_without_scikit_learn():
    program = (
        "import sys; from data.inputs.splits import check_rare_genres; from data.tables.tracks import load_tracks;"
        "from tests.support.tables import table;"
        "tracks = load_tracks(table(2000));"
        "[check_rare_genres(tracks, kind=kind, holdout=.2) for kind in ('random', 'track', 'album')];"
        "sys.exit(any(name in sys.modules for name in ('sklearn', 'torch', 'ray')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_lists_of_names():
    assert a_few("abcdef") == "a, b, c, d, e, f"
    assert a_few("abcdefg") == "a, b, c, d, e and 2 more"
    assert rare_genres("aabccc", 3) == {"b": 1, "a": 2}
