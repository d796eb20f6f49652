from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pooch
import pytest
import requests

from data.errors import InputError
from data.tables import public
from data.tables.tracks import load_tracks
from tests.support.tables import table, write_csv


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GENRESWEEP_CACHE_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def public_table():
    genres = np.repeat(list(public.GENRE_COUNTS), list(public.GENRE_COUNTS.values()))
    few = table(50)
    frame = few.iloc[np.arange(len(genres)) % 50].reset_index(drop=True)
    frame["playlist_genre"] = genres
    return frame


def test_counts_add_up_to_the_known_number_of_rows():
    assert sum(public.GENRE_COUNTS.values()) == 32_833


def test_downloads_once_and_checks(cache, monkeypatch, public_table):
    calls = []

    def retrieve(url, known_hash, fname, path, progressbar):
        calls.append(url)
        return write_csv(public_table, path / fname)

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    first, second = load_tracks("spotify"), load_tracks("spotify")
    assert calls == [public.URL]
    assert len(first) == 32_833
    assert (first.source, first.synthetic) == ("spotify", False)
    assert first.fingerprint == second.fingerprint


def test_no_network_names_what_works(cache, monkeypatch):
    def retrieve(*args, **kwargs):
        raise requests.ConnectionError("no route")

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    with pytest.raises(InputError, match=r"could not be downloaded(?s:.)*--data synthetic"):
        load_tracks("spotify")
    assert list(cache.iterdir()) == []


def test_what_is_not_the_table_is_removed(cache, monkeypatch, public_table):
    wrong: list[tuple[pd.DataFrame | str, str]] = [
        (public_table.iloc[:-1], "32832 rows instead of 32833"),
        (public_table.assign(playlist_genre="pop"), "rows per genre"),
        (public_table.drop(columns="key"), "columns are missing: key"),
        ("<html><body>Log in, please</body></html>", "columns are missing"),
        ("", "is empty"),
    ]
    path = cache / public.FILE_NAME
    for content, message in wrong:
        _ = path.write_text(content) if isinstance(content, str) else write_csv(content, path)
        with pytest.raises(InputError, match=message):
            load_tracks("spotify")
        assert not path.exists()


def test_a_damaged_table_that_cannot_be_removed_is_named(cache, monkeypatch):
    """In a folder that several people read, and one writes."""
    path = cache / public.FILE_NAME
    path.write_text("cut o")

    def unlink(self: Path, missing_ok: bool = False) -> None:
        raise OSError(30, os.strerror(30))

    monkeypatch.setattr(Path, "unlink", unlink)
    with pytest.raises(InputError) as refused:
        load_tracks("spotify")
    said = str(refused.value)
    assert f"{path} could not be removed (Read-only file system)" in said and "set GENRESWEEP_CACHE_DIR to" in said
    assert "It was removed" not in said
