"""Files that are written whole or not at all, and where they are."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import socket
import stat
from contextlib import suppress
from pathlib import Path

import psutil

from data.errors import InputError


def user_path(path: str | Path) -> Path:
    """Return a path of the user's with its ``~`` or ``~NAME`` replaced by the home that it stands for.

    Shells leave it in ``--out=~/x``. Raises ``InputError`` where the home is unknown: no folder is to be called ``~``.
    """
    expanded = os.path.expanduser(path)
    if expanded.startswith("~"):
        home = expanded.partition("/")[0]
        raise InputError(
            f"{path}: expected a path, but the home directory that {home} stands for is unknown: give the path in "
            "full, or set HOME"
        )
    return Path(expanded)


def absolute_path(path: str | Path) -> Path:
    """The path as it means from any directory; one that leads round in circles is left for its reader to refuse."""
    return Path(os.path.realpath(user_path(path)))


def write_atomically(path: Path, content: bytes) -> str:
    """Write a file under a temporary name, flush it to disk, then rename it; returns its SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return hashlib.sha256(content).hexdigest()


def flush_names(folder: Path) -> None:
    """Flush the names in a folder to disk, so that a rename outlasts a loss of power; not every file system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def own_mark() -> str:
    """What tells this process's temporary files from others' in a folder that machines may share."""
    return f"{socket.gethostname()}-{os.getpid()}"


def clear_abandoned(folder: Path, prefix: str, suffix: str = "") -> None:
    """Delete the folders ``prefix MARK suffix...`` whose mark is of a process of this machine that has ended."""
    named = re.compile(re.escape(f"{prefix}{socket.gethostname()}-") + r"(\d+)" + re.escape(suffix))
    with suppress(OSError):
        for path in list(folder.iterdir()):
            if (found := named.match(path.name)) and not psutil.pid_exists(int(found[1])):
                shutil.rmtree(path, ignore_errors=True)


def read_regular(path: Path) -> bytes:
    """The content of a regular file; ``OSError`` for anything else, which could go on for ever (``/dev/zero``)."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return path.read_bytes()
