"""The parts of the compiled kernels, against PyTorch; whole steps are in ``test_stacked_equals_plain``."""

from __future__ import annotations

import math
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.support.made_up import StackKey, key_name, paper_stacks, training_data
from trainables.mlp import Architecture
from trainables.stack.batches import epoch_chunks, epoch_noise, generator
from trainables.stack.compiled import aligned, load_kernels
from trainables.stack.engines import CompiledEngine
from trainables.stack.layers import scaled_noise
from trainables.stack.metrics import evaluate
from trainables.stack.stacked_mlp import StackedMLP
from trainables.stack.state import StackState

_STACKS = paper_stacks()


@given(
    seed=st.integers(0, 2**40), epoch=st.integers(1, 100), draws=st.lists(st.integers(1, 700), min_size=1, max_size=4)
)
def test_the_noise_is_what_pytorch_draws(seed: int, epoch: int, draws: list[int]) -> None:
    """To the bit, wherever in a block of 624 words a draw begins."""
    drawn = epoch_noise(seed, epoch, 3, torch.empty(0))
    twister = generator("noise", seed, epoch, torch.device("cpu"))
    for rows in draws:
        assert torch.equal(drawn(rows), scaled_noise(rows, 3, twister, torch.float32))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(
    rows=st.integers(1, 40),
    classes=st.integers(2, 19),
    smoothing=st.sampled_from([0.0, 0.1]),
    size=st.sampled_from([1.0, 30.0, 300.0]),
)
def test_the_gradient_of_cross_entropy_is_pytorchs(
    dtype: torch.dtype, rows: int, classes: int, smoothing: float, size: float
) -> None:
    random = torch.Generator().manual_seed(rows * 100 + classes)
    scores = (torch.randn(rows, classes, generator=random, dtype=dtype) * size).requires_grad_()
    y = torch.randint(0, classes, (rows,), generator=random)
    expected = torch.nn.functional.cross_entropy(scores, y, label_smoothing=smoothing, reduction="sum")
    (expected / rows).backward()
    width = -(-classes // 8) * 8
    padded = np.zeros((rows, width), scores.detach().numpy().dtype)
    padded[:, :classes] = scores.detach().numpy()
    loss = load_kernels().softmax_gradient(
        padded.reshape(-1), rows, width, y.numpy(), classes, padded.dtype.type(smoothing)
    )
    tolerance = 1e-6 if dtype is torch.float32 else 1e-13
    assert loss == pytest.approx(expected.item(), rel=max(10 * tolerance, 1e-11), abs=rows * size * tolerance)
    np.testing.assert_allclose(padded[:, :classes], scores.grad.numpy(), rtol=0, atol=tolerance)
    assert not padded[:, classes:].any()


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_score_that_is_not_finite_is_a_loss_that_is_not(broken: float) -> None:
    scores = np.array([broken, 1, 2, 0, 0, 0, 0, 0], np.float32)
    assert not math.isfinite(load_kernels().softmax_gradient(scores, 1, 8, np.array([1]), 3, np.float32(0)))


@pytest.mark.parametrize("key", _STACKS, ids=key_name)
def test_a_stack_is_evaluated_as_by_batched_operations(key: StackKey) -> None:
    configurations, data = _STACKS[key], training_data(203, inputs=14)
    architecture = Architecture.of(configurations[0], 14, data.classes)
    state = StackState.initial(architecture, len(configurations), 7)
    random = torch.Generator().manual_seed(0)
    state.parameters.add_(torch.randn(state.parameters.shape, generator=random), alpha=0.05)
    state.statistics.add_(torch.rand(state.statistics.shape, generator=random))
    networks = StackedMLP(architecture, state.parameters, state.statistics, torch.zeros(len(configurations)))
    expected = evaluate(networks, data.val)
    found = CompiledEngine(networks, configurations, state, 13).evaluate(data.val)
    assert found.keys() == expected.keys()
    for name, values in found.items():
        torch.testing.assert_close(values, expected[name], rtol=0, atol=1e-5)


def test_training_leaves_no_subnormal_numbers() -> None:
    """A unit that never fires again would slow its network down for good."""
    configurations, data = _STACKS[next(iter(_STACKS))], training_data(203, inputs=14)
    architecture = Architecture.of(configurations[0], 14, data.classes)
    state = StackState.initial(architecture, len(configurations), 7)
    state.momentum.fill_(1e-40)
    networks = StackedMLP(architecture, state.parameters, state.statistics, torch.zeros(len(configurations)))
    engine = CompiledEngine(networks, configurations, state, 13)
    for chunk in epoch_chunks(data.train, 1, 1, 16, architecture.hidden_layers):
        engine.train(chunk, 0)
    momentum = state.momentum[[configuration.optimizer == "adam" for configuration in configurations]]
    assert momentum.any()
    assert not ((momentum != 0) & (momentum.abs() < torch.finfo(torch.float32).tiny)).any()
    assert torch.tensor(1e-40).mul(1.0).item() > 0, "the setting is only for as long as the kernels run"


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_an_array_is_aligned(kind: type) -> None:
    for numbers in range(1, 40):
        array = aligned(numbers, np.dtype(kind))
        assert (len(array), array.ctypes.data % 64) == (numbers, 0)


_CURVES = """
from tests.support.made_up import curve, paper_stacks, train, training_data
for key, members in paper_stacks().items():
    print(key, [curve(member) for member in train(members, training_data(203), 2).members])
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64", reason="of the processors named here")
def test_an_older_processor_has_the_same_curves(tmp_path: Path) -> None:
    """To the bit: compiled for AVX2 and for whatever is here; the size of the products' tiles is that of here."""
    here, older = (
        subprocess.run(
            [sys.executable, "-c", _CURVES],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "GENRESWEEP_CACHE_DIR": str(tmp_path / name), **processor},
        ).stdout
        for name, processor in {
            "here": {},
            "older": {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx2,+avx,+fma,+f16c,+bmi,+bmi2,+sse4.2"},
        }.items()
    )
    assert here == older
    assert len(here.splitlines()) == 12
