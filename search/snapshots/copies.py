"""Copies of a study's record and models in its storage, from which it goes on elsewhere.

The record itself stays on the driver's disk, where SQLite needs it. In the storage lie ``manifest.json``,
``driver.json`` (the command that writes the study now), ``record/NUMBER-SHA256.db`` (the newest two; a name has the
hash of its content, so that an upload cut short is passed over), ``models/`` and the segments' ``checkpoints/``.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path, PurePosixPath

from data.errors import InputError, command
from data.object_stores import (
    check_writable,
    checked_location,
    delete_file,
    is_uri,
    join,
    list_files,
    parent,
    read_file,
    write_file,
)
from data.tables.own_table import OWN_FOLDER
from results.record.copying import RecordCopy
from results.record.database import refuse_links
from results.record.facts import Fact
from results.record.manifest import Manifest
from results.record.places import draft_of
from results.record.study import Study, StudyError

MODELS = ("best", "ensemble", "stages", "description", OWN_FOLDER)
_SECONDS, _SHARE = 5.0, 10
"""Seconds until the next copy is due, and the multiple of the last copy's time, whichever is longer."""
_KEPT = 2

_log = logging.getLogger("genresweep")


def check_vacant(storage: str) -> None:
    """Raise ``InputError`` where a new study's storage cannot be written, or holds a study already."""
    check_writable(parent(storage))
    try:
        _refuse_occupied(storage)
    except OSError as error:
        raise InputError(f"the storage {storage} cannot be listed: {error}") from None


def _refuse_occupied(storage: str) -> None:
    if list_files(storage):
        raise InputError(
            f"{storage} holds a study already: go on with `{command('resume', storage)}`, or choose another --name"
        )


def reserve(storage: str, manifest: Manifest) -> None:
    """Put a new study's manifest into its storage before the study is made: no storage without it is written to."""
    try:
        _refuse_occupied(storage)
        if not is_uri(storage):
            Path(storage, "checkpoints").mkdir(parents=True)
        write_file(join(storage, "manifest.json"), manifest.to_json().encode())
    except OSError as error:
        raise InputError(f"the storage {storage} cannot be written: {error}") from None


def release(storage: str) -> None:
    """Delete what ``reserve`` put into a storage, for a study that could not be made."""
    with suppress(OSError):
        delete_file(join(storage, "manifest.json"))
        if not is_uri(storage):
            Path(storage, "checkpoints").rmdir()


def check_owner(study: Study, *, claimed: bool = False) -> None:
    """Raise ``InputError`` where a study's storage holds another one, or another command has gone on with it since.

    With ``claimed`` a record that was fetched, and has not gone on since, is refused as well.
    """
    storage = study.settings.storage
    if storage is None:
        return
    _check_location(storage)
    try:
        same = read_file(join(storage, "manifest.json")) == (study.directory / "manifest.json").read_bytes()
        driver = _driver(storage)
    except OSError as error:
        raise InputError(f"the storage of {study.directory} cannot be read: {error}") from None
    if not same:
        raise InputError(f"{storage} holds another study than {study.directory}, whose storage it should be")
    accepted = [Fact.STORAGE_DRIVER] if claimed else [Fact.STORAGE_DRIVER, Fact.STORAGE_PREDECESSOR]
    if driver and driver["token"] not in map(study.fact, accepted):
        raise InputError(
            f"{_taken_over(storage, driver)}: {study.directory} is behind. "
            f"Go on with `{command('resume', storage)} --out DIR`"
        )


def _check_location(storage: str) -> None:
    """Raise ``InputError`` where a manifest names a place that no user could have named, or that leads elsewhere."""
    if checked_location(storage) != storage:
        raise InputError(f"a study's storage must be an absolute path or a URI, but its manifest has {storage!r}")
    if not is_uri(storage):
        refuse_links(Path(storage))


@contextmanager
def snapshots(study: Study) -> Iterator[None]:
    """Run the body with the record copied to the study's storage every few seconds, and once more in the end.

    A copy that fails is noted in the log and tried again; ``StudyError`` where the last one fails. ``InputError``
    where the storage cannot be used, or is not this study's.
    """
    storage = study.settings.storage
    if storage is None:
        yield
        return
    check_owner(study)
    try:
        copier = _Copier(study, storage)
        copier.claim()
    except OSError as error:
        raise InputError(f"the storage of {study.directory} cannot be written: {error}") from None
    with copier:
        yield


