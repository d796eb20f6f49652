from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from data.errors import InputError
from data.inputs.splits import Split, extend_split, group_rows, split_tracks
from data.tables.tracks import Tracks, join_tracks, load_tracks
from tests.support.examples import examples
from tests.support.tables import table, tracks_of


def tracks_from(names, albums, dates, genres) -> Tracks:
    frame = pd.DataFrame(
        {
            "track_name": [f"t{n}" for n in names],
            "track_album_name": [f"a{a}" for a in albums],
            "track_album_release_date": [f"{2000 + d}" for d in dates],
            "duration_ms": np.full(len(names), 1000.0),
            "genre": genres,
        }
    )
    return Tracks(
        frame=frame,
        text_columns=("track_name", "track_album_name"),
        number_columns=("duration_ms",),
        binary_columns=(),
        source="made up",
    )


@st.composite
def tables(draw, genres="pq", min_rows=60):
    rows = draw(st.integers(min_rows, 150))
    seed = draw(st.integers(0, 2**16))
    spread = draw(st.integers(20, 200))
    rng = np.random.default_rng(seed)
    names, albums = rng.integers(0, spread, rows), rng.integers(0, spread, rows)
    return tracks_from(names, albums, rng.integers(0, 3, rows), rng.choice(list(genres), rows))


def keys_by_side(tracks, split, kind):
    keys = tracks.track_keys if kind == "track" else tracks.album_keys
    return [set(keys[rows]) for rows in (split.train, split.val, split.holdout)]


def shares_nothing(tracks, split):
    kinds = ("track",) if split.kind == "track" else ("track", "album")
    for kind in kinds:
        train, val, held = keys_by_side(tracks, split, kind)
        if train & val or train & held or val & held:
            return False
    return True


@pytest.mark.parametrize("seed", [0, 42])
def test_random_is_the_papers_split(tmp_path, seed):
    tracks = tracks_of(table(100), tmp_path)
    train, val = train_test_split(np.arange(100), test_size=0.2, stratify=tracks.genres, random_state=seed)
    split = split_tracks(tracks, seed=seed)
    np.testing.assert_array_equal(split.train, train)
    np.testing.assert_array_equal(split.val, val)
    assert len(split.holdout) == 0
    assert split.train.dtype == split.val.dtype == split.holdout.dtype == np.int64


@examples(20)
@given(tables(), st.sampled_from(["track", "album"]), st.sampled_from([0.0, 0.2]), st.integers(0, 99))
def test_grouped_sides_share_no_key(tracks, kind, holdout, seed):
    try:
        split = split_tracks(tracks, kind=kind, seed=seed, holdout=holdout)
    except InputError:
        largest = np.bincount(group_rows(tracks, kind)).max()
        assert largest > 10, "only a table that hangs together cannot be split"
        return
    assert shares_nothing(tracks, split)
    sides = np.concatenate([split.train, split.val, split.holdout])
    np.testing.assert_array_equal(np.sort(sides), np.arange(len(tracks)))
    again = split_tracks(tracks, kind=kind, seed=seed, holdout=holdout)
    np.testing.assert_array_equal(split.val, again.val)


@pytest.mark.parametrize("kind", ["random", "track", "album"])
@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.35])
def test_shares_of_every_genre(kind, fraction):
    rng = np.random.default_rng(1)
    rows = 2000
    genres = rng.choice(list("abcde"), rows, p=[0.4, 0.3, 0.15, 0.1, 0.05])
    tracks = tracks_from(rng.integers(0, 1500, rows), rng.integers(0, 3000, rows), np.zeros(rows, int), genres)
    split = split_tracks(tracks, kind=kind, val_fraction=fraction, holdout=0.1)
    held = pd.Series(genres[split.holdout]).value_counts() / pd.Series(genres).value_counts()
    seen = pd.Series(np.delete(genres, split.holdout)).value_counts()
    validated = pd.Series(genres[split.val]).value_counts() / seen
    assert held.between(0.09, 0.11).all()
    assert validated.between(fraction - 0.015, fraction + 0.015).all()


def test_seeds_differ(tmp_path):
    tracks = tracks_of(table(200), tmp_path)
    for kind in ("random", "track", "album"):
        one, two = (set(split_tracks(tracks, kind=kind, seed=seed).val) for seed in (1, 2))
        assert one != two


def test_album_groups_join_by_tracks_too():
    # rows 0 and 1 are one track with two dates; 1 and 2 share an album; 3 stands alone
    tracks = tracks_from([1, 1, 2, 3], [1, 1, 1, 2], [0, 1, 1, 0], list("abab"))
    groups = group_rows(tracks, "album")
    assert groups[0] == groups[1] == groups[2] != groups[3]
    assert len(set(group_rows(tracks, "track"))) == 3


