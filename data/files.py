"""Files that are written whole or not at all, and where they are."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path


def absolute_path(path: str | Path) -> Path:
    """The path as it means from any directory; one that leads round in circles is left for its reader to refuse."""
    return Path(os.path.realpath(os.path.expanduser(path)))


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


def read_regular(path: Path) -> bytes:
    """The content of a regular file; ``OSError`` for anything else, which could go on for ever (``/dev/zero``)."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return path.read_bytes()
