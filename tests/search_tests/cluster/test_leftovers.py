"""What Rays that have ended left on the disk, and the command that deletes it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from search.cluster import session_folder
from search.cluster.leftovers import leftover_sessions

HOUR = 3600


@pytest.fixture
def usual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ray's usual folder, on a machine whose only temporary folder has a name that a shell would take apart."""
    for name in ("RAY_TMPDIR", "TMPDIR", "TEMP", "TMP", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(session_folder, "_USUAL", (str(tmp_path / "it's"),))
    folder = tmp_path / "it's" / "ray"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def short(usual: Path) -> Iterator[Path]:
    """The temporary folder by a path that leaves room for a socket's."""
    link = Path("/tmp") / f"l{os.getpid() % 10_000}"
    link.symlink_to(usual.parent)
    yield link
    link.unlink()


def session(usual: Path, number: int, age: float = HOUR) -> Path:
    """Make a session whose last change was ``age`` seconds ago."""
    folder = usual / f"session_2026-11-28_09-43-0{number}_123456_{4_000_000 + number}"
    (folder / "logs").mkdir(parents=True)
    (folder / "sockets").mkdir()
    (folder / "logs" / "raylet.out").write_bytes(bytes(200_000))
    changed(folder, age)
    return folder


def changed(folder: Path, age: float) -> None:
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (time.time() - age,) * 2)


def abandon(base: Path, count: int) -> list[Path]:
    """Make folders of Ray in ``base`` for so many commands, each of which is killed."""
    script = "import os; from search.cluster.session_folder import *; print(make_session_folder()); os._exit(9)"
    environment = os.environ | {"RAY_TMPDIR": str(base)}
    run = [
        subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
        for _ in range(count)
    ]
    return [Path(each.stdout.strip()) for each in run]


def test_none(usual: Path) -> None:
    assert len(leftover_sessions()) == 0 and leftover_sessions().command == ""


@pytest.mark.parametrize("many", [2, 8])
def test_they_are_counted_and_the_command_deletes_them_alone(usual: Path, many: int) -> None:
    folders = [session(usual, number) for number in range(many)]
    (usual / "session_latest").symlink_to(folders[0])
    (usual / "ray_current_cluster").touch()
    found = leftover_sessions()
    assert found.folders == tuple(folders) and found.megabytes == pytest.approx(0.2 * many, rel=0.1)
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


def test_many_folders_of_killed_commands_are_named_and_no_pattern_reaches_others(usual: Path, short: Path) -> None:
    """Neither a session that begins between the listing and the command, nor another file beside them."""
    killed = [usual.parent / folder.name for folder in abandon(short, 6)]
    assert all(folder.is_dir() for folder in killed)
    sessions = [session(usual, number) for number in range(6)]
    found = leftover_sessions()
    assert set(found.folders) == {*killed, *sessions}
    later, beside = session(usual, 8), usual.parent / "session_2_notes"
    beside.touch()
    subprocess.run(found.command, shell=True, check=True)
    assert sorted(usual.parent.iterdir()) == sorted([usual, beside]) and list(usual.iterdir()) == [later]


@pytest.mark.parametrize("name", ["logs/debug_state.txt", "logs", ""])
def test_one_that_was_just_changed_is_not_listed(usual: Path, name: str) -> None:
    """Its Ray may be one of a container that shares the folder, whose processes are not seen from here."""
    folder = session(usual, 1)
    place = folder / name
    place.touch()
    assert len(leftover_sessions()) == 0
    changed(folder, HOUR)
    assert leftover_sessions().folders == (folder,)


def test_one_whose_socket_is_served_is_not_listed(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a process that cannot be told by its command line."""
    monkeypatch.setattr(session_folder, "_USUAL", (str(short),))
    folder = session(short / "ray", 1)
    with socket.socket(socket.AF_UNIX) as raylet:
        raylet.bind(str(folder / "sockets" / "raylet"))
        raylet.listen()
        changed(folder, HOUR)
        assert len(leftover_sessions()) == 0
    assert leftover_sessions().folders == (folder,)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a folder away")
def test_those_of_others_are_not_listed(usual: Path) -> None:
    os.chown(session(usual, 1), 12345, 12345)
    mine = session(usual, 2)
    assert leftover_sessions().folders == (mine,)
