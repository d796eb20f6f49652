"""A study small enough for a test: 400 made-up rows, 12 configurations over two stack keys, 4 epochs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from results.dataframes.frames import load_curves, load_trials
from results.record.study import Study
from tests.support.tables import GENRES, table, write_csv

EPOCHS = 4
CONFIGURATIONS = 12
HALVING = {"scheduler": "halving", "reduction_factor": 2, "epochs": EPOCHS}

SPACE = """
name = "small"

[parameters]
hidden_layers = [[24, 16], [16, 16, 16]]
batch_norm = true
learning_rate = [1e-2, 1e-3, 1e38]
optimizer = ["adam", "sgd"]
clip_norm = "none"
patience = 2
"""
"""One of the learning rates makes a member diverge in its first epoch; patience ends others early."""


GOOD = "sweep --data tracks.csv --space space.toml --out study"
"""A command line with nothing wrong, in the folder of the fixture of that name."""


def write_tracks(path: Path, rows: int = 400) -> Path:
    """Tracks whose genre shows in three of their numbers, and not always."""
    frame, rng = table(rows), np.random.default_rng(3)
    genre = np.array([GENRES.index(name) for name in frame["playlist_genre"]])
    for name, slope in (("energy", 0.4), ("danceability", -0.3), ("valence", 0.5)):
        values = slope * genre + rng.normal(size=rows)
        frame[name] = [f"{value:.4f}" for value in values]
    return write_csv(frame, path)


def write_space(path: Path, text: str = SPACE) -> Path:
    path.write_text(text)
    return path


def curves(study: Path) -> pd.DataFrame:
    """All that training has computed, and not how long it took."""
    return load_curves(study).drop(columns="seconds")


def outcome(study: Path) -> pd.DataFrame:
    """How each configuration ended."""
    return load_trials(study).drop(columns="seconds")


def verdicts(study: Path) -> list[tuple[str, int, float | None, float | None, bool]]:
    """Every decision of the rungs, in an order of its own."""
    with Study.open(study) as opened:
        found = [(d.key.config_id, d.epoch, d.score, d.cutoff, d.promoted) for d in opened.decisions()]
    return sorted(found)


def check_record(study: Path) -> None:
    """Every configuration once, and no epoch missing, twice, or beyond what its row says."""
    rows, trials = load_curves(study), load_trials(study)
    assert len(trials) == trials["config_id"].nunique() == CONFIGURATIONS
    for config_id, epochs in zip(trials["config_id"], trials["epochs"], strict=True):
        assert rows.loc[rows["config_id"] == config_id, "epoch"].tolist() == list(range(1, epochs + 1))


def contents(folder: Path) -> set[str]:
    """Files and folders here, the temporary ones among them."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}
