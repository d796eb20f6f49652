"""How long the titles of tables take to become vectors: with an empty cache, and from the cache.

python -m tests.benchmarks.titles train.csv edm.csv
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from typing import Any

from data.machine.cache_folder import CACHE_VARIABLE
from data.tables.columns import ALBUM_NAME, TRACK_NAME
from data.tables.tracks import load_tracks
from data.titles.embeddings import embed_titles


def measure(tables: list[str]) -> dict[str, Any]:
    """Seconds of both, on all cores, the start of the processes and the model's loading included."""
    tracks = [load_tracks(table, min_genres=1) for table in tables]
    albums, names = ([title for t in tracks for title in t.frame[column]] for column in (ALBUM_NAME, TRACK_NAME))
    found: dict[str, Any] = {"titles": len(names), "distinct": len(set(zip(albums, names, strict=True)))}
    with tempfile.TemporaryDirectory() as folder:
        os.environ[CACHE_VARIABLE] = folder
        for name in ("cold", "cached"):
            started = time.perf_counter()
            embed_titles(albums, names)
            found[name] = time.perf_counter() - started
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="+")
    print(json.dumps(measure(parser.parse_args().tables)))


if __name__ == "__main__":
    main()
