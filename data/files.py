"""Atomic file writes, paths, and temporary folders."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import socket
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

import psutil

from data.errors import InputError


def user_path(path: str | Path) -> Path:
    """Return a user's path with ``~`` or ``~NAME`` replaced by the home directory.

    Shells do not expand it in ``--out=~/x``. Raises ``InputError`` if the home is unknown, so that no folder is ever
    named ``~``.
    """
    expanded = os.path.expanduser(path)
    home, slash, _ = expanded.partition("/")
    if home == "~" or (slash and home.startswith("~")):
        raise InputError(
            f"{path}: expected a path, but the home directory that {home} stands for is unknown: give the path in "
            "full, or set HOME"
        )
    return Path(expanded)


def absolute_path(path: str | Path) -> Path:
    """Return the absolute path; a path with a loop of links is left for its reader to refuse."""
    return Path(os.path.realpath(user_path(path)))


def write_atomically(path: Path, content: bytes) -> str:
    """Write a file under a temporary name, flush it to disk, rename it, and return its SHA-256."""
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
    """Flush a folder's entries to disk, so that a rename survives a power loss; not every file system supports it."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def own_mark() -> str:
    """Return the mark that identifies this process's temporary files in a folder that machines may share."""
    return f"{socket.gethostname()}-{os.getpid()}"


def abandoned(folder: Path, prefix: str, suffix: str = "", host: str | None = None) -> list[Path]:
    """Return the folders ``prefix MARK suffix...`` whose mark names an ended process of this machine.

    A mark is ``HOST-PID``, as from `own_mark`; ``host`` is this machine's name in marks, by default its host name.
    """
    named = re.compile(re.escape(f"{prefix}{host or socket.gethostname()}-") + r"(\d+)" + re.escape(suffix))
    with suppress(OSError):
        found = [(path, named.match(path.name)) for path in folder.iterdir()]
        return [path for path, match in found if match and not psutil.pid_exists(int(match[1]))]
    return []


def clear_abandoned(folder: Path, prefix: str, suffix: str = "", host: str | None = None) -> None:
    """Delete the folders that `abandoned` returns; a folder that cannot be deleted stays."""
    for path in abandoned(folder, prefix, suffix, host):
        shutil.rmtree(path, ignore_errors=True)


def private_folder(path: Path) -> Path | None:
    """Return ``path``, created if missing, if it is a folder that only this user owns and can open.

    Returns ``None`` if it cannot be created, or if it is a link or a folder that others own or can open: in a
    temporary directory anybody may have put it there.
    """
    try:
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)
        found = path.lstat()
    except OSError:
        return None
    own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    return path if own and not stat.S_IMODE(found.st_mode) & 0o077 else None


def why_not_writable(folder: Path, size: int = 1 << 18) -> str | None:
    """Return why this process cannot write ``size`` bytes to a folder, or ``None`` if it can.

    A missing folder is created. Permissions are not enough to know: a disk can be full, read-only, or have a quota.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(size))
    except OSError as error:
        return error.strerror or str(error)
    return None


def read_regular(path: Path) -> bytes:
    """Return the content of a regular file; ``OSError`` for any other, which may never end (``/dev/zero``)."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return path.read_bytes()
