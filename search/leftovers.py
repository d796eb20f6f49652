"""What Rays that have ended left in the temporary folders of this machine, and the command that deletes it."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from search.session_folder import abandoned_session_folders

_SESSION = re.compile(r"session_\d{4}-\d\d-\d\d_.*_\d+")
_MANY = 5
"""Paths that a command names one by one."""


@dataclass(frozen=True)
class LeftoverSessions:
    """Folders of Ray sessions of this user that nothing uses any more."""

    folders: tuple[Path, ...]
    megabytes: float
    """On the disk."""
    command: str
    """The shell command that deletes them; empty where there are none."""

    def __len__(self) -> int:
        return len(self.folders)


def leftover_sessions() -> LeftoverSessions:
    """Return the Ray sessions of this user that have ended and are still on this machine's disk.

    Those of killed genresweep commands, which the next sweep deletes by itself, and those in Ray's usual folder
    (``/tmp/ray/session_*``), of which Ray 2.60 deletes none. A session is taken to live while a process of its Ray
    does. It takes about 0.1 s, and Ray is not imported.
    """
    folders = tuple(sorted({*abandoned_session_folders(), *_ended_in_usual_folders()}))
    size = sum(_bytes_on_disk(folder) for folder in folders)
    return LeftoverSessions(folders, size / 1e6, _command(folders) if folders else "")


def _ended_in_usual_folders() -> list[Path]:
    named = (os.environ.get(name, "") for name in ("RAY_TMPDIR", "TMPDIR"))
    usual = {Path(folder) / "ray" for folder in (*named, "/tmp") if folder}
    sessions = [path for folder in usual for path in _own_sessions(folder)]
    alive = _living_sessions() if sessions else set()
    return [path for path in sessions if path.name not in alive]


def _own_sessions(folder: Path) -> list[Path]:
    """The sessions in a folder that are this user's; ``session_latest`` is a link to one."""
    with suppress(OSError):
        found = [path for path in folder.iterdir() if _SESSION.fullmatch(path.name) and not path.is_symlink()]
        return [path for path in found if path.lstat().st_uid == os.geteuid()]
    return []


def _living_sessions() -> set[str]:
    """The names of sessions that stand in the command line of a process, as those of a raylet and its workers do."""
    found: set[str] = set()
    for process in psutil.process_iter(["cmdline"]):
        for word in process.info["cmdline"] or ():
            found.update(re.findall(r"session_\d{4}-\d\d-\d\d_[\d_-]+", word))
    return found


def _bytes_on_disk(folder: Path) -> int:
    size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                size += os.lstat(os.path.join(place, name)).st_blocks * 512
    return size


def _command(folders: Iterable[Path]) -> str:
    """``rm`` for these folders and no others: a pattern where they are many, and all that it finds is among them."""
    words: list[str] = []
    for parent in sorted({folder.parent for folder in folders}):
        ended = [folder for folder in folders if folder.parent == parent]
        if len(ended) > _MANY and set(parent.glob("session_2*")) <= set(ended):
            words.append(f"{shlex.quote(str(parent))}/session_2*")
        else:
            words += [shlex.quote(str(folder)) for folder in ended]
    return f"rm -rf {' '.join(words)}"
