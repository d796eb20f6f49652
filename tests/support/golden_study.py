"""Makes the golden study: ``python -m tests.support.golden_study FOLDER``.

A version-1 study directory as it lay on disk, interrupted in the middle: some configurations have ended, some are half
trained, one diverged, some have not begun. Its rows are made up; ``DATA`` stands for the place of its table. Made once
and committed; a later version must read it and go on with it, so it is never made again.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
import sys
from pathlib import Path

from results.record.study import Study
from tests.support.processes import Command
from tests.support.small import write_space, write_tracks

GOLDEN = Path(__file__).with_name("golden")
DATA = "GOLDEN/tracks.csv"
SPACE = """
name = "golden"
[parameters]
hidden_layers = [[6], [5, 4]]
learning_rate = [1e-2, 1e-3, 1e38]
batch_size = 16
patience = 3
"""
COMMITS = 6
"""The command is killed at the entry of this commit; the first one opens the queue."""


def make(folder: Path) -> None:
    """Write ``tracks.csv`` and ``study/``."""
    folder.mkdir(parents=True)
    table = write_tracks(folder / "tracks.csv", rows=120)
    space, study = write_space(folder / "space.toml", SPACE), folder / "study"
    options = ("--scheduler", "halving", "--reduction-factor", 2, "--epochs", 6, "--stack-size", 1, "--cpus", 1)
    plan = {"point": "search.cluster.tune_bridge:commit", "call": COMMITS, "signal": signal.SIGKILL}
    Command("sweep", "--data", table, "--space", space, "--out", study, *options, folder=folder, plan=plan).wait()
    space.unlink()
    with Study.open_for_writing(study):
        pass
    _anonymise(study, table)


def _anonymise(study: Path, table: Path) -> None:
    """No paths and no names of the machine that made it."""
    manifest = json.loads((study / "manifest.json").read_text())
    manifest["settings"]["data"] = manifest["data"]["source"] = DATA
    (study / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    assert str(table.parent) not in (study / "manifest.json").read_text()
    connection = sqlite3.connect(study / "study.db")
    with connection:
        connection.execute("UPDATE segments SET host = 'somewhere:1'")
    connection.execute("VACUUM")
    connection.close()


if __name__ == "__main__":
    make(Path(sys.argv[1]).resolve())


def write_sql(study: Path, statement: str, *values: str | bytes) -> None:
    """Change the record behind everyone's back."""
    with contextlib.closing(sqlite3.connect(study / "study.db")) as connection, connection:
        connection.execute(statement, values)
