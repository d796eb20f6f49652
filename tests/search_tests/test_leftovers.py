"""What Rays that have ended left on the disk, and the command that deletes it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from search import leftovers
from search.leftovers import leftover_sessions


@pytest.fixture
def usual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ray's usual folder, which is the only one."""
    monkeypatch.setattr(leftovers, "abandoned_session_folders", list)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path / "it's"))
    whole = leftovers._own_sessions
    monkeypatch.setattr(leftovers, "_own_sessions", lambda path: whole(path) if path.is_relative_to(tmp_path) else [])
    folder = tmp_path / "it's" / "ray"
    folder.mkdir(parents=True)
    return folder


def session(usual: Path, number: int) -> Path:
    folder = usual / f"session_2026-11-28_09-43-0{number}_123456_{4_000_000 + number}"
    (folder / "logs").mkdir(parents=True)
    (folder / "logs" / "raylet.out").write_bytes(bytes(200_000))
    return folder


def test_none(usual: Path) -> None:
    assert len(leftover_sessions()) == 0 and leftover_sessions().command == ""


@pytest.mark.parametrize("many", [2, 8])
def test_they_are_counted_and_the_command_deletes_them_alone(usual: Path, many: int) -> None:
    folders = [session(usual, number) for number in range(many)]
    (usual / "session_latest").symlink_to(folders[0])
    (usual / "ray_current_cluster").touch()
    found = leftover_sessions()
    assert found.folders == tuple(folders) and found.megabytes == pytest.approx(0.2 * many, rel=0.1)
    assert ("session_2*" in found.command) == (many == 8)
    subprocess.run(found.command, shell=True, check=True)
    assert sorted(path.name for path in usual.iterdir()) == ["ray_current_cluster", "session_latest"]


def test_one_that_lives_is_not_listed(usual: Path) -> None:
    """Whatever process started it: ``ray start`` has ended long since."""
    folders = [session(usual, number) for number in range(8)]
    sleeping = [sys.executable, "-c", "input()", f"--session_dir={folders[3]}"]
    with subprocess.Popen(sleeping, stdin=subprocess.PIPE) as raylet:
        found = leftover_sessions()
        raylet.kill()
    assert folders[3] not in found.folders and len(found) == 7
    assert str(folders[3]) not in found.command and "*" not in found.command


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a folder away")
def test_those_of_others_are_not_listed(usual: Path) -> None:
    os.chown(session(usual, 1), 12345, 12345)
    mine = session(usual, 2)
    assert leftover_sessions().folders == (mine,)
