"""Made-up rows, the paper's stacks, and ways to compare what members did."""

from __future__ import annotations

import json
from collections.abc import Sequence
from unittest import mock

import numpy as np
import torch

from spaces import Configuration, load_space
from trainables import training
from trainables.mlp import Architecture
from trainables.segment_protocol import MemberResult
from trainables.stack.batches import TrainingData
from trainables.stack.engines import BatchedEngine, CompiledEngine
from trainables.stack.state import StackState
from trainables.training import SegmentResult, train_segment

ENGINES = {"compiled": CompiledEngine, "batched": BatchedEngine}
"""The CPU's way to train, and the GPU's, which these tests run on the CPU."""

GENRES = 5
SEED = 42

StackKey = tuple[tuple[int, ...], bool, int]


def arrays(rows: int, inputs: int = 14, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows around one centre per genre, too near to one another to be told apart by all means."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, GENRES, rows)
    centres = np.random.default_rng(7).normal(size=(GENRES, inputs))
    x = 0.7 * centres[labels] * np.sqrt(14 / inputs) + rng.normal(size=(rows, inputs))
    return np.ascontiguousarray(x, dtype=np.float32), labels.astype(np.int64)


def training_data(
    train_rows: int, val_rows: int = 130, inputs: int = 14, *, dtype: torch.dtype = torch.float32
) -> TrainingData:
    train, val = arrays(train_rows, inputs, seed=1), arrays(val_rows, inputs, seed=2)
    return TrainingData.of(*train, *val, GENRES, dtype=dtype)


def paper_stacks() -> dict[StackKey, tuple[Configuration, ...]]:
    """The 192 configurations by what the members of a stack must share: 12 keys of 16 members."""
    stacks: dict[StackKey, list[Configuration]] = {}
    for c in load_space("paper").configurations():
        stacks.setdefault((c.hidden_layers, c.batch_norm, c.batch_size), []).append(c)
    return {key: tuple(sorted(members, key=lambda c: c.optimizer)) for key, members in stacks.items()}


def key_name(key: StackKey) -> str:
    widths, batch_norm, batch_size = key
    return f"{'-'.join(map(str, widths))}{'-bn' * batch_norm}-b{batch_size}"


def initial(configuration: Configuration, data: TrainingData, size: int) -> StackState:
    architecture = Architecture.of(configuration, data.train.x.shape[1], data.classes)
    averaged = configuration.ema_decay > 0
    return StackState.initial(architecture, size, SEED, averaged=averaged, dtype=data.train.x.dtype)


def train(
    configurations: Sequence[Configuration],
    data: TrainingData,
    last_epoch: int,
    *,
    first_epoch: int = 1,
    state: StackState | None = None,
    engine: str = "compiled",
) -> SegmentResult:
    if state is None:
        state = initial(configurations[0], data, len(configurations))
    with mock.patch.object(training, "CompiledEngine", ENGINES[engine]):
        return train_segment(configurations, state, data, seed=SEED, first_epoch=first_epoch, last_epoch=last_epoch)


def curve(member: MemberResult) -> list[str]:
    """Every metric of every epoch to the last digit but the wall time, as text: NaN equals NaN."""
    epochs = [epoch.to_json() for epoch in member.epochs]
    return [json.dumps({name: value for name, value in e.items() if name != "seconds"}) for e in epochs]


def same_state(a: StackState, row_a: int, b: StackState, row_b: int) -> bool:
    """True where two members agree in every bit of every tensor."""
    pairs = zip(a.select([row_a]).tensors().values(), b.select([row_b]).tensors().values(), strict=True)
    return all(one.dtype == two.dtype and _bits_equal(one, two) for one, two in pairs)


def _bits_equal(one: torch.Tensor, two: torch.Tensor) -> bool:
    """``torch.equal``, except that NaN equals NaN: a member that diverged has them."""
    return one.shape == two.shape and bool(((one == two) | (one.isnan() & two.isnan())).all())


def flipped(content: bytes) -> bytes:
    return content[:-5] + bytes([content[-5] ^ 1]) + content[-4:]
