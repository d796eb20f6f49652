"""Where the cache is, and where it is when it cannot be written."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from data.errors import InputWarning
from data.machine import cache_folder
from data.machine.cache_folder import CACHE_VARIABLE, cache_dir, choose_cache
from data.titles.embedding_cache import EmbeddingCache


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The temporary directory, which is empty."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    cache_folder._of_this_process.cache_clear()
    yield folder
    cache_folder._of_this_process.cache_clear()


@pytest.fixture
def unwritable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder that cannot be made: root, too, finds a file in its way."""
    (tmp_path / "file").touch()
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "file" / "cache"))
    return tmp_path / "file" / "cache"


def test_the_variable_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "deep" / "cache"))
    assert cache_dir() == tmp_path / "deep" / "cache"


def test_a_relative_one_and_a_home_mean_the_same_in_any_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv(CACHE_VARIABLE, "cache")
    assert cache_dir() == tmp_path / "cache"
    monkeypatch.setenv(CACHE_VARIABLE, "~/cache")
    assert cache_dir() == tmp_path / "home" / "cache"
    assert not (tmp_path / "~").exists()


def test_where_it_cannot_be_written_it_is_the_users_own_for_all_processes(unwritable: Path, temporary: Path) -> None:
    with pytest.warns(InputWarning, match=f"set {CACHE_VARIABLE} to a folder that lasts"):
        found = cache_dir()
    assert found == temporary / f"genresweep-cache-{os.geteuid()}"
    assert stat.S_IMODE(found.lstat().st_mode) == 0o700
    with pytest.warns(InputWarning, match=str(unwritable)):
        assert cache_dir() == found
    chosen = choose_cache()
    assert (chosen.folder, chosen.wished, chosen.reason) == (found, str(unwritable), "Not a directory")


@pytest.mark.parametrize("kind", ["open", "link", "file"])
def test_what_somebody_else_may_have_put_there_is_not_taken(unwritable: Path, temporary: Path, kind: str) -> None:
    """Code is loaded from it."""
    there = temporary / f"genresweep-cache-{os.geteuid()}"
    if kind == "open":
        there.mkdir()
        there.chmod(0o777)
    elif kind == "link":
        (temporary / "elsewhere").mkdir(mode=0o700)
        there.symlink_to(temporary / "elsewhere")
    else:
        there.touch()
    with pytest.warns(InputWarning):
        found = cache_dir()
    assert found != there and found.parent == temporary
    assert stat.S_IMODE(found.lstat().st_mode) == 0o700
    with pytest.warns(InputWarning):
        assert cache_dir() == found


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a folder away")
def test_the_folder_of_another_user_is_not_taken(unwritable: Path, temporary: Path) -> None:
    there = temporary / f"genresweep-cache-{os.geteuid()}"
    there.mkdir(mode=0o700)
    os.chown(there, 12345, 12345)
    with pytest.warns(InputWarning):
        assert cache_dir() != there


def test_without_a_home_no_folder_is_called_by_a_tilde(
    temporary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(CACHE_VARIABLE, raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    with monkeypatch.context() as patch:
        patch.setattr(os.path, "expanduser", lambda path: path)
        with pytest.warns(InputWarning, match="~/.cache/genresweep cannot be written .the home directory is unknown"):
            assert cache_dir().parent == temporary
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: f"~/.cache/{name}")
    with pytest.warns(InputWarning, match="the home directory is unknown"):
        assert cache_dir().parent == temporary
    assert not (tmp_path / "~").exists()


def test_what_is_kept_where_nothing_can_be_written_is_read(
    temporary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "shared"))
    EmbeddingCache("model").save(["known"], np.ones((1, 3), np.float32))
    monkeypatch.setattr(cache_folder, "why_not_writable", lambda folder: "Read-only file system")
    with pytest.warns(InputWarning):
        cache = EmbeddingCache("model")
    cache.save(["new"], np.zeros((1, 3), np.float32))
    assert sorted(cache.load(["known", "new", "unknown"])) == ["known", "new"]
    assert cache.path.is_relative_to(temporary)
