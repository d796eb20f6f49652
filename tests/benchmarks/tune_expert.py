"""The same under Ray Tune as an expert would tune it: what genresweep's headline is compared with.

Class trainable in reused actors, tensors batched by index, fused optimisers, validation in one go, one checkpoint at
the end, and only one of Tune's loggers.

    python -m tests.benchmarks.tune_expert arrays.npz configurations.json --epochs 20 [--asha]
"""

import os
import tempfile
from typing import Any

import numpy as np
import ray
import torch
from ray import tune
from ray.tune.logger import JsonLoggerCallback
from torch import nn

from tests.benchmarks.tune_common import Clock, options, print_result, tuner_settings


def network_of(inputs: int, config: dict[str, Any], classes: int) -> nn.Sequential:
    """The paper's network."""
    layers: list[nn.Module] = []
    for width in config["hidden_layers"]:
        layers.append(nn.Linear(inputs, width, bias=not config["batch_norm"]))
        if config["batch_norm"]:
            layers.append(nn.BatchNorm1d(width))
        layers += [nn.ReLU(inplace=True), nn.Dropout(config["dropout"])]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, classes))


class Trainer(tune.Trainable):
    """One epoch a step."""

    def setup(self, config: dict[str, Any], data: dict[str, np.ndarray]) -> None:  # type: ignore[override]
        torch.set_num_threads(1)
        self.data = {name: torch.tensor(array) for name, array in data.items()}
        self.genres = int(self.data["y_train"].max()) + 1
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.network = network_of(self.data["x_train"].shape[1], new_config, self.genres)
        families = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}
        parameters = list(self.network.parameters())
        self.optimizer = families[new_config["optimizer"]](parameters, lr=new_config["learning_rate"], fused=True)
        self.parameters, self.clip, self.batch = parameters, new_config["clip_norm"], new_config["batch_size"]
        return True

    def step(self) -> dict[str, float]:
        x, y = self.data["x_train"], self.data["y_train"]
        self.network.train()
        for rows in torch.randperm(len(y)).split(self.batch):
            self.optimizer.zero_grad(set_to_none=True)
            nn.functional.cross_entropy(self.network(x[rows]), y[rows]).backward()
            nn.utils.clip_grad_norm_(self.parameters, self.clip, foreach=True)
            self.optimizer.step()
        self.network.eval()
        with torch.inference_mode():
            logits = self.network(self.data["x_val"])
            loss = nn.functional.cross_entropy(logits, self.data["y_val"]).item()
            accuracy = (logits.argmax(1) == self.data["y_val"]).double().mean().item()
        return {"val_loss": loss, "val_accuracy": accuracy}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        state = {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}
        torch.save(state, os.path.join(checkpoint_dir, "checkpoint.pt"))

    def load_checkpoint(self, checkpoint_dir: str) -> None:  # type: ignore[override]
        state = torch.load(os.path.join(checkpoint_dir, "checkpoint.pt"))
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])


def main() -> None:
    clock = Clock()
    asked = options(__doc__)
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    ray.init(address="local", num_cpus=asked.cpus, include_dashboard=False, log_to_driver=False)
    trainable = tune.with_parameters(Trainer, data=dict(np.load(asked.arrays)))
    settings = tuner_settings(asked)
    settings["tune_config"].reuse_actors = True
    with tempfile.TemporaryDirectory() as folder:
        tuner = tune.Tuner(
            tune.with_resources(trainable, {"cpu": 1}),
            **settings,
            run_config=tune.RunConfig(
                storage_path=folder,
                stop={"training_iteration": asked.epochs},
                verbose=0,
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=True),
                callbacks=[clock, JsonLoggerCallback()],
            ),
        )
        clock.fitting()
        print_result(tuner.fit(), clock)


if __name__ == "__main__":
    main()
