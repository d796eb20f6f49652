"""Embeddings kept on disk by content: one SQLite file, shared by all studies and processes of a user.

Key: the SHA-256 of model hash and sentence, so a renamed table still hits and another model never does.
SQLite locks concurrent writers out of each other's way and survives a torn write; each row carries a
checksum, and whatever cannot be read is encoded again: the cache may cost time, never a result.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import platformdirs

CACHE_VARIABLE = "GENRESWEEP_CACHE_DIR"
FILE_NAME = "embeddings-1.sqlite"
LOCK_SECONDS = 60
KEYS_PER_QUERY = 500

_TABLE = "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, crc INTEGER, vector BLOB)"


def cache_dir() -> Path:
    """Directory of everything that can be computed again; the variable GENRESWEEP_CACHE_DIR moves it."""
    return Path(os.environ.get(CACHE_VARIABLE) or platformdirs.user_cache_dir("genresweep"))


class EmbeddingCache:
    """Sentences to float32 vectors of one model; damaged or unreachable storage only means a miss."""

    def __init__(self, model_hash: str, directory: Path | None = None) -> None:
        self.model_hash = model_hash
        self.path = (directory or cache_dir()) / FILE_NAME

    def load(self, sentences: Sequence[str]) -> dict[str, np.ndarray]:
        """Vectors of those sentences that are stored and whole."""
        sentence_of = {self._key(sentence): sentence for sentence in sentences}
        keys = list(sentence_of)
        found: dict[str, np.ndarray] = {}
        if not self.path.exists():
            return found
        with self._damage_removed(), self._connection() as connection:
            for start in range(0, len(keys), KEYS_PER_QUERY):
                some = keys[start : start + KEYS_PER_QUERY]
                marks = ",".join("?" * len(some))
                query = f"SELECT key, crc, vector FROM vectors WHERE key IN ({marks})"
                for key, crc, vector in connection.execute(query, some):
                    if isinstance(vector, bytes) and zlib.crc32(key + vector) == crc:
                        found[sentence_of[key]] = np.frombuffer(vector, dtype="<f4")
        return found

    def save(self, sentences: Sequence[str], vectors: np.ndarray) -> None:
        """Store one vector per sentence in one transaction."""
        rows = []
        for sentence, vector in zip(sentences, np.asarray(vectors, dtype="<f4"), strict=True):
            key, blob = self._key(sentence), vector.tobytes()
            rows.append((key, zlib.crc32(key + blob), blob))
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._damage_removed(), self._connection() as connection, connection:
                connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)

    def _key(self, sentence: str) -> bytes:
        # surrogatepass: a lone surrogate in a title must not end a study.
        return hashlib.sha256(f"{self.model_hash}\0{sentence}".encode(errors="surrogatepass")).digest()

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self.path, timeout=LOCK_SECONDS)) as connection:
            connection.execute(_TABLE)
            yield connection

    @contextlib.contextmanager
    def _damage_removed(self) -> Iterator[None]:
        """A file that is no database any more is deleted; a locked or read-only one is left alone."""
        try:
            yield
        except sqlite3.OperationalError:
            return
        except sqlite3.DatabaseError:
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)
                self.path.with_name(self.path.name + "-journal").unlink(missing_ok=True)