@pytest.mark.parametrize("kind", ["random", "track", "album"])
def test_too_few_rows(tmp_path, kind):
    tracks = tracks_of(table(8, genres=("pop", "rap")), tmp_path).subset([0, 1, 2, 4, 6])
    with pytest.raises(
        InputError,
        match=r"too few rows to split.* genres have fewer: rap 1, pop 4\." if kind == "random" else "fewer: rap 1 in 1",
    ):
        split_tracks(tracks, kind=kind)


def test_one_genre_that_is_one_track():
    tracks = tracks_from([0] * 20 + list(range(1, 41)), range(60), [0] * 60, ["a"] * 20 + ["b"] * 40)
    tracks.frame["track_album_name"] = "same"
    with pytest.raises(InputError, match="too few rows"):
        split_tracks(tracks, kind="track")


def test_wrong_options(tmp_path):
    tracks = tracks_of(table(), tmp_path)
    with pytest.raises(InputError, match="did you mean 'album'"):
        split_tracks(tracks, kind="albums")
    for options in (
        {"val_fraction": 0},
        {"val_fraction": 1.0},
        {"holdout": -0.1},
        {"holdout": 1},
        {"seed": -1},
    ):
        with pytest.raises(InputError, match="must hold"):
            split_tracks(tracks, **options)


def test_split_checks_itself():
    empty = np.empty(0, dtype=np.int64)
    with pytest.raises(ValueError, match="disjoint"):
        Split(train=[0, 1], val=[1], holdout=empty, kind="random", seed=0)
    with pytest.raises(ValueError, match="must have rows"):
        Split(train=[0, 1], val=empty, holdout=empty, kind="random", seed=0)
    split = Split(train=[0, 3], val=[1], holdout=[4], kind="random", seed=0)
    assert split.sides(5).tolist() == [0, 1, -1, 0, 2]
    with pytest.raises(ValueError, match="read-only"):
        split.train[0] = 9


@examples(20)
@given(
    tables(),
    tables(genres="r", min_rows=80),
    st.sampled_from(["random", "track", "album"]),
    st.integers(0, 99),
)
def test_extension_keeps_old_rows_and_shares_nothing(old, new, kind, seed):
    try:
        split = split_tracks(old, kind=kind, seed=seed, holdout=0.2)
        extended = extend_split(split, old, new)
    except InputError:
        return
    rows = len(old)
    for side in ("train", "val", "holdout"):
        before, after = getattr(split, side), getattr(extended, side)
        np.testing.assert_array_equal(after[: len(before)], before)
        assert (after[len(before) :] >= rows).all()
    union = join_tracks(old, new)
    sides = extended.sides(len(union))
    if kind != "random":
        assert shares_nothing(union, extended)
    if kind != "album":
        assert (sides >= 0).all()
    trained = set(old.track_keys[split.train])
    known = np.flatnonzero([key in trained for key in new.track_keys])
    if kind != "album":
        assert (sides[rows + known] == 0).all()


def test_extension_of_unknown_rows_has_the_old_shares():
    old = tracks_from(range(1000), range(1000), [0] * 1000, list("ab") * 500)
    new = tracks_from(range(2000, 3000), range(2000, 3000), [0] * 1000, ["c"] * 1000)
    split = split_tracks(old, kind="album", val_fraction=0.25, holdout=0.2)
    extended = extend_split(split, old, new)
    assert [len(side) for side in (extended.train, extended.val, extended.holdout)] == [1200, 400, 400]


def test_extension_without_names_goes_by_rows(tmp_path):
    frame = table(100, genres=("a", "b"))
    mapping = tmp_path / "m.toml"
    mapping.write_text("[text]\n[numbers]\ntempo = 'tempo'\n")
    old = tracks_of(frame, tmp_path, mapping=mapping)
    split = split_tracks(old)
    assert len(extend_split(split, old, old).train) == 160
    with pytest.raises(InputError, match="no 'track_name'"):
        split_tracks(old, kind="track")


def test_real_album_split(real_data):
    tracks = load_tracks(real_data / "train.csv")
    edm = load_tracks(real_data / "edm.csv", min_genres=1)
    split = split_tracks(tracks, kind="album", holdout=0.1)
    extended = extend_split(split, tracks, edm)
    union = join_tracks(tracks, edm)
    assert shares_nothing(union, extended)
    assert (extended.sides(len(union)) < 0).sum() <= 5
    genres = tracks.frame["genre"]
    shares = genres.iloc[split.holdout].value_counts() / genres.value_counts()
    assert shares.between(0.099, 0.101).all()
