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
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from data.errors import InputError, warn
from data.files import abandoned, clear_abandoned, private_folder, why_not_writable

LONGEST_SOCKET = 107
"""Bytes of a socket's path on Linux, without the zero at its end."""
ROOM = 32_000_000
"""Bytes that must be free: a session takes 2 to 5 MB, more where it spills objects."""
_PREFIX = "gs"
_NAMED = ("RAY_TMPDIR", "TMPDIR", "TEMP", "TMP")
_USUAL = ("/tmp", "/var/tmp")


@dataclass(frozen=True)
class Base:
    """A folder in which Ray's could be made."""

    path: Path
    said: str
    """As a message names it: ``TMPDIR=/scratch`` or ``/tmp``."""


@dataclass(frozen=True)
class Refused:
    """A folder in which Ray's cannot be made, and why."""

    base: Base
    reason: str


@contextmanager
def session_folder() -> Iterator[Path]:
    """Make a folder for one Ray, yield it, and delete it; what killed commands have left is deleted, too.

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
    """Return the folder in which Ray's can be made; ``InputError`` where there is none. Nothing is left there."""
    folder = make_session_folder()
    _remove(folder)
    return folder.parent


def make_session_folder() -> Path:
    """Make a folder (0700) for one Ray in the first place that can hold it; ``InputError`` where none can.

    Tried are the user's ``RAY_TMPDIR``, ``TMPDIR``, ``TEMP`` and ``TMP``, then ``/tmp``, ``/var/tmp`` and the user's
    runtime folder.
    """
    refused: list[Refused] = []
    for base in _bases():
        try:
            folder = _made(base.path)
        except OSError as error:
            refused.append(Refused(base, error.strerror or str(error)))
            continue
        if refused and refused[0].base.said.startswith(_NAMED[0]):
            warn(f"{refused[0].base.said} cannot hold Ray's folder ({refused[0].reason}): it is in {base.path} instead")
        return folder
    raise InputError(_no_place(refused))


def clear_session_folders() -> None:
    """Delete the folders of Ray that killed commands of this machine have left."""
    for base in _bases():
        clear_abandoned(base.path, _PREFIX, host=_host())


def abandoned_session_folders() -> list[Path]:
    """Return the folders of Ray that killed commands of this machine have left."""
    return [folder for base in _bases() for folder in abandoned(base.path, _PREFIX, host=_host())]


def _bases() -> list[Base]:
    named = [
        Base(Path(os.path.abspath(value)), f"{name}={value}") for name in _NAMED if (value := os.environ.get(name))
    ]
    usual = [*_USUAL, os.environ.get("XDG_RUNTIME_DIR", "")]
    bases = named + [Base(Path(path), path) for path in usual if os.path.isabs(path)]
    return list({base.path: base for base in reversed(bases)}.values())[::-1]


def _made(base: Path) -> Path:
    """Ray's folder in ``base``, tried out; ``OSError`` with the reason in words where that cannot hold it."""
    folder = base / f"{_PREFIX}{_host()}-{os.getpid()}"
    # both processes' numbers are this one's: Ray's session is called after the process that starts it
    sockets = folder / f"session_2000-01-01_00-00-00_000000_{os.getpid()}" / "sockets"
    if (excess := len(os.fsencode(sockets / "plasma_store")) - LONGEST_SOCKET) > 0:
        length = len(os.fsencode(base))
        raise OSError(0, f"its path has {length} bytes, and a socket's leaves it {length - excess}")
    if (free := shutil.disk_usage(base).free) < ROOM:
        raise OSError(0, f"{free / 1e6:.0f} MB are free, and {ROOM / 1e6:.0f} MB are needed")
    _remove(folder)  # of an earlier Ray of this process, or of one that had its number
    if private_folder(folder) is None:
        folder.mkdir()  # which says why it cannot be made
        raise OSError(0, f"{folder.name} in it cannot be closed to others")
    try:
        _try_out(sockets)
    except OSError:
        _remove(folder)
        raise
    shutil.rmtree(sockets.parent)
    return folder


def _try_out(sockets: Path) -> None:
    """``OSError`` where files cannot be written, or where no socket can be made, as on some network file systems."""
    sockets.mkdir(parents=True)
    if (reason := why_not_writable(sockets)) is not None:
        raise OSError(0, reason)
    with socket.socket(socket.AF_UNIX) as trial:
        try:
            trial.bind(str(sockets / "plasma_store"))
        except OSError as error:
            raise OSError(0, f"no socket can be made there: {error.strerror or error}") from error


def _remove(folder: Path) -> None:
    """Delete a folder of this user's; processes that Ray has just ended may still write into it."""
    for _ in range(20):
        if not os.path.lexists(folder) or folder.lstat().st_uid != os.geteuid():
            return
        shutil.rmtree(folder, ignore_errors=True)
        if os.path.lexists(folder):
            time.sleep(0.05)


@functools.cache
def _host() -> str:
    """Five letters for this machine, and for this process's view of its processes, which containers do not share."""
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
