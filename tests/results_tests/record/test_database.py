"""Opening what a killed driver has left where nothing can be written beside it."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from data.errors import InputError
from results.record import database as opening
from results.record.study import Study
from tests.results_tests.record.test_study import new_study


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's answer for a database in write-ahead mode on a read-only disk without its shared memory."""
    true = opening._open

    def refuse(path: Path, mode: str) -> sqlite3.Connection:
        if mode == "ro":
            error = sqlite3.OperationalError("unable to open database file")
            error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
            raise error
        return true(path, mode)

    monkeypatch.setattr(opening, "_open", refuse)


def test_what_was_committed_is_read_from_a_copy(tmp_path: Path, read_only: None) -> None:
    with new_study(tmp_path / "s") as driver:
        driver.set_fact("incumbent", "abc")
        assert (tmp_path / "s" / "study.db-wal").stat().st_size > 0
        shutil.copytree(tmp_path / "s", tmp_path / "left")
    (tmp_path / "left" / "study.db-shm").unlink()
    before = {path.name: path.read_bytes() for path in (tmp_path / "left").iterdir() if path.is_file()}
    with Study.open(tmp_path / "left") as study:
        assert study.incumbent == "abc" and study.trials()
    assert {path.name: path.read_bytes() for path in (tmp_path / "left").iterdir() if path.is_file()} == before


def test_any_other_reason_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new_study(tmp_path / "s").close()

    def locked(path: Path, mode: str) -> sqlite3.Connection:
        error = sqlite3.OperationalError("database is locked")
        error.sqlite_errorcode = sqlite3.SQLITE_BUSY
        raise error

    monkeypatch.setattr(opening, "_open", locked)
    with pytest.raises(InputError, match="database is locked"):
        Study.open(tmp_path / "s")
