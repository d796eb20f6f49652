"""The cache folder, for files that can be recreated: compiled kernels, embeddings, the public table."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from data.errors import InputError, warn
from data.files import absolute_path, private_folder, why_not_writable

CACHE_VARIABLE = "GENRESWEEP_CACHE_DIR"


@dataclass(frozen=True)
class Cache:
    """The cache folder of this user, and why it differs from the requested one."""

    folder: Path
    wished: str
    """The folder that the user or the system names, writable or not."""
    reason: str | None
    """The reason why this process cannot write to ``wished``; ``None`` if ``folder`` is ``wished``."""


def cache_dir() -> Path:
    """Return this user's writable cache folder, as `choose_cache` finds it.

    A warning is issued if it is not the requested one.
    """
    chosen = choose_cache()
    if chosen.reason is not None:
        warn(
            f"the cache folder {chosen.wished} cannot be written ({chosen.reason}): compiled kernels and embeddings "
            f"are kept in {chosen.folder} instead, until that is cleared; set {CACHE_VARIABLE} to a folder that lasts"
        )
    return chosen.folder


def choose_cache() -> Cache:
    """Return this user's cache folder, in which this process can write.

    The variable ``GENRESWEEP_CACHE_DIR`` names it; the default is the system's usual one (``~/.cache/genresweep``).
    If that cannot be written (``HOME=/``, a read-only or full home, no home at all), the result is a private folder
    of the user in the temporary directory, so that kernels are compiled once per machine. Raises ``InputError`` if the
    variable holds a ``~`` of an unknown home, and if no folder can be written at all.
    """
    wished = wished_cache_dir()
    reason = why_not_writable(wished) if wished else "the home directory is unknown"
    if wished and reason is None:
        return Cache(wished, str(wished), None)
    return Cache(temporary_cache_dir(), str(wished or "~/.cache/genresweep"), reason)


def cache_dirs() -> tuple[Path, ...]:
    """Return the folders in which to look for cached files: the one written to, then the requested one."""
    return tuple(dict.fromkeys(folder for folder in (cache_dir(), wished_cache_dir()) if folder))


def wished_cache_dir() -> Path | None:
    """Return the cache folder that the user or the system names, writable or not; ``None`` if there is no home."""
    if given := os.environ.get(CACHE_VARIABLE):
        return absolute_path(given)
    try:
        usual = Path(platformdirs.user_cache_dir("genresweep"))
    except RuntimeError:  # newer versions of platformdirs, where there is no home
        return None
    return usual if usual.is_absolute() else None  # older ones give ~/.cache itself


def temporary_cache_dir() -> Path:
    """Return a cache folder in the temporary directory: this user's, or this process's if that name is not private.

    Code is loaded from it, so a folder that somebody else could have filled is never used.
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
