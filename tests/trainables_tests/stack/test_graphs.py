"""A chunk's steps recorded once and replayed: what they do may not depend on anything but the tensors they are given.

Without a GPU the recording is one of ``make_fx``, which writes down the operations just as a CUDA graph does: Python
numbers are frozen at what they were, and a value read back from a tensor cannot be recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from unittest import mock
from unittest.mock import Mock

import pytest
import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from data.errors import InputError
from spaces import Configuration
from tests.support.made_up import SEED, curve, initial, key_name, paper_stacks, same_state, training_data
from trainables import training
from trainables.stack.batches import TrainingData
from trainables.stack.engines import BatchedEngine
from trainables.stack.graphs import GraphedEngine, Record, Work
from trainables.training import SegmentResult, train_segment

ROWS = 3 * 16 * 32 + 77
"""Three whole chunks of the larger batch size, one to warm up and two to replay, and a last one that is not whole."""

WIDE = tuple(
    Configuration(
        hidden_layers=(64, 32), batch_norm=True, activation="tanh", batch_size=32, dropout=0.2, optimizer=optimizer,
        learning_rate=1e-2, clip_norm=clip, momentum=momentum, weight_decay=1e-3, label_smoothing=smoothing,
        schedule="one_cycle", schedule_epochs=3,
    )
    for optimizer, clip, momentum, smoothing in
    [("adam", 1.0, 0.0, 0.0), ("adamw", None, 0.0, 0.1), ("sgd", None, 0.9, 0.0), ("sgd", 0.5, 0.0, 0.2)]
)  # fmt: skip
"""All that sets a step apart from the one before it: schedules, corrections, momentum, decay, clipping, smoothing."""

AVERAGED = tuple(replace(member, ema_decay=decay) for member, decay in zip(WIDE, (0.9, 0.95, 0.99, 0.5), strict=True))

STACKS = {"wide": WIDE, "averaged": AVERAGED} | {key_name(key): members for key, members in paper_stacks().items()}


def recorded_on_cpu(work: Work, example: Sequence[Tensor]) -> Work:
    """The operations of ``work``, as ``torch.fx`` writes them down; what tracing them did is undone."""
    held = [tensor for cell in work.__closure__ or () for tensor in _tensors(cell.cell_contents)]
    before = [tensor.clone() for tensor in held]
    graph = make_fx(work)(*example)
    for tensor, value in zip(held, before, strict=True):
        tensor.copy_(value)
    return graph


def recording(record: Record) -> type[GraphedEngine]:
    """The engine with another way to record."""
    return type("Recording", (GraphedEngine,), {"record": staticmethod(record)})


def _tensors(owner: object) -> list[Tensor]:
    if not isinstance(owner, GraphedEngine):
        return []
    networks, runs = owner._networks, [run for _, run in owner._optimiser._runs]
    moments = [tensor for run in runs for tensor in (run._momentum, run._variance)]
    averages = [owner._state.average_parameters, owner._state.average_statistics]
    return [networks.parameters_KP, networks.statistics_KR, *moments, *(a for a in averages if a is not None)]


def trained(engine: object, members: Sequence[Configuration], device: str = "cpu", frozen: int = 0) -> SegmentResult:
    data = training_data(ROWS)
    state = initial(members[0], data, len(members))
    if device != "cpu":
        sides = (data.train.x, data.train.y, data.val.x, data.val.y)
        data = type(data).of(*(side.numpy() for side in sides), data.classes, device=device)
        state = state.to(device)
    with mock.patch.object(training, "CompiledEngine", engine), mock.patch.object(training, "GraphedEngine", engine):
        return train_segment(
            members, state, data, seed=SEED, first_epoch=1, last_epoch=3, frozen=[frozen] * len(members)
        )


@pytest.mark.parametrize(
    ("name", "frozen"),
    [
        ("wide", 0),
        ("averaged", 0),
        ("64-32-b16", 100),
        *[
            pytest.param(name, frozen, marks=pytest.mark.slow)
            for name, frozen in (("wide", 100), ("64-32-b16", 0), ("128-16-bn-b32", 0), ("128-16-bn-b32", 100))
        ],
    ],
)
def test_replayed_steps_are_those_written(name: str, frozen: int) -> None:
    members = STACKS[name]
    written = trained(BatchedEngine, members, frozen=frozen)
    replayed = trained(recording(recorded_on_cpu), members, frozen=frozen)
    assert [curve(member) for member in replayed.members] == [curve(member) for member in written.members]
    assert all(same_state(written.state, row, replayed.state, row) for row in range(len(members)))


def test_whole_chunks_are_recorded_once_and_replayed() -> None:
    recordings: list[int] = []
    replays: list[int] = []

    def record(work: Work, example: Sequence[Tensor]) -> Work:
        recordings.append(len(example[0]))
        return lambda *given: replays.append(len(given[0])) or work(*given)  # type: ignore[func-returns-value]

    trained(recording(record), WIDE)
    assert recordings == [16 * 32]
    assert replays == [16 * 32] * (3 * (ROWS // (16 * 32)) - 1)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
def test_a_gpu_that_pytorch_does_not_find_is_said_to_be_missing() -> None:
    with pytest.raises(InputError, match="finds no GPU"):
        TrainingData.of_features(Mock(), "cuda")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
class TestOnAGPU:
    @pytest.mark.parametrize("name", STACKS)
    def test_the_graph_does_what_the_steps_do(self, name: str) -> None:
        written, replayed = (trained(engine, STACKS[name], "cuda") for engine in (BatchedEngine, GraphedEngine))
        assert [curve(member) for member in replayed.members] == [curve(member) for member in written.members]

    @pytest.mark.parametrize("name", STACKS)
    def test_a_member_learns_alone_about_what_it_learns_in_company(self, name: str) -> None:
        """Libraries of a GPU choose their ways by the number of members, and with it the rounding of sums."""
        together = trained(GraphedEngine, STACKS[name], "cuda")
        for row in (0, len(STACKS[name]) - 1):
            alone = trained(GraphedEngine, STACKS[name][row : row + 1], "cuda").members[0].epochs[0]
            assert alone.train_loss == pytest.approx(together.members[row].epochs[0].train_loss, rel=1e-3)
