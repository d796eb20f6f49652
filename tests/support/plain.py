"""The reference: one ordinary network, autograd, ``torch.optim``, ``clip_grad_norm_``."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from spaces import Configuration
from trainables.mlp import Architecture, GenreMLP
from trainables.stack.batches import Batch, TrainingData, batch_count, epoch_chunks

_HUGE = 2.0**100


@dataclass
class PlainRun:
    network: GenreMLP
    train_losses: list[float] = field(default_factory=list)
    val_losses: list[float] = field(default_factory=list)
    val_accuracies: list[float] = field(default_factory=list)
    gradient_norms: list[float] = field(default_factory=list)
    average: AveragedModel | None = None
    """PyTorch's own moving average of the weights, where the configuration has one."""

    @property
    def judged(self) -> nn.Module:
        return self.network if self.average is None else self.average.module


def train_plain(configuration: Configuration, data: TrainingData, *, seed: int, epochs: int) -> PlainRun:
    """Train one configuration as any tutorial would, on the product's batches and dropout noise."""
    architecture = Architecture.of(configuration, data.train.x.shape[1], data.classes)
    run = PlainRun(GenreMLP.build(architecture, seed).to(data.train.x.dtype))
    run.average = _average(configuration, run.network)
    optimiser = _optimiser(configuration, run.network)
    steps = configuration.schedule_epochs * batch_count(len(data.train), configuration.batch_size)
    schedule = _schedule(configuration, optimiser, steps)
    changes = steps - (configuration.schedule == "one_cycle")  # that one cannot be stepped once more
    for epoch in range(1, epochs + 1):
        run.network.train()
        losses, rows = 0.0, 0
        for chunk in epoch_chunks(data.train, seed, epoch, configuration.batch_size, configuration.hidden_layers):
            for batch, labels in zip(chunk.batches(), chunk.y.split(configuration.batch_size), strict=True):
                losses += _step(run, configuration, optimiser, batch, labels) * len(labels)
                rows += len(labels)
                if schedule is not None and len(run.gradient_norms) <= changes:
                    schedule.step()
        run.train_losses.append(losses / rows)
        _validate(run, data)
    return run


def _average(configuration: Configuration, network: GenreMLP) -> AveragedModel | None:
    if configuration.ema_decay == 0:
        return None

    def moved(average: Tensor, newest: Tensor, updates: int | Tensor) -> Tensor:
        """As TensorFlow's average, whose decay is lower at first."""
        return average + (newest - average) * max(1 - configuration.ema_decay, 9 / (10 + int(updates)))

    average = AveragedModel(network, avg_fn=moved, use_buffers=True)
    average.update_parameters(network)  # the initial weights, which count for one
    return average


def _optimiser(configuration: Configuration, network: nn.Module) -> torch.optim.Optimizer:
    families = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
    inertia = {"momentum": configuration.momentum} if configuration.optimizer == "sgd" else {}
    return families[configuration.optimizer](
        network.parameters(), lr=configuration.learning_rate, weight_decay=configuration.weight_decay, **inertia
    )


def _schedule(
    configuration: Configuration, optimiser: torch.optim.Optimizer, steps: int
) -> torch.optim.lr_scheduler.LRScheduler | None:
    if configuration.schedule == "cosine":
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    if configuration.schedule == "one_cycle":
        rate = configuration.learning_rate
        return torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, cycle_momentum=False)
    return None


def _step(
    run: PlainRun,
    configuration: Configuration,
    optimiser: torch.optim.Optimizer,
    batch: Batch,
    labels: Tensor,
) -> float:
    optimiser.zero_grad()
    scores = _forward(run.network, configuration.dropout, batch)
    loss = nn.functional.cross_entropy(scores, labels, label_smoothing=configuration.label_smoothing)
    loss.backward()
    limit = configuration.clip_norm if configuration.clip_norm is not None else float("inf")
    run.gradient_norms.append(float(nn.utils.clip_grad_norm_(run.network.parameters(), limit)))
    optimiser.step()
    if run.average is not None:
        run.average.update_parameters(run.network)
    return float(loss.detach())


def _forward(network: GenreMLP, dropout: float, batch: Batch) -> Tensor:
    """The network's own modules, with the mask of the batch's noise in the place of ``nn.Dropout``."""
    x = batch.x
    for layer, noise in zip(network.hidden, batch.noise, strict=True):
        for module in layer:
            if isinstance(module, nn.Dropout):
                x = x * (noise[:, : x.shape[1]] / _HUGE > dropout) / (1.0 - dropout)
            else:
                x = module(x)
    return network.output(x)


@torch.no_grad()
def _validate(run: PlainRun, data: TrainingData) -> None:
    network = run.judged.eval()
    scores = network(data.val.x)
    run.val_losses.append(float(nn.functional.cross_entropy(scores, data.val.y)))
    run.val_accuracies.append(float((scores.argmax(1) == data.val.y).double().mean()))
