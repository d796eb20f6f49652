"""A space for accuracy: what networks of the wide space that did best have in common, and a plan to search it."""

from __future__ import annotations

from spaces.parameters import Choice, Uniform
from spaces.space import SearchSpace

STRONG = SearchSpace(
    "strong",
    {
        "depth": Choice((2,)),
        "width": Choice((256, 512)),
        "taper": Choice((1.0, 0.5)),
        "batch_size": Choice((128, 512)),
        "batch_norm": Choice((True, False)),
        "dropout": Uniform(0.25, 0.6),
        "optimizer": Choice(("adamw",)),
        "learning_rate": Uniform(4e-4, 1e-2, log=True),
        "weight_decay": Uniform(1e-3, 0.3, log=True),
        "schedule": Choice(("one_cycle",)),
        "label_smoothing": Uniform(0.0, 0.1),
        "encoding": Choice(("piecewise_linear",)),
        "ema_decay": Choice((0.99,)),
    },
)
"""Two wide layers on piecewise-linear bins (Gorishniy et al. 2022), AdamW and a one-cycle: 8 shapes, so that stacks
form. Dropout above .6 and more label smoothing lost accuracy and log loss on the validation rows of split seed 1."""
STRONG_TRIALS = 48
"""Configurations of a search of `STRONG` that says nothing else."""
