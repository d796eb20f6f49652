"""Early stopping, divergence and the best epoch, as laws over what the curves say."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spaces import Configuration
from tests.support.made_up import curve, same_state, train, training_data
from trainables.checkpoint import MemberSource, read_members, write_segment
from trainables.mlp import Architecture, GenreMLP
from trainables.segment_protocol import Ending
from trainables.stack.engines import CompiledEngine
from trainables.stack.metrics import evaluate
from trainables.stack.stacked_mlp import StackedMLP, unpack
from trainables.training import SegmentResult

_RESTLESS = Configuration(hidden_layers=(32,), dropout=0.0, learning_rate=0.03, batch_size=16)
"""Overfits within a few epochs."""
_EPOCHS = 12


def _stop_epoch(losses: list[float], patience: int) -> int | None:
    """First epoch with ``patience`` epochs, itself included, since the last strictly lower loss."""
    for epoch in range(1, len(losses) + 1):
        lowest = min(range(epoch), key=lambda e: losses[e])
        if epoch - 1 - lowest >= patience:
            return epoch
    return None


@pytest.mark.parametrize("patience", [1, 2, 3, 5])
def test_patience_cuts_the_curve_where_the_law_says(patience: int) -> None:
    data = training_data(200)
    free = train([_RESTLESS], data, _EPOCHS).members[0]
    stop = _stop_epoch([e.val_loss for e in free.epochs], patience)
    assert stop is not None
    assert stop < _EPOCHS
    result = train([replace(_RESTLESS, patience=patience)], data, _EPOCHS)
    assert result.members[0].ending == Ending.EARLY_STOPPED
    assert curve(result.members[0]) == curve(free)[:stop]


def test_patience_is_counted_across_segments(tmp_path: Path) -> None:
    data, patient = training_data(200), replace(_RESTLESS, patience=3)
    whole = train([patient], data, _EPOCHS)
    last = len(whole.members[0].epochs)
    first = train([patient], data, last - 1)
    assert first.members[0].ending is None
    sha256 = write_segment(tmp_path / "first", [first.state], [patient.config_id], last - 1)
    state = read_members([MemberSource(str(tmp_path / "first"), sha256, 0)])
    second = train([patient], data, _EPOCHS, first_epoch=last, state=state)
    assert second.members[0].ending == Ending.EARLY_STOPPED
    assert curve(first.members[0]) + curve(second.members[0]) == curve(whole.members[0])
    assert same_state(second.state, 0, whole.state, 0)


def _scripted(losses: list[float], accuracies: list[float], patience: int | None) -> SegmentResult:
    """Training whose validation says what the script says."""
    script = iter(zip(losses, accuracies, strict=True))

    def scores(*_: object) -> dict[str, torch.Tensor]:
        loss, accuracy = next(script)
        names = ("val_accuracy", "val_precision", "val_recall", "val_f1")
        row = {
            name: torch.tensor([accuracy if math.isfinite(loss) else math.nan], dtype=torch.float64) for name in names
        }
        return {"val_loss": torch.tensor([loss], dtype=torch.float64), **row}

    configuration = replace(_RESTLESS, hidden_layers=(8,), patience=patience)
    with mock.patch.object(CompiledEngine, "evaluate", scores):
        return train([configuration], training_data(16, 4), len(losses))


@given(
    script=st.lists(
        st.tuples(st.sampled_from([0.5, 0.6, 0.7, 0.8, math.nan, math.inf]), st.sampled_from([0.1, 0.2, 0.3])),
        min_size=1,
        max_size=12,
    ),
    patience=st.none() | st.integers(1, 4),
)
def test_any_validation_losses(script: list[tuple[float, float]], patience: int | None) -> None:
    losses, accuracies = ([pair[i] for pair in script] for i in (0, 1))
    result = _scripted(losses, accuracies, patience)
    broken = next((epoch for epoch, loss in enumerate(losses, 1) if not math.isfinite(loss)), None)
    numbers = losses[: broken - 1] if broken else losses
    stopped = _stop_epoch(numbers, patience) if patience else None
    member = result.members[0]
    assert member.ending == (Ending.EARLY_STOPPED if stopped else Ending.DIVERGED if broken else None)
    trained = stopped or broken or len(losses)
    assert [epoch.epoch for epoch in member.epochs] == list(range(1, trained + 1))
    scored = accuracies[: min(trained, len(numbers))]
    if scored:
        assert result.state.best_accuracy.item() == max(scored)
        assert result.state.best_epoch.item() == scored.index(max(scored)) + 1
    else:
        assert result.state.best_epoch.item() == 0
        assert result.state.best_accuracy.item() == -math.inf


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_diverging_member_ends_alone(batch_norm: bool, optimizer: str) -> None:
    data, calm = training_data(200), replace(_RESTLESS, batch_norm=batch_norm, dropout=0.3)
    wild = replace(calm, learning_rate=1e30, optimizer=optimizer, clip_norm=0.5)
    company = train([calm, wild, replace(calm, clip_norm=1.5)], data, 6)
    for row, configuration in ((0, calm), (2, replace(calm, clip_norm=1.5))):
        alone = train([configuration], data, 6)
        assert curve(company.members[row]) == curve(alone.members[0])
        assert same_state(company.state, row, alone.state, 0)
    diverged = company.members[1]
    assert diverged.ending == Ending.DIVERGED
    last = diverged.epochs[-1]
    assert not math.isfinite(last.val_loss)
    assert all(math.isnan(v) for v in (last.val_accuracy, last.val_precision, last.val_recall, last.val_f1))
    assert all(math.isfinite(epoch.val_loss) for epoch in diverged.epochs[:-1])


def test_all_members_may_leave_early() -> None:
    wild = replace(_RESTLESS, learning_rate=1e30)
    result = train([wild, replace(_RESTLESS, patience=1)], training_data(200), 50)
    assert [member.ending for member in result.members] == [Ending.DIVERGED, Ending.EARLY_STOPPED]
    assert len(result.state) == 2


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("ema_decay", [0.0, 0.5])
@torch.no_grad()
def test_the_best_epochs_weights_score_exactly_what_was_recorded(batch_norm: bool, ema_decay: float) -> None:
    data = training_data(200)
    members = [
        replace(_RESTLESS, batch_norm=batch_norm, learning_rate=rate, dropout=dropout, ema_decay=ema_decay)
        for rate, dropout in ((0.03, 0.0), (0.001, 0.3), (0.1, 0.3))
    ]
    result = train(members, data, _EPOCHS)
    architecture = Architecture.of(members[0], 14, data.classes)
    state = result.state
    again = evaluate(StackedMLP(architecture, state.best_parameters, state.best_statistics, torch.zeros(3)), data.val)
    assert torch.equal(again["val_accuracy"], state.best_accuracy)
    for row, member in enumerate(result.members):
        accuracies = [epoch.val_accuracy for epoch in member.epochs]
        assert state.best_accuracy[row].item() == max(accuracies)
        assert state.best_epoch[row].item() == accuracies.index(max(accuracies)) + 1
        network = GenreMLP.build(architecture, seed=9).eval()
        network.load_state_dict(unpack(architecture, state.best_parameters[row], state.best_statistics[row]))
        right = (network(data.val.x).argmax(1) == data.val.y).double().mean()
        assert right.item() == state.best_accuracy[row].item()
    assert any(state.best_epoch < _EPOCHS), "the last epoch was the best of all: the test shows nothing"


def test_members_that_train_apart_have_states_apart() -> None:
    """The best weights are a copy, not a view, of weights that go on training."""
    state = train([_RESTLESS], training_data(200), _EPOCHS).state
    assert not torch.equal(state.parameters, state.best_parameters)
