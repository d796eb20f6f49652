"""Fusion and transfer (paper 4.4, 4.5): networks trained outside the sweep, from scratch or from other weights."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from data.inputs.features import Features
from spaces import Configuration
from trainables.mlp import Architecture, GenreMLP
from trainables.scoring import score_best
from trainables.segment_protocol import EpochMetrics
from trainables.stack.batches import TrainingData
from trainables.stack.stacked_mlp import Layout, unpack
from trainables.stack.state import StackState
from trainables.training import result_of, segment_by_epochs


@dataclass(frozen=True)
class Copied:
    """Tensors that a warm start took from its source, by the names of ``GenreMLP.state_dict``."""

    tensors: tuple[str, ...]
    """Tensors copied whole."""
    inputs: tuple[str, ...]
    """Inputs whose column of the first layer was copied."""
    fresh: tuple[str, ...]
    """Tensors left as initialised, including the first layer where some of its columns are fresh."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One network of a stage: its name, hyperparameters, initial weights (``None``: from the seed alone)."""

    name: str
    configuration: Configuration
    initial: Mapping[str, Tensor] | None = None
    frozen: bool = False
    """Train the output layer alone; running statistics of batch normalisation still follow the new rows."""


@dataclass(frozen=True, kw_only=True)
class VariantResult:
    """A variant's learning curve, and the weights and scores of its best epoch."""

    name: str
    seed: int
    epochs: tuple[EpochMetrics, ...]
    best_epoch: int
    state: Mapping[str, Tensor]
    """``GenreMLP.state_dict`` of the best epoch."""
    holdout: Mapping[str, float] | None
    """Scores of the best epoch's weights on held-out rows, by the names of the metrics; ``None`` without any."""


def warm_start(
    architecture: Architecture,
    inputs: Sequence[str],
    source: Mapping[str, Tensor],
    source_inputs: Sequence[str],
    seed: int,
    *,
    fresh_output: bool,
) -> tuple[dict[str, Tensor], Copied]:
    """Return initial weights with everything that fits copied from ``source`` (paper 4.5).

    Columns of the first layer are matched by the name of their input, every other tensor by its name and shape; the
    output layer stays fresh with ``fresh_output``. Everything else is drawn from ``seed``.
    """
    fresh = GenreMLP.build(architecture, seed).state_dict()
    state = {name: tensor.clone() for name, tensor in fresh.items()}
    first = "hidden.0.0.weight"
    copied = []
    for name, tensor in state.items():
        wanted = name != first and not (fresh_output and name.startswith("output."))
        if wanted and name in source and source[name].shape == tensor.shape:
            state[name] = source[name].clone()
            copied.append(name)
    shared = _copy_columns(state[first], inputs, source[first], source_inputs)
    if len(shared) == len(inputs):
        copied.append(first)
    return state, Copied(tuple(copied), shared, tuple(name for name in state if name not in copied))


def _copy_columns(
    weight_OI: Tensor, inputs: Sequence[str], source_OI: Tensor, source_inputs: Sequence[str]
) -> tuple[str, ...]:
    if len(weight_OI) != len(source_OI):
        return ()
    places = {name: place for place, name in enumerate(source_inputs)}
    shared = tuple(name for name in inputs if name in places)
    for column, name in enumerate(inputs):
        if name in places:
            weight_OI[:, column] = source_OI[:, places[name]]
    return shared


def train_variants(
    variants: Sequence[Variant], features: Features, *, seed: int, epochs: int, device: str = "cpu"
) -> list[VariantResult]:
    """Train variants of one shape as a stack, on the same batches and noise, and return results in the order given."""
    return result_of(variants_by_epochs(variants, features, seed=seed, epochs=epochs, device=device))


def variants_by_epochs(
    variants: Sequence[Variant], features: Features, *, seed: int, epochs: int, device: str = "cpu"
) -> Generator[int, None, list[VariantResult]]:
    """Yield each epoch once all variants have trained it, and return the results; see ``train_variants``."""
    torch.set_num_threads(1)
    configurations = [variant.configuration for variant in variants]
    architecture = Architecture.of(configurations[0], len(features.names), len(features.genres))
    data = TrainingData.of_features(features, device)
    networks = [_network(variant, architecture, seed) for variant in variants]
    trained = yield from segment_by_epochs(
        configurations,
        StackState.fresh(networks, averaged=configurations[0].ema_decay > 0).to(device),
        data,
        seed=seed,
        first_epoch=1,
        last_epoch=epochs,
        frozen=[_frozen(architecture) if variant.frozen else 0 for variant in variants],
    )
    state = trained.state.to("cpu")
    holdout = score_best(state, architecture, features.x_holdout, features.y_holdout)
    return [
        VariantResult(
            name=variant.name,
            seed=seed,
            epochs=member.epochs,
            best_epoch=int(state.best_epoch[k]),
            state=unpack(architecture, state.best_parameters[k], state.best_statistics[k]),
            holdout=holdout[k] if holdout else None,
        )
        for k, (variant, member) in enumerate(zip(variants, trained.members, strict=True))
    ]


def simple_network() -> Configuration:
    """Return the configuration of the paper's simple network (4.2, Table 3)."""
    return Configuration(
        hidden_layers=(64, 32, 16),
        batch_norm=True,
        dropout=0.5,
        learning_rate=1e-3,
        batch_size=32,
        optimizer="adam",
        clip_norm=1.0,
        weight_decay=1e-4,
    )


def for_stage(configuration: Configuration, patience: int | None, epochs: int) -> Configuration:
    """Return the promoted hyperparameters with a stage's own length, and a patience where the user asks for one.

    A learning-rate schedule spans the whole stage.
    """
    stage = replace(configuration, patience=patience, epochs=None)
    return stage if stage.schedule == "constant" else replace(stage, schedule_epochs=epochs)


def _network(variant: Variant, architecture: Architecture, seed: int) -> GenreMLP:
    network = GenreMLP.build(architecture, seed)
    if variant.initial is not None:
        network.load_state_dict(dict(variant.initial))
    return network


def _frozen(architecture: Architecture) -> int:
    """Return the number of parameters before the output layer in a member's row."""
    return next(slot.start for slot in Layout.of(architecture).parameters if slot.name == "output.weight")
