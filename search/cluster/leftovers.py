"""Leftovers of ended Rays in the temporary folders of this machine, and the command that deletes them."""

from __future__ import annotations

import os
import re
import shlex
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from search.cluster.session_folder import abandoned_session_folders, is_own, temporary_bases

_SESSION = re.compile(r"session_\d{4}-\d\d-\d\d_.*_\d+")
_MINUTES = 5
"""Minutes since its last change within which a session may still be at work."""


@dataclass(frozen=True)
class LeftoverSessions:
    """Folders of Ray sessions of this user that nothing uses any more."""

    folders: tuple[Path, ...]
    megabytes: float
    """Megabytes on the disk."""
    command: str
    """The shell command that deletes them; empty where there are none."""

    def __len__(self) -> int:
        return len(self.folders)


def leftover_sessions() -> LeftoverSessions:
    """Return the Ray sessions of this user that have ended and are still on this machine's disk.

    Those of killed genresweep commands, which the next sweep deletes by itself, and those in Ray's usual folder
    (``/tmp/ray/session_*``), of which Ray 2.60 deletes none. It takes about 0.1 s, and Ray is not imported.
    """
    folders = tuple(sorted({*abandoned_session_folders(), *_ended_in_usual_folders()}))
    size = sum(_bytes_on_disk(folder) for folder in folders)
    command = f"rm -rf {shlex.join(map(str, folders))}" if folders else ""
    return LeftoverSessions(folders, size / 1e6, command)


def _ended_in_usual_folders() -> list[Path]:
    """Return the sessions that are in no process's command line here, are not written to, and have no served socket.

    The last two show those in use in another namespace of processes (a container that shares ``/tmp``): a raylet writes
    ``logs/debug_state.txt`` every 10 seconds, and connecting to a socket needs no more than its file.
    """
    sessions = [path for base in temporary_bases() for path in _own_sessions(base.path / "ray")]
    alive = _living_sessions() if sessions else set()
    return [path for path in sessions if path.name not in alive and not _is_recent(path) and not _is_served(path)]


def _own_sessions(folder: Path) -> list[Path]:
    """Return the sessions in a folder that are this user's; ``session_latest`` is a link to one."""
    with suppress(OSError):
        found = [path for path in folder.iterdir() if _SESSION.fullmatch(path.name) and not path.is_symlink()]
        return [path for path in found if is_own(path)]
    return []


def _living_sessions() -> set[str]:
    """Return the names of sessions in the command lines of processes, where raylets and their workers have them."""
    found: set[str] = set()
    for process in psutil.process_iter(["cmdline"]):
        for word in process.info["cmdline"] or ():
            found.update(re.findall(r"session_\d{4}-\d\d-\d\d_[\d_-]+", word))
    return found


def _is_recent(session: Path) -> bool:
    """Return True where a session, or anything in it, was changed in the last minutes."""
    return max((found.st_mtime for found in _contents(session)), default=0) > time.time() - _MINUTES * 60


def _is_served(session: Path) -> bool:
    """Return True where a process, of whatever namespace, listens to a socket of a session."""
    for path in (session / "sockets").glob("*"):
        with suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            return True
    return False


def _bytes_on_disk(folder: Path) -> int:
    return sum(found.st_blocks * 512 for found in _contents(folder))


def _contents(folder: Path) -> Iterator[os.stat_result]:
    """Yield the status of a folder and of everything in it; files deleted meanwhile are passed over."""
    for place, _, names in os.walk(folder):
        for name in ("", *names):
            with suppress(OSError):
                yield os.lstat(os.path.join(place, name))
