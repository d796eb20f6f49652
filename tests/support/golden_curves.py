"""Golden learning curves: two small networks on made-up rows, in float64.

A refactoring must keep them. Where a change of the arithmetic is meant, raise
``trainables.SEMANTICS_VERSION`` and write them anew::

    python -m tests.support.golden_curves
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from spaces import Configuration
from tests.support.made_up import train, training_data

GOLDEN_FILE = Path(__file__).with_name("golden.json")

_NETWORKS = {
    "batch norm, adam": Configuration(
        hidden_layers=(64, 32), batch_norm=True, dropout=0.3, learning_rate=1e-3, batch_size=16, clip_norm=0.5
    ),
    "no batch norm, sgd": Configuration(
        hidden_layers=(64, 32), dropout=0.3, learning_rate=0.2, batch_size=32, optimizer="sgd", clip_norm=1.5
    ),
}


def golden_curves() -> dict[str, Any]:
    """What the code of today gives: configuration and epochs of each network."""
    torch.set_num_threads(1)
    data = training_data(300, 100, dtype=torch.float64)
    return {
        name: {
            "configuration": json.loads(configuration.to_json()),
            "epochs": [
                {metric: value for metric, value in epoch.to_json().items() if metric != "seconds"}
                for epoch in train([configuration], data, 4).members[0].epochs
            ],
        }
        for name, configuration in _NETWORKS.items()
    }


if __name__ == "__main__":
    GOLDEN_FILE.write_text(json.dumps(golden_curves(), indent=1) + "\n", encoding="utf-8")
    print(f"wrote {GOLDEN_FILE}")
