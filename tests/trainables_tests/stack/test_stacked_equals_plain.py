"""A stack equals ordinary networks, autograd and ``torch.optim`` to 1e-10 after 50 steps in float64."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch

from spaces import Configuration
from tests.support.made_up import ENGINES, SEED, same_state, train, training_data
from tests.support.plain import PlainRun, train_plain
from trainables.mlp import Architecture
from trainables.stack.stacked_mlp import unpack
from trainables.training import SegmentResult

_SHAPES = (
    ((64, 32), "relu", 16),
    ((16, 16, 16), "relu", 32),
    ((128, 16), "relu", 16),
    ((13, 7), "relu", 16),
    ((20, 5), "tanh", 32),
)
_DROPOUTS = (0.3, 0.7, 0.0)
_RATES = (1e-3, 1e-2, 3e-2)
_EPOCHS = 4


def _members(hidden: tuple[int, ...], activation: str, batch_size: int, batch_norm: bool) -> list[Configuration]:
    """Every optimiser with every clipping, among them different rates, dropouts and penalties."""
    settings = itertools.product(("adam", "adamw", "sgd"), (None, 0.5, 1.5))
    return [
        Configuration(
            hidden_layers=hidden,
            activation=activation,
            batch_size=batch_size,
            batch_norm=batch_norm,
            optimizer=optimizer,
            clip_norm=clip_norm,
            dropout=_DROPOUTS[(place + place // 3) % 3],
            learning_rate=_RATES[place % 3],
            weight_decay=0.02 * (place % 2),
        )
        for place, (optimizer, clip_norm) in enumerate(settings)
    ]


@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "bn"])
@pytest.mark.parametrize("shape", _SHAPES, ids=lambda s: f"{'-'.join(map(str, s[0]))}-{s[1]}")
def test_every_setting_after_fifty_steps(shape: tuple, batch_norm: bool) -> None:
    hidden, activation, batch_size = shape
    members = _members(hidden, activation, batch_size, batch_norm)
    # Twelve whole batches and a tail of 9 rows: 52 steps.
    data = training_data(12 * batch_size + 9, dtype=torch.float64)
    results = {engine: train(members, data, _EPOCHS, engine=engine) for engine in ENGINES}
    clipped = set()
    for row, configuration in enumerate(members):
        run = train_plain(configuration, data, seed=SEED, epochs=_EPOCHS)
        assert len(run.gradient_norms) == 52
        if configuration.clip_norm is not None and max(run.gradient_norms) > configuration.clip_norm:
            clipped.add(configuration.clip_norm)
        for engine, result in results.items():
            _assert_equal(result, row, run, f"{engine}: {configuration}")
    assert clipped == {0.5, 1.5}, "some limit was never reached: the test shows nothing of it"


def _beyond_the_paper() -> list[Configuration]:
    """Momentum, label smoothing and schedules, shorter and longer than the training, among members without."""
    plain = Configuration(hidden_layers=(24, 13), batch_norm=True, batch_size=16, dropout=0.2, learning_rate=1e-2)
    return [
        replace(plain, optimizer="adam", label_smoothing=0.1),
        replace(plain, optimizer="adamw", weight_decay=0.02, schedule="one_cycle", schedule_epochs=3),
        replace(plain, optimizer="adamw", schedule="cosine", schedule_epochs=3, label_smoothing=0.2),
        replace(plain, optimizer="sgd", momentum=0.9, schedule="one_cycle"),
        replace(plain, optimizer="sgd", momentum=0.5, clip_norm=0.5),
        replace(plain, optimizer="sgd", schedule="cosine", schedule_epochs=1, weight_decay=0.02),
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_settings_beyond_the_papers(engine: str) -> None:
    members = _beyond_the_paper()
    data = training_data(12 * 16 + 9, dtype=torch.float64)
    result = train(members, data, _EPOCHS, engine=engine)
    for row, configuration in enumerate(members):
        run = train_plain(configuration, data, seed=SEED, epochs=_EPOCHS)
        _assert_equal(result, row, run, f"{engine}: {configuration}")
        alone = train([configuration], data, _EPOCHS, engine=engine)
        assert same_state(result.state, row, alone.state, 0), configuration


def _averaged() -> list[Configuration]:
    """Each optimiser, schedule and clipping beside an average of the weights, short and long."""
    decays = (0.99, 0.9, 0.999, 0.5, 0.95, 0.8)
    return [replace(member, ema_decay=decay) for member, decay in zip(_beyond_the_paper(), decays, strict=True)]


@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "bn"])
@pytest.mark.parametrize("engine", ENGINES)
def test_an_average_of_the_weights_is_pytorchs(engine: str, batch_norm: bool) -> None:
    members = [replace(member, batch_norm=batch_norm) for member in _averaged()]
    data = training_data(12 * 16 + 9, dtype=torch.float64)
    result = train(members, data, _EPOCHS, engine=engine)
    for row, configuration in enumerate(members):
        run = train_plain(configuration, data, seed=SEED, epochs=_EPOCHS)
        _assert_equal(result, row, run, f"{engine}: {configuration}")
        judged = unpack(run.network.architecture, *(rows[row] for rows in result.state.judged))
        for name, tensor in run.judged.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                assert (judged[name] - tensor).abs().max() < 1e-10, f"{name} of {configuration}"
        alone = train([configuration], data, _EPOCHS, engine=engine)
        assert same_state(result.state, row, alone.state, 0), configuration


def _assert_equal(result: SegmentResult, row: int, run: PlainRun, what: str) -> None:
    found = [(e.train_loss, e.val_loss, e.val_accuracy) for e in result.members[row].epochs]
    expected = list(zip(run.train_losses, run.val_losses, run.val_accuracies, strict=True))
    assert found == [pytest.approx(e, rel=1e-10, abs=1e-10) for e in expected], what
    state = unpack(run.network.architecture, result.state.parameters[row], result.state.statistics[row])
    for name, tensor in run.network.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            assert (state[name] - tensor).abs().max() < 1e-10, f"{name} of {what}"


@pytest.mark.parametrize("engine", ENGINES)
def test_padding_stays_zero(engine: str) -> None:
    """Columns beyond a layer's width must not wake up, whatever trains them."""
    members = _members((13, 7), "tanh", 16, True)
    data = training_data(100, dtype=torch.float64)
    state = train(members, data, 3, engine=engine).state
    architecture = Architecture.of(members[0], 14, data.classes)
    for row in range(len(members)):
        filled = sum(
            tensor.ne(0).sum().item()
            for name, tensor in unpack(architecture, state.parameters[row], state.statistics[row]).items()
            if "running" not in name
        )
        assert filled == state.parameters[row].ne(0).sum().item()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_last_batch_of_one_row_is_dropped(engine: str) -> None:
    configuration = Configuration(hidden_layers=(16,), batch_norm=True, batch_size=16)
    data = training_data(16 * 3 + 1, dtype=torch.float64)
    run = train_plain(configuration, data, seed=SEED, epochs=2)
    member = train([configuration], data, 2, engine=engine).members[0]
    assert len(run.gradient_norms) == 6
    assert [e.val_loss for e in member.epochs] == pytest.approx(run.val_losses, rel=1e-10)
