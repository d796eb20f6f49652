"""The folder of everything that can be computed again: compiled kernels, embeddings, the public table."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
from pathlib import Path

import platformdirs

from data.errors import InputError, warn
from data.files import absolute_path, private_folder, why_not_writable

CACHE_VARIABLE = "GENRESWEEP_CACHE_DIR"


def cache_dir() -> Path:
    """Return the cache folder of this user, in which this process can write.

    It is what the variable ``GENRESWEEP_CACHE_DIR`` names, else the usual one of the system (``~/.cache/genresweep``).
    Where that cannot be written (``HOME=/``, a home that is read-only or full, no home at all), it is a folder of the
    user's own in the temporary directory, so that kernels are compiled once a machine, and a warning says so. Raises
    ``InputError`` where the variable holds a ``~`` of an unknown home, and where nothing can be written at all.
    """
    wished = wished_cache_dir()
    reason = why_not_writable(wished) if wished else "the home directory is unknown"
    if wished and reason is None:
        return wished
    folder = temporary_cache_dir()
    warn(
        f"the cache folder {wished or '~/.cache/genresweep'} cannot be written ({reason}): compiled kernels and "
        f"embeddings are kept in {folder} instead, until that is cleared; set {CACHE_VARIABLE} to a folder that lasts"
    )
    return folder


def cache_dirs() -> tuple[Path, ...]:
    """Return the folders to look for what was kept: the one that is written, and the one that was wished for."""
    return tuple(dict.fromkeys(folder for folder in (cache_dir(), wished_cache_dir()) if folder))


def wished_cache_dir() -> Path | None:
    """Return the cache folder that the user or the system names, writable or not; ``None`` where there is no home."""
    if given := os.environ.get(CACHE_VARIABLE):
        return absolute_path(given)
    usual = Path(platformdirs.user_cache_dir("genresweep"))
    return usual if usual.is_absolute() else None  # platformdirs 4.14 gives ~/.cache itself where there is no home


def temporary_cache_dir() -> Path:
    """Return a cache folder in the temporary directory: this user's, else, where others stand there, this process's.

    Code is loaded from it, so a folder that somebody else could have filled is never taken.
    """
    try:
        folder = Path(tempfile.gettempdir()) / f"genresweep-cache-{os.geteuid()}"
        return private_folder(folder) or _of_this_process(folder.parent)
    except OSError as error:
        raise InputError(
            f"neither the cache folder nor a temporary one can be written ({error.strerror or error}): set "
            f"{CACHE_VARIABLE} and TMPDIR to folders that can"
        ) from None


@functools.cache
def _of_this_process(parent: Path) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="genresweep-cache-", dir=parent))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
