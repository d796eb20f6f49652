"""The paper's numbers: its models' scores, the hyperparameters it chose, and its Table 2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spaces import Point

Four = tuple[float | None, float | None, float | None, float | None]
"""Accuracy and the weighted precision, recall and F1, in the order of ``results.record.schema.SCORES``."""


@dataclass(frozen=True)
class PaperEntry:
    """One model of the paper: its section, our name for it, and its scores."""

    section: str
    model: str
    stage: str
    variant: str
    scores: Four = (None, None, None, None)


PAPER_ROWS = 21_428
"""Tracks of the paper's training table, ``train.csv``."""
PAPER_GENRES = ("latin", "pop", "r&b", "rap", "rock")
"""Genres of that table."""
OURS = "(ours)"
"""Section of entries that the paper does not have."""
BEST_OF_GRID = PaperEntry("4.3, Table 4", "best of the grid, audio", "sweep", "audio", (0.574662, None, None, None))
SIX_GENRES = (0.572, 0.571, 0.572, 0.561)

PAPER = (
    PaperEntry("4.1", "XGBoost, audio", "baselines", "xgboost", (0.572, None, None, None)),
    PaperEntry("3.1", "random forest, audio", "baselines", "random_forest"),
    PaperEntry("4.2, Table 3", "simple network, audio", "simple", "simple", (0.546, 0.538, 0.546, 0.531)),
    BEST_OF_GRID,
    PaperEntry("4.4, Table 5", "text only", "fusion", "text", (0.4536, 0.4568, None, 0.4430)),
    PaperEntry(OURS, "text, its own sweep", "sweep", "text"),
    PaperEntry("4.4, Table 5", "audio + text, from scratch", "fusion", "scratch", (0.6174, 0.6209, None, 0.6116)),
    PaperEntry(OURS, "audio + text, warm-started", "fusion", "warm"),
    PaperEntry(OURS, "audio + text, best of its sweep", "fusion", "swept"),
    PaperEntry(OURS, "audio + text, ensemble of its sweep", "fusion", "ensemble"),
    PaperEntry(OURS, "audio + text, its own sweep", "sweep", "fusion"),
    PaperEntry("4.5", "six genres, transferred", "transfer", "transfer", SIX_GENRES),
    PaperEntry(OURS, "six genres, from scratch", "transfer", "scratch"),
)
"""Rows of the scorecard; for the stage ``sweep`` the variant is the features that were searched on."""


@dataclass(frozen=True)
class PaperChoice:
    """The paper's hyperparameters of one of its models, by our names."""

    section: str
    model: str
    stage: str
    values: Point


PAPER_CHOICES = (
    PaperChoice(
        "4.1",
        "XGBoost, best of its grid",
        "xgboost",
        {"colsample_bytree": 0.9, "learning_rate": 0.1, "max_depth": 10, "n_estimators": 300, "subsample": 0.9},
    ),
    PaperChoice(
        "4.2, Table 3",
        "simple network",
        "simple",
        {
            "hidden_layers": (64, 32, 16),
            "batch_norm": True,
            "dropout": 0.5,
            "optimizer": "adam",
            "learning_rate": 1e-3,
            "weight_decay": 1e-4,
            "batch_size": 32,
            "epochs": 100,
            "clip_norm": 1.0,
        },
    ),
    PaperChoice(
        "4.3, Table 4",
        "best of the grid, audio",
        "sweep",
        {
            "hidden_layers": (128, 16),
            "batch_norm": False,
            "dropout": 0.3,
            "learning_rate": 1e-3,
            "batch_size": 32,
            "optimizer": "adam",
            "clip_norm": 1.5,
            "epochs": 20,
        },
    ),
)

STATISTICS = ("mean", "std", "min", "25%", "50%", "75%", "max")
"""Rows of Table 2."""

PAPER_STATISTICS: Mapping[str, tuple[float, ...]] = {
    "track_popularity": (44.28, 24.99, 0.0, 27.0, 48.0, 64.0, 100.0),
    "danceability": (0.66, 0.15, 0.08, 0.56, 0.68, 0.77, 0.98),
    "energy": (0.67, 0.18, 0.0, 0.55, 0.7, 0.82, 1.0),
    "key": (5.38, 3.62, 0.0, 2.0, 6.0, 9.0, 11.0),
    "loudness": (-7.02, 3.05, -46.45, -8.51, -6.46, -4.89, 1.27),
    "mode": (0.58, 0.49, 0.0, 0.0, 1.0, 1.0, 1.0),
    "speechiness": (0.11, 0.11, 0.02, 0.04, 0.06, 0.14, 0.92),
    "acousticness": (0.2, 0.23, 0.0, 0.02, 0.1, 0.3, 0.99),
    "instrumentalness": (0.05, 0.18, 0.0, 0.0, 0.0, 0.0, 0.99),
    "liveness": (0.19, 0.15, 0.01, 0.09, 0.12, 0.24, 0.99),
    "valence": (0.54, 0.23, 0.0, 0.36, 0.54, 0.71, 0.99),
    "tempo": (119.73, 28.71, 35.48, 96.54, 117.94, 137.31, 239.44),
    "duration_ms": (226668.72, 57745.82, 29493.0, 190191.25, 218933.0, 255392.5, 517810.0),
}
"""Table 2 to its two decimals, by column, in the order of ``STATISTICS``.

Not copied from the paper's page: these are what its own training table, ``train.csv``, gives, rounded.
"""
