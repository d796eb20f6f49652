"""The temporary folder of a Ray that a command starts: short, closed to others, and gone when the command ends.

Ray 2.60 puts sockets, logs and spilled objects of each session into a folder of its own below ``$RAY_TMPDIR/ray``,
``$TMPDIR/ray`` or ``/tmp/ray`` (``_common/utils.py``), deletes none of them ever, and ends where a socket's path has
more than 107 bytes (``_private/utils.py``, ``validate_socket_filepath``), or where that folder is another user's.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from data.errors import InputError, warn
from data.files import abandoned, private_folder, why_not_writable

LONGEST_SOCKET = 107
"""Bytes of a socket's path on Linux, without the zero at its end."""
ROOM = 32_000_000
"""Bytes that must be free: a session takes 2 to 5 MB, more where it spills objects."""
_PREFIX = "gs"
_NAMED = ("RAY_TMPDIR", "TMPDIR", "TEMP", "TMP")
_USUAL = ("/tmp", "/var/tmp")


@dataclass(frozen=True)
class Base:
    """A folder in which Ray's folder could be made."""

    path: Path
    said: str
    """Name in messages: ``TMPDIR=/scratch`` or ``/tmp``."""


@dataclass(frozen=True)
class Refused:
    """A folder in which Ray's folder cannot be made, and the reason."""

    base: Base
    reason: str


@contextmanager
def session_folder() -> Iterator[Path]:
    """Run the body with a folder for one Ray, deleted in the end; leftovers of killed commands are deleted, too.

    Where Ray dies, the process ends here and now, and the folder stays for its logs until the next command. Raises
    ``InputError``, which names the cause for each folder that was tried.
    """
    clear_session_folders()
    folder = make_session_folder()
    try:
        yield folder
    finally:
        _remove(folder)


def check_session_folder() -> Path:
    """Return the folder in which Ray's can be made, and leave nothing there; ``InputError`` where there is none.

    It is tried out under a name that no session has: a Ray of this process may be at work in the one it will get.
    """
    folder = _in_first_place(_tried_out)
    _remove(folder)
    return folder.parent


def make_session_folder() -> Path:
    """Make a folder (0700) for one Ray in the first place that can hold it; ``InputError`` where none can.

    Tried are the user's ``RAY_TMPDIR``, ``TMPDIR``, ``TEMP`` and ``TMP``, then ``/tmp``, ``/var/tmp`` and the user's
    runtime folder.
    """
    return _in_first_place(_made)


def clear_session_folders() -> None:
    """Delete the folders of Ray that killed commands of this user have left on this machine."""
    for folder in abandoned_session_folders():
        shutil.rmtree(folder, ignore_errors=True)


def abandoned_session_folders() -> list[Path]:
    """Return the folders of Ray that killed commands of this user have left on this machine."""
    found = (folder for base in temporary_bases() for folder in abandoned(base.path, _PREFIX, host=_host()))
    return [folder for folder in found if is_own(folder)]


def temporary_bases() -> list[Base]:
    """Return the folders that may hold Ray's, each once: those that the user names, in Ray's order, then usual ones."""
    named = [(os.path.abspath(value), f"{name}={value}") for name in _NAMED if (value := os.environ.get(name))]
    usual = [(path, path) for path in (*_USUAL, os.environ.get("XDG_RUNTIME_DIR", "")) if os.path.isabs(path)]
    found: dict[str, Base] = {}
    for path, said in (*named, *usual):
        found.setdefault(path, Base(Path(path), said))
    return list(found.values())


def is_own(path: Path) -> bool:
    """Return True where a file or folder exists and is this user's; a link counts for itself."""
    with suppress(OSError):
        return path.lstat().st_uid == os.geteuid()
    return False


def _in_first_place(make: Callable[[Path], Path]) -> Path:
    """Return the result of ``make`` for the first base where it raises no ``OSError``; ``InputError`` for none."""
    refused: list[Refused] = []
    for base in temporary_bases():
        try:
            folder = make(base.path)
        except OSError as error:
            refused.append(Refused(base, error.strerror or str(error)))
            continue
        if refused and refused[0].base.said.startswith(_NAMED[0]):
            warn(f"{refused[0].base.said} cannot hold Ray's folder ({refused[0].reason}): it is in {base.path} instead")
        return folder
    raise InputError(_no_place(refused))


def _made(base: Path) -> Path:
    """Make Ray's folder in ``base`` and try it out; raise ``OSError`` with the reason where ``base`` cannot hold it."""
    folder = _check_room(base)
    _remove(folder)  # of an earlier Ray of this process, or of one that had its number
    if os.path.lexists(folder):
        raise OSError(0, f"{folder.name} in it is another user's")
    folder.mkdir(mode=0o700)
    _try_out(folder)
    return folder


def _tried_out(base: Path) -> Path:
    """Try out a folder in ``base`` under a name of its own, which counts as abandoned where this process dies."""
    folder = Path(tempfile.mkdtemp(prefix=f"{_check_room(base).name}-", dir=base))
    _try_out(folder)
    return folder


def _check_room(base: Path) -> Path:
    """Return the path of Ray's folder in ``base``; ``OSError`` where it is too long, or where little room is left."""
    folder = base / f"{_PREFIX}{_host()}-{os.getpid()}"
    # both processes' numbers are this one's: Ray's session is called after the process that starts it
    sockets = folder / f"session_2000-01-01_00-00-00_000000_{os.getpid()}" / "sockets"
    if (excess := len(os.fsencode(sockets / "plasma_store")) - LONGEST_SOCKET) > 0:
        length = len(os.fsencode(base))
        raise OSError(0, f"its path has {length} bytes, and a socket's leaves it {length - excess}")
    if (free := shutil.disk_usage(base).free) < ROOM:
        raise OSError(0, f"{free / 1e6:.0f} MB are free, and {ROOM / 1e6:.0f} MB are needed")
    return folder


def _try_out(folder: Path) -> None:
    """Leave a new folder empty where Ray can work in it; else delete it and raise ``OSError``.

    Some mounts (vfat) know no modes, some network file systems no sockets.
    """
    try:
        if private_folder(folder) is None:
            raise OSError(0, "a folder in it cannot be closed to others")
        if (reason := why_not_writable(folder)) is not None:
            raise OSError(0, reason)
        _bind_socket(folder / "s")
    except OSError:
        _remove(folder)
        raise


def _bind_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as trial:
        try:
            trial.bind(str(path))
        except OSError as error:
            raise OSError(0, f"no socket can be made there: {error.strerror or error}") from error
    path.unlink()


def _remove(folder: Path) -> None:
    """Delete a folder of this user's; processes that Ray has just ended may still write into it."""
    for _ in range(20):
        if not is_own(folder):
            return
        shutil.rmtree(folder, ignore_errors=True)
        if os.path.lexists(folder):
            time.sleep(0.05)


@functools.cache
def _host() -> str:
    """Return five letters for this machine and this process's namespace of processes, which containers do not share."""
    view = ""
    with suppress(OSError):
        view = os.readlink("/proc/self/ns/pid")
    return hashlib.sha256(f"{socket.gethostname()}\0{view}".encode()).hexdigest()[:5]


def _no_place(refused: list[Refused]) -> str:
    tried = "\n".join(f"  - {each.base.said}: {each.reason}" for each in refused)
    return (
        f"Ray's temporary folder has no place: expected a folder that can be written, with {ROOM / 1e6:.0f} MB of room "
        f"and a short path, but found\n{tried}\n"
        "Fix: make room in one of these, or set TMPDIR to such a folder (for instance TMPDIR=/dev/shm)"
    )
