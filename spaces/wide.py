"""A space wider than the paper's: depth, width, optimiser, schedule, regularisation and input encoding."""

from __future__ import annotations

from spaces.hyperparameters import ACTIVATIONS, ENCODINGS, OPTIMIZERS, SCHEDULES
from spaces.parameters import Choice, Uniform
from spaces.space import SearchSpace

WIDE = SearchSpace(
    "wide",
    {
        "depth": Choice((1, 2, 3)),
        "width": Choice((64, 128, 256, 512)),
        "taper": Choice((1.0, 0.5)),
        "batch_size": Choice((32, 128, 512)),
        "batch_norm": Choice((True, False)),
        "activation": Choice(ACTIVATIONS),
        "dropout": Uniform(0.0, 0.8),
        "optimizer": Choice(OPTIMIZERS),
        "momentum": Uniform(0.0, 0.99),
        "learning_rate": Uniform(1e-5, 1e-1, log=True),
        "schedule": Choice(SCHEDULES),
        "weight_decay": Uniform(1e-6, 1e-1, log=True),
        "clip_norm": Choice((None, 0.5, 1.5, 5.0)),
        "label_smoothing": Uniform(0.0, 0.2),
        "encoding": Choice(ENCODINGS),
    },
    conditions={"taper": {"depth": (2, 3)}, "momentum": {"optimizer": ("sgd",)}},
)
"""60 shapes of network and batch, so that stacks still form; everything else varies freely within them."""
