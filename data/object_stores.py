"""Files by their *location*: a path, or a URI of an object store (``s3://``, ``gs://``).

Local files are written atomically, by a rename; an object appears when its upload is complete. Credentials come
from the environment, as for the stores' own tools, and are never part of a location.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

from data.errors import InputError
from data.files import absolute_path, read_regular, write_atomically

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

_OPTIONS = {
    "s3": ("region", "scheme", "endpoint_override"),
    "gs": ("retry_limit_seconds", "project_id"),
}
"""The options allowed after the ``?`` of a URI: pyarrow's names, without those that hold secrets.

Google's client would send its token to any endpoint that somebody else's study names."""
_SECRETS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_GS_PATIENCE = "retry_limit_seconds=30"
"""Google's client tries for 15 minutes by default."""


def is_uri(location: str) -> bool:
    """Return whether a location is a URI; any other location is a path."""
    return "://" in location


def checked_location(location: str) -> str:
    """Return a folder's absolute path, or the URI of a supported store.

    Raises ``InputError`` for other stores, and for a URI that may hold a secret; the message quotes no part of it.
    """
    if not is_uri(location):
        return str(absolute_path(location))
    scheme = location.split("://")[0]
    if scheme not in _OPTIONS:
        raise InputError("storage must be a folder, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX, but got another scheme")
    parts = urlsplit(location)
    options = parse_qsl(parts.query, keep_blank_values=True)
    known = all(name in _OPTIONS[scheme] and "@" not in value for name, value in options)
    if not known or "@" in location or ":" in parts.netloc or parts.fragment:
        raise InputError(
            f"a {scheme}:// location must hold no user, password or key (nor '@' or '#'), and after '?' nothing but "
            f"{', '.join(_OPTIONS[scheme])}: credentials come from the environment, as for the store's own tools"
        )
    if not parts.netloc:
        raise InputError(f"storage must name a bucket, as in {scheme}://BUCKET/PREFIX")
    return urlunsplit(parts._replace(path=parts.path.rstrip("/")))


def join(location: str, *names: str) -> str:
    """Return the location of the file or folder with these names below a folder."""
    if not is_uri(location):
        return str(Path(location, *names))
    parts = urlsplit(location)
    return urlunsplit(parts._replace(path="/".join([parts.path, *map(quote, names)])))


def parent(location: str) -> str:
    """Return the folder that contains a location."""
    if not is_uri(location):
        return str(Path(location).parent)
    parts = urlsplit(location)
    return urlunsplit(parts._replace(path=parts.path.rpartition("/")[0]))


def base_name(location: str) -> str:
    """Return the last name of a location, without its folder."""
    return Path(unquote(urlsplit(location).path) if is_uri(location) else location).name


def read_file(location: str | Path) -> bytes:
    """Return the content of a file; ``OSError`` if it cannot be read."""
    if not is_uri(str(location)):
        return read_regular(Path(location))
    with _remote(str(location)) as (store, key), store.open_input_stream(key) as stream:
        return bytes(stream.read())


def write_file(location: str | Path, content: bytes) -> str:
    """Write a file atomically and return its SHA-256; ``OSError`` if that is not possible."""
    if not is_uri(str(location)):
        return write_atomically(Path(location), content)
    with _remote(str(location)) as (store, key), store.open_output_stream(key) as stream:
        stream.write(content)
    return hashlib.sha256(content).hexdigest()


def delete_file(location: str) -> None:
    """Delete a file; do nothing if it does not exist."""
    if not is_uri(location):
        Path(location).unlink(missing_ok=True)
        return
    with suppress(FileNotFoundError), _remote(location) as (store, key):
        store.delete_file(key)


def list_files(location: str) -> dict[str, int]:
    """Return the size in bytes of each file below a folder, by relative name; empty if the folder does not exist."""
    if not is_uri(location):
        return {path.relative_to(location).as_posix(): size for path, size in _local_files(Path(location))}
    with _remote(location) as (store, key):
        from pyarrow.fs import FileSelector

        found = store.get_file_info(FileSelector(key, recursive=True, allow_not_found=True))
        return {info.path[len(key) + 1 :]: info.size for info in found if info.is_file}


def _local_files(folder: Path) -> Iterator[tuple[Path, int]]:
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # renamed or deleted meanwhile
            found = path.stat()
            if S_ISREG(found.st_mode):
                yield path, found.st_size


def check_writable(folder: str) -> None:
    """Write a file to a folder, read it back and delete it; ``InputError`` if any of these fails."""
    probe, content = join(folder, f".probe-{secrets.token_hex(4)}.tmp"), secrets.token_bytes(8)
    try:
        write_file(probe, content)
        found = read_file(probe)
        delete_file(probe)
    except OSError as error:
        raise InputError(f"the storage {folder} cannot be used: {error}.{_advice(folder)}") from None
    if found != content:
        raise InputError(f"the storage {folder} cannot be used: it does not give back what was written")


def _advice(folder: str) -> str:
    if folder.startswith("s3://"):
        return (
            " Credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, ~/.aws or the machine's role, "
            "another server than Amazon's from AWS_ENDPOINT_URL; the bucket must exist"
        )
    if folder.startswith("gs://"):
        return " Credentials come from GOOGLE_APPLICATION_CREDENTIALS or the machine's role; the bucket must exist"
    return ""


@contextmanager
def _remote(location: str) -> Iterator[tuple[FileSystem, str]]:
    """Run the body with a location's store and its key there; a store error becomes an ``OSError`` without secrets."""
    import pyarrow

    parts = urlsplit(location)
    try:
        yield _store(urlunsplit(parts._replace(path=""))), unquote(parts.netloc + parts.path)
    except FileNotFoundError:
        raise FileNotFoundError(f"{location} does not exist") from None
    except (OSError, pyarrow.ArrowException) as error:
        raise OSError(f"{location}: {_without_secrets(' '.join(str(error).split()))[:400]}") from None


@lru_cache
def _store(root: str) -> FileSystem:
    from pyarrow.fs import FileSystem

    if root.startswith("gs://") and "retry_limit_seconds" not in root:
        root = f"{root}{'&' if '?' in root else '?'}{_GS_PATIENCE}"
    return FileSystem.from_uri(root)[0]


def _without_secrets(text: str) -> str:
    for secret in filter(None, map(os.environ.get, _SECRETS)):
        text = text.replace(secret, "***")
    return text
