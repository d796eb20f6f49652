"""Ray's temporary folder: short, closed, chosen among those that can hold it, and gone in the end."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from data.errors import InputError, InputWarning
from search.cluster import session_folder as module
from search.cluster.leftovers import leftover_sessions
from search.cluster.session_folder import (
    LONGEST_SOCKET,
    abandoned_session_folders,
    check_session_folder,
    clear_session_folders,
    make_session_folder,
    session_folder,
    temporary_bases,
)

VARIABLES = ("RAY_TMPDIR", "TMPDIR", "TEMP", "TMP", "XDG_RUNTIME_DIR")
STARTED = """
from search.cluster.connection import connected
from search.cluster.environment import settle
from search.cluster.placement import Resources
import os, time, ray
settle()
"""


@pytest.fixture
def short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder by a short path, the one usual place of a machine whose user has set nothing."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    link = Path("/tmp") / f"s{os.getpid() % 10_000}"
    link.symlink_to(tmp_path)
    monkeypatch.setattr(module, "_USUAL", (str(link),))
    yield link
    link.unlink()


def long(tmp_path: Path) -> Path:
    folder = tmp_path / ("a" * 50) / ("b" * 50)
    folder.mkdir(parents=True)
    return folder


def test_it_is_closed_to_others_and_gone_in_the_end(short: Path) -> None:
    with session_folder() as folder:
        assert folder.parent == short and folder.is_dir()
        assert stat.S_IMODE(folder.lstat().st_mode) == 0o700
        session = folder / "session_2026-11-28_09-43-03_123456_" / "sockets"
        assert len(str(session / "plasma_store")) + len(str(os.getpid())) <= LONGEST_SOCKET
        (folder / "session_latest").symlink_to(folder)
    assert list(short.iterdir()) == []


@pytest.mark.parametrize("name", VARIABLES[:4])
def test_a_users_folder_goes_first_where_it_can_work(name: str, short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (short / "n").mkdir()
    monkeypatch.setenv(name, str(short / "n"))
    assert check_session_folder() == short / "n"
    assert list((short / "n").iterdir()) == []


def test_the_longest_path_that_fits_is_taken_and_one_byte_more_is_not(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In bytes: a letter may have more than one."""
    with pytest.raises(InputError) as refused:
        _only(monkeypatch, short / ("x" * 60))
    longest = int(re.search(r"a socket's leaves it (\d+)", str(refused.value))[1])
    inner = "x" * (longest - len(str(short)) - 3) + "é"
    (short / inner).mkdir()
    _only(monkeypatch, short / inner)
    (short / f"{inner}x").mkdir()
    with pytest.raises(InputError, match=f"its path has {longest + 1} bytes"):
        _only(monkeypatch, short / f"{inner}x")


def test_the_first_that_names_a_folder_places_it(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where one of less weight, or the system itself, names it again."""
    first, second = short / "a", short / "b"
    for name, value in (("RAY_TMPDIR", f"{first}/"), ("TMPDIR", second), ("TEMP", first), ("TMP", short)):
        monkeypatch.setenv(name, str(value))
    assert [base.path for base in temporary_bases()] == [first, second, short]
    assert [base.said.partition("=")[0] for base in temporary_bases()] == ["RAY_TMPDIR", "TMPDIR", "TMP"]
    monkeypatch.setattr(module, "_USUAL", (str(first), str(second)))
    for name in ("RAY_TMPDIR", "TEMP", "TMP"):
        monkeypatch.delenv(name)
    assert [base.path for base in temporary_bases()] == [second, first]


def test_trying_a_folder_leaves_that_of_a_ray_at_work_alone(short: Path) -> None:
    with session_folder() as folder:
        (folder / "socket").touch()
        assert check_session_folder() == short
        assert [path.name for path in folder.iterdir()] == ["socket"]
        assert list(short.iterdir()) == [folder]


def test_where_modes_are_ignored_it_is_said_and_nothing_stays(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a stick with vfat: what is made is open, whatever is asked for."""
    made = os.mkdir

    def mkdir(path: str, mode: int = 0o777, **options: Any) -> None:
        made(path, **options)
        os.chmod(path, 0o777)

    monkeypatch.setattr(os, "mkdir", mkdir)
    for make in (check_session_folder, make_session_folder):
        with pytest.raises(InputError, match="a folder in it cannot be closed to others"):
            make()
        assert list(short.iterdir()) == []


def _only(monkeypatch: pytest.MonkeyPatch, base: Path) -> None:
    monkeypatch.setattr(module, "_USUAL", (str(base),))
    check_session_folder()


def test_where_no_folder_works_each_is_named_with_its_cause(
    short: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(long(tmp_path)))
    (short / "file").touch()
    monkeypatch.setenv("TEMP", str(short / "missing"))
    monkeypatch.setattr(module, "_USUAL", (str(short / "file"),))
    with pytest.raises(InputError) as refused:
        check_session_folder()
    said = str(refused.value)
    assert re.search(r"TMPDIR=/\S+: its path has \d+ bytes, and a socket's leaves it \d+\n", said)
    assert "TEMP=" in said and "/file: Not a directory" in said
    assert "Fix: make room in one of these, or set TMPDIR" in said


def test_a_full_disk_is_passed_over(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1_000_000))
    with pytest.raises(InputError, match="1 MB are free, and 32 MB are needed"):
        check_session_folder()


