"""The reference: what anyone would write with Ray Tune. One trial per configuration, one ordinary network each.

Autograd, ``torch.optim``, ``clip_grad_norm_`` and Tune's own schedulers; only the order of the batches and the dropout
noise are taken from genresweep, for without the same draws no two curves could be compared.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from ray import cloudpickle, tune
from ray.tune.logger import JsonLoggerCallback
from torch import Tensor, nn

from data.inputs.features import Features
from spaces import Configuration
from trainables.mlp import GenreMLP
from trainables.stack.batches import Batch, TrainingData, epoch_chunks

OPTIMIZERS = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}
NOISE_SCALE = 2.0**100

# Workers see the five packages and nothing of the tests.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


def run(
    configurations: Sequence[Configuration],
    features: Features,
    *,
    seed: int,
    epochs: int,
    folder: Path,
    scheduler: Any = None,
    at_once: int = 0,
) -> pd.DataFrame:
    """Curves of all configurations: ``config_id``, ``epoch``, ``train_loss``, ``val_loss``, ``val_accuracy``."""
    shared = tune.with_parameters(train, features=features, seed=seed, epochs=epochs)
    tuner = tune.Tuner(
        tune.with_resources(shared, {"cpu": 1}),
        param_space={"configuration": tune.grid_search([c.to_json() for c in configurations])},
        tune_config=tune.TuneConfig(
            metric="val_accuracy",
            mode="max",
            scheduler=scheduler,
            max_concurrent_trials=at_once,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(storage_path=str(folder), verbose=0, callbacks=[JsonLoggerCallback()]),
    )
    return pd.concat([_curve(result) for result in tuner.fit()], ignore_index=True)


def _curve(result: Any) -> pd.DataFrame:
    frame = result.metrics_dataframe[["training_iteration", "train_loss", "val_loss", "val_accuracy"]]
    config_id = Configuration.from_json(result.config["configuration"]).config_id
    return frame.rename(columns={"training_iteration": "epoch"}).assign(config_id=config_id)


def train(config: dict[str, Any], features: Features, seed: int, epochs: int) -> None:
    """The function trainable: reports once an epoch."""
    torch.set_num_threads(1)
    c = Configuration.from_json(config["configuration"])
    f = features
    data = TrainingData.of(f.x_train, f.y_train, f.x_val, f.y_val, len(f.genres))
    torch.manual_seed(seed)
    network = GenreMLP(len(f.names), c.hidden_layers, len(f.genres), batch_norm=c.batch_norm, dropout=c.dropout)
    optimizer = OPTIMIZERS[c.optimizer](network.parameters(), lr=c.learning_rate)
    for epoch in range(1, epochs + 1):
        train_loss = train_epoch(network, optimizer, c, data, seed, epoch)
        tune.report({"train_loss": train_loss, **validate(network, data)})


def train_epoch(
    network: GenreMLP,
    optimizer: torch.optim.Optimizer,
    c: Configuration,
    data: TrainingData,
    seed: int,
    epoch: int,
) -> float:
    network.train()
    total, rows = 0.0, 0
    for chunk in epoch_chunks(data.train, seed, epoch, c.batch_size, c.hidden_layers):
        for batch, y in zip(chunk.batches(), chunk.y.split(c.batch_size), strict=True):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(forward(network, batch, c.dropout), y)
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), c.clip_norm)
            optimizer.step()
            total, rows = total + loss.item() * len(y), rows + len(y)
    return total / rows


def forward(network: GenreMLP, batch: Batch, dropout: float) -> Tensor:
    """The network's own modules, but for ``nn.Dropout``, which would draw masks of its own."""
    x = batch.x
    for layer, noise in zip(network.hidden, batch.noise, strict=True):
        for module in layer:
            kept = noise[:, : x.shape[1]] / NOISE_SCALE > dropout
            x = x * kept / (1 - dropout) if isinstance(module, nn.Dropout) else module(x)
    return network.output(x)


@torch.no_grad()
def validate(network: GenreMLP, data: TrainingData) -> dict[str, float]:
    network.eval()
    logits = network(data.val.x)
    return {
        "val_loss": nn.functional.cross_entropy(logits, data.val.y).item(),
        "val_accuracy": (logits.argmax(1) == data.val.y).double().mean().item(),
    }