class _Copier:
    """The thread that copies, and the state of its copies."""

    def __init__(self, study: Study, storage: str) -> None:
        self._study, self._storage = study, storage
        self._token = secrets.token_hex(8)
        self._number = max([0, *map(_number, list_files(join(storage, "record")))])
        self._copied: dict[Path, tuple[int, int]] = {}
        self._finished = threading.Event()
        self._thread = threading.Thread(target=self._run, name="snapshots", daemon=True)

    def claim(self) -> None:
        """Claim the storage for this command, and put a first copy there.

        The token is new each time: a record that was fetched before is behind from now on.
        """
        present = _driver(self._storage)
        self._study.set_fact(Fact.STORAGE_PREDECESSOR, present["token"] if present else "")
        self._study.set_fact(Fact.STORAGE_DRIVER, self._token)
        driver = {"token": self._token, "host": socket.gethostname()}
        write_file(join(self._storage, "driver.json"), json.dumps(driver).encode())
        self._record = RecordCopy(self._study.directory)
        self.copy()

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, kind: object, cause: object, traceback: object) -> None:
        self._finished.set()
        self._thread.join()
        with closing(self._record):
            try:
                self.copy()
            except (OSError, StudyError) as error:
                _log.warning("the last copy of the record failed: %s", error)
                if cause is None:
                    raise StudyError(f"{self._study.directory} is whole, its storage is behind: {error}") from None

    def copy(self) -> None:
        """Copy all changes: the models first, since the record refers to them."""
        driver = _driver(self._storage)
        if driver is None or driver["token"] != self._token:
            cause = _taken_over(self._storage, driver)
            self._study.withdraw(cause)
            raise StudyError(cause)
        for path in (path for folder in MODELS for path in _card_last(self._study.directory / folder)):
            self._copy_model(path)
        self._delete_former_members()
        with self._record.if_changed() as content:
            if content is not None:
                self._copy_record(content)

    def _copy_model(self, path: Path) -> None:
        if path.name.startswith(".") or not path.is_file():
            return
        state = path.stat().st_mtime_ns, path.stat().st_size
        if self._copied.get(path) != state:
            name = path.relative_to(self._study.directory).as_posix()
            write_file(join(self._storage, "models", name), path.read_bytes())
            self._copied[path] = state

    def _delete_former_members(self) -> None:
        """Delete copies of members that the ensemble has no longer; none where it is gone, as with a moved study."""
        folder = self._study.directory / "ensemble"
        if not (folder / "ensemble.json").is_file():
            return
        for path in [one for one in self._copied if one.is_relative_to(folder) and not one.exists()]:
            delete_file(join(self._storage, "models", path.relative_to(self._study.directory).as_posix()))
            del self._copied[path]

    def _copy_record(self, content: bytes) -> None:
        self._number += 1
        folder = join(self._storage, "record")
        write_file(join(folder, _record_name(self._number, content)), content)
        for name in sorted(list_files(folder), key=_number)[:-_KEPT]:
            delete_file(join(folder, name))

    def _run(self) -> None:
        wait = _SECONDS
        while not self._finished.wait(wait):
            started = time.monotonic()
            try:
                self.copy()
            except StudyError:
                return
            except OSError as error:
                _log.warning("the record could not be copied, and will be tried again: %s", error)
            wait = max(_SECONDS, _SHARE * (time.monotonic() - started))


def _card_last(folder: Path) -> list[Path]:
    """Return the files in a folder, each before those that refer to it: weights, cards, the index of an ensemble."""
    return sorted(folder.rglob("*"), key=lambda path: (path.suffix == ".json", -len(path.parts), path))


def _number(name: str) -> int:
    number = name.partition("-")[0]
    return int(number) if number.isdecimal() else 0


def _driver(storage: str) -> dict[str, str] | None:
    """Return the token and host of the command that writes the study now; ``None`` before the first.

    Raises ``OSError`` where that cannot be read.
    """
    try:
        found = json.loads(read_file(join(storage, "driver.json")))
        return {"token": str(found["token"]), "host": str(found["host"])}
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise OSError(f"{join(storage, 'driver.json')} is damaged: {error}") from None


def _taken_over(storage: str, driver: dict[str, str] | None) -> str:
    return f"a command on {driver['host'] if driver else 'another machine'} has gone on with {storage}"


def is_storage(location: str) -> bool:
    """Return True where a study is to be fetched from there: a URI, or a folder of copies."""
    return is_uri(location) or Path(location, "record").is_dir()


def fetch(storage: str, directory: Path) -> None:
    """Make a study's directory on this machine from its storage, whole or not at all.

    Raises ``InputError`` where the directory exists, or the storage holds no study that can be gone on with.
    """
    storage = checked_location(storage)
    if directory.exists():
        raise InputError(
            f"{directory} exists already: go on with `{command('resume', directory)}` where it is this study, "
            "or choose another --out"
        )
    draft = draft_of(directory)
    try:
        (draft / "checkpoints").mkdir(parents=True)
        _fetch_into(draft, storage)
        draft.rename(directory)
    except OSError as error:
        raise InputError(f"the study {storage} cannot be fetched: {error}") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _fetch_into(draft: Path, storage: str) -> None:
    write_file(draft / "manifest.json", read_file(join(storage, "manifest.json")))
    recorded = Manifest.read(draft).settings.storage
    if recorded != storage:
        raise InputError(f"{storage} holds a study whose storage is {recorded}: name it so")
    _check_location(storage)
    driver = _driver(storage)
    write_file(draft / "study.db", _newest_record(storage))
    for name in list_files(join(storage, "models")):
        path = PurePosixPath(name)
        if path.parts[0] not in MODELS or ".." in path.parts:
            raise InputError(f"{storage} holds a model {name!r}, which no study has: do not trust it")
        write_file(draft / path, read_file(join(storage, "models", name)))
    with Study.open_for_writing(draft) as study:
        study.set_fact(Fact.STORAGE_DRIVER, secrets.token_hex(8))
        study.set_fact(Fact.STORAGE_PREDECESSOR, driver["token"] if driver else "")


def _newest_record(storage: str) -> bytes:
    """Return the newest copy whose content has the hash in its name."""
    folder = join(storage, "record")
    for name in sorted(list_files(folder), key=_number, reverse=True):
        content = read_file(join(folder, name))
        if name == _record_name(_number(name), content):
            return content
        _log.warning("%s was cut short or damaged: an older copy of the record is taken", join(folder, name))
    raise InputError(f"{storage} holds no whole copy of the record: there is nothing to go on with")


def _record_name(number: int, content: bytes) -> str:
    return f"{number:08d}-{hashlib.sha256(content).hexdigest()}.db"