def test_a_file_system_without_sockets_is_passed_over(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def bind(self: socket.socket, path: str) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(socket, "socket", type("Socket", (socket.socket,), {"bind": bind}))
    with pytest.raises(InputError, match="no socket can be made there: Operation not supported"):
        check_session_folder()
    assert list(short.iterdir()) == []


def test_of_rays_own_variable_it_is_said_where_it_cannot_work(
    short: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(long(tmp_path)))
    with pytest.warns(InputWarning, match=r"RAY_TMPDIR=\S+ cannot hold Ray's folder"):
        assert check_session_folder() == short


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a folder away")
def test_a_folder_of_somebody_else_in_its_place_is_not_taken(short: Path) -> None:
    folder = make_session_folder()
    folder.chmod(0o777)
    os.chown(folder, 12345, 12345)
    with pytest.raises(InputError, match=f"{folder.name} in it is another user's"):
        make_session_folder()
    folder.rmdir()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a folder away")
def test_what_others_have_left_is_neither_listed_nor_deleted(short: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    host = make_session_folder().name.partition("-")[0]
    theirs, mine = short / f"{host}-{ended.pid}", short / f"{host}-{ended.pid}-tried"
    for folder in (theirs, mine):
        folder.mkdir(mode=0o700)
    os.chown(theirs, 12345, 12345)
    assert abandoned_session_folders() == [mine]
    clear_session_folders()
    assert theirs.exists() and not mine.exists()


def test_what_a_killed_command_has_left_is_listed_and_deleted_by_the_next(short: Path) -> None:
    script = "import os; from search.cluster.session_folder import *; print(make_session_folder()); os._exit(9)"
    environment = os.environ | {"TMPDIR": str(short)}
    left = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    folder = Path(left.stdout.strip())
    assert left.returncode == 9 and folder.is_dir() and folder.parent == short
    (folder / "log").write_bytes(bytes(100_000))
    (short / f"{folder.name[:7]}-{os.getppid()}").mkdir()
    (short / f"gs00000-{folder.name.split('-')[1]}").mkdir()
    listed = leftover_sessions()
    assert folder in listed.folders and listed.megabytes >= 0.1 and str(folder) in listed.command
    clear_session_folders()
    assert not folder.exists()
    assert len(list(short.iterdir())) == 2, "those of a living process and of another machine stay"


@pytest.mark.slow
def test_a_real_ray_with_a_long_tmpdir_leaves_nothing(tmp_path: Path) -> None:
    """Nor does it go to Ray's usual folder; after SIGKILL the next command clears up."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")} | {"TMPDIR": str(long(tmp_path))}
    show = "    print(ray._private.worker._global_node.get_session_dir_path(), flush=True)\n"
    script = f"{STARTED}with connected(Resources(cpus=1)):\n{show}"
    killed = f"{script}    os.kill(os.getpid(), {int(signal.SIGKILL)})\n"
    sessions = []
    for code, each in ((-signal.SIGKILL, killed), (0, script)):
        ended = subprocess.run(
            [sys.executable, "-c", each], env=environment, capture_output=True, text=True, timeout=200, check=False
        )
        assert ended.returncode == code, ended.stderr
        sessions.append(Path(ended.stdout.strip().splitlines()[-1]))
    assert all(session.parent.name.startswith("gs") for session in sessions)
    assert not any(session.parent.exists() for session in sessions)
    assert [path for path in Path(environment["TMPDIR"]).iterdir() if path.name.startswith(("ray", "gs"))] == []
