"""The grid under Ray Tune as its documentation shows it: what genresweep is compared with, and none of it is used here.

Function trainable, ``DataLoader``, a report with a checkpoint every epoch: Ray's PyTorch tutorial with this network in
the place of its own. In its favour: arrays that are ready to train on, no worker processes for the loader, no precision
and recall.

    python -m tests.benchmarks.tune_idiomatic arrays.npz configurations.json --epochs 20 [--asha]
"""

import os
import tempfile
from typing import Any

import numpy as np
import ray
import torch
from ray import tune
from ray.tune import Checkpoint
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from tests.benchmarks.tune_common import Clock, options, print_result, tuner_settings


class Network(nn.Module):
    """The paper's network."""

    def __init__(self, inputs: int, config: dict[str, Any], classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in config["hidden_layers"]:
            layers.append(nn.Linear(inputs, width))
            if config["batch_norm"]:
                layers.append(nn.BatchNorm1d(width))
            layers += [nn.ReLU(), nn.Dropout(config["dropout"])]
            inputs = width
        self.layers = nn.Sequential(*layers, nn.Linear(inputs, classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


def train(config: dict[str, Any], data: dict[str, np.ndarray], epochs: int) -> None:
    """One configuration, from start to end or from its newest checkpoint."""
    training = TensorDataset(torch.tensor(data["x_train"]), torch.tensor(data["y_train"]))
    validation = TensorDataset(torch.tensor(data["x_val"]), torch.tensor(data["y_val"]))
    network = Network(data["x_train"].shape[1], config, int(data["y_train"].max()) + 1)
    families = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}
    optimizer = families[config["optimizer"]](network.parameters(), lr=config["learning_rate"])
    criterion = nn.CrossEntropyLoss()
    first = 0
    if checkpoint := tune.get_checkpoint():
        with checkpoint.as_directory() as folder:
            state = torch.load(os.path.join(folder, "checkpoint.pt"))
        first = state["epoch"] + 1
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
    training_loader = DataLoader(training, batch_size=config["batch_size"], shuffle=True)
    validation_loader = DataLoader(validation, batch_size=512)
    for epoch in range(first, epochs):
        network.train()
        for x, y in training_loader:
            optimizer.zero_grad()
            loss = criterion(network(x), y)
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), config["clip_norm"])
            optimizer.step()
        metrics = validate(network, validation_loader, criterion)
        with tempfile.TemporaryDirectory() as folder:
            state = {"epoch": epoch, "network": network.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save(state, os.path.join(folder, "checkpoint.pt"))
            tune.report(metrics, checkpoint=Checkpoint.from_directory(folder))


def validate(network: nn.Module, loader: DataLoader, criterion: nn.Module) -> dict[str, float]:
    """Loss and accuracy on the validation rows."""
    network.eval()
    loss, right, rows = 0.0, 0, 0
    with torch.no_grad():
        for x, y in loader:
            logits = network(x)
            loss += criterion(logits, y).item() * len(y)
            right += (logits.argmax(1) == y).sum().item()
            rows += len(y)
    return {"val_loss": loss / rows, "val_accuracy": right / rows}


def main() -> None:
    clock = Clock()
    asked = options(__doc__)
    ray.init(address="local", num_cpus=asked.cpus)
    trainable = tune.with_parameters(train, data=dict(np.load(asked.arrays)), epochs=asked.epochs)
    with tempfile.TemporaryDirectory() as folder:
        tuner = tune.Tuner(
            tune.with_resources(trainable, {"cpu": 1}),
            **tuner_settings(asked),
            run_config=tune.RunConfig(storage_path=folder, callbacks=[clock]),
        )
        clock.fitting()
        print_result(tuner.fit(), clock)


if __name__ == "__main__":
    main()
