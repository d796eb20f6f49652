"""The paper's grid (Table 4): 192 networks, or 384 with its two training lengths."""

from __future__ import annotations

from spaces.configuration import Configuration
from spaces.parameters import Choice
from spaces.space import SearchSpace

_TABLE_4 = {
    "hidden_layers": Choice(((64, 32), (16, 16, 16), (128, 16))),
    "batch_norm": Choice((True, False)),
    "dropout": Choice((0.3, 0.7)),
    "learning_rate": Choice((1e-3, 1e-4)),
    "batch_size": Choice((16, 32)),
    "optimizer": Choice(("adam", "sgd")),
    "clip_norm": Choice((0.5, 1.5)),
}

PAPER = SearchSpace("paper", _TABLE_4)
"""3 x 2^6 = 192 points; the study sets the training length (the paper fixes it at 20 epochs)."""

PAPER_FULL = SearchSpace("paper-full", {**_TABLE_4, "epochs": Choice((20, 50))})
"""The same space with 20 and 50 epochs as a seventh choice of two: 384 points."""

BEST = Configuration(
    hidden_layers=(128, 16),
    batch_norm=False,
    dropout=0.3,
    learning_rate=1e-3,
    batch_size=32,
    optimizer="adam",
    clip_norm=1.5,
    epochs=20,
)
"""The best of the grid in the paper (section 4.3)."""
