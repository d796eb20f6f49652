"""Files that are written whole or not at all, and where they are."""

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
    """Return a path of the user's with its ``~`` or ``~NAME`` replaced by the home that it stands for.

    Shells leave it in ``--out=~/x``. Raises ``InputError`` where the home is unknown: no folder is to be called ``~``.
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


def abandoned(folder: Path, prefix: str, suffix: str = "", host: str | None = None) -> list[Path]:
    """Return the folders ``prefix MARK suffix...`` whose mark is of a process of this machine that has ended.

    A mark is ``HOST-PID``, as `own_mark` gives it; ``host`` is what stands there for this machine, by default its name.
    """
    named = re.compile(re.escape(f"{prefix}{host or socket.gethostname()}-") + r"(\d+)" + re.escape(suffix))
    with suppress(OSError):
        found = [(path, named.match(path.name)) for path in folder.iterdir()]
        return [path for path, match in found if match and not psutil.pid_exists(int(match[1]))]
    return []


def clear_abandoned(folder: Path, prefix: str, suffix: str = "", host: str | None = None) -> None:
    """Delete the folders that `abandoned` finds; what cannot be deleted stays."""
    for path in abandoned(folder, prefix, suffix, host):
        shutil.rmtree(path, ignore_errors=True)


def private_folder(path: Path) -> Path | None:
    """Return ``path``, made where it is missing, if it is a folder of this user's that is closed to all others.

    ``None`` where it cannot be made, or where a link, or a folder that others own or may open, stands there: in a
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
    """Return what keeps this process from writing ``size`` bytes in a folder, which is made where it is missing.

    ``None`` where nothing does. Rights do not tell: disks are full, mounted for reading alone, or have a quota.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(size))
    except OSError as error:
        return error.strerror or str(error)
    return None


def read_regular(path: Path) -> bytes:
    """The content of a regular file; ``OSError`` for anything else, which could go on for ever (``/dev/zero``)."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return path.read_bytes()
