"""A cache of embeddings on disk, keyed by content: one SQLite file, shared by all studies and processes of a user.

The key is the SHA-256 of model hash and sentence, so a renamed table still hits and another model never does.
SQLite's locks keep concurrent writers apart, and it survives a torn write; each row carries a checksum, and
unreadable rows are encoded again: the cache may cost time, never a result.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from data.machine.cache_folder import cache_dirs

FILE_NAME = "embeddings-1.sqlite"
LOCK_SECONDS = 60
KEYS_PER_QUERY = 500

_TABLE = "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, crc INTEGER, vector BLOB)"


class EmbeddingCache:
    """A map from sentences to float32 vectors of one model; damaged or unreachable storage only means a miss."""

    def __init__(self, model_hash: str, directory: Path | None = None) -> None:
        self.model_hash = model_hash
        folders = (directory,) if directory else cache_dirs()
        self.path = folders[0] / FILE_NAME
        """The file that is written, and read first."""
        self._elsewhere = [folder / FILE_NAME for folder in folders[1:]]

    def load(self, sentences: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the vectors of those sentences that are stored undamaged."""
        sentence_of = {self._key(sentence): sentence for sentence in sentences}
        found: dict[str, np.ndarray] = {}
        for path in (self.path, *self._elsewhere):
            if path.exists() and (missing := [key for key, text in sentence_of.items() if text not in found]):
                stored = self._read(path, missing)
                found.update((sentence_of[key], vector) for key, vector in stored.items())
        return found

    def _read(self, path: Path, keys: Sequence[bytes]) -> dict[bytes, np.ndarray]:
        found: dict[bytes, np.ndarray] = {}
        with self._damage_removed(path), self._connection(path) as connection:
            for start in range(0, len(keys), KEYS_PER_QUERY):
                some = keys[start : start + KEYS_PER_QUERY]
                marks = ",".join("?" * len(some))
                query = f"SELECT key, crc, vector FROM vectors WHERE key IN ({marks})"
                for key, crc, vector in connection.execute(query, some):
                    if isinstance(vector, bytes) and zlib.crc32(key + vector) == crc:
                        found[key] = np.frombuffer(vector, dtype="<f4")
        return found

    def save(self, sentences: Sequence[str], vectors: np.ndarray) -> None:
        """Store one vector per sentence in one transaction."""
        rows = []
        for sentence, vector in zip(sentences, np.asarray(vectors, dtype="<f4"), strict=True):
            key, blob = self._key(sentence), vector.tobytes()
            rows.append((key, zlib.crc32(key + blob), blob))
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._damage_removed(self.path), self._connection(self.path) as connection, connection:
                connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)

    def _key(self, sentence: str) -> bytes:
        # surrogatepass: a lone surrogate in a title must not end a study.
        return hashlib.sha256(f"{self.model_hash}\0{sentence}".encode(errors="surrogatepass")).digest()

    @contextlib.contextmanager
    def _connection(self, path: Path) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(path, timeout=LOCK_SECONDS)) as connection:
            connection.execute(_TABLE)
            yield connection

    @contextlib.contextmanager
    def _damage_removed(self, path: Path) -> Iterator[None]:
        """Run the body and delete a file that is no longer a database; a locked or read-only one is left alone."""
        try:
            yield
        except sqlite3.OperationalError:
            return
        except sqlite3.DatabaseError:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
                path.with_name(path.name + "-journal").unlink(missing_ok=True)
