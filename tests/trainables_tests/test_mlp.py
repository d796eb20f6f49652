from __future__ import annotations

import doctest

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import examples
from trainables import mlp
from trainables.mlp import Architecture, GenreMLP
from trainables.stack.stacked_mlp import Layout, StackedMLP, pack, unpack
from trainables.stack.state import StackState

_ARCHITECTURES = st.builds(
    Architecture,
    input_size=st.integers(1, 20),
    hidden_layers=st.lists(st.integers(1, 20), min_size=1, max_size=4).map(tuple),
    output_size=st.integers(2, 9),
    activation=st.sampled_from(["relu", "tanh"]),
    batch_norm=st.booleans(),
)


def test_the_docstrings_say_the_truth() -> None:
    assert doctest.testmod(mlp, extraglobs={"torch": torch}).failed == 0


def test_the_papers_constructor() -> None:
    network = GenreMLP(14, [64, 32], 5, activation="relu", batch_norm=True, dropout=0.3)
    kinds = [type(module).__name__ for layer in network.hidden for module in layer]
    assert kinds == ["Linear", "BatchNorm1d", "ReLU", "Dropout"] * 2
    assert network(torch.zeros(3, 14)).shape == (3, 5)


def test_weights_depend_on_the_seed_alone_and_leave_the_global_generator_as_it_was() -> None:
    architecture = Architecture(input_size=14, hidden_layers=(8,), output_size=5)
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    one = GenreMLP.build(architecture, seed=3).output.weight
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(GenreMLP.build(architecture, seed=3).output.weight, one)
    assert not torch.equal(GenreMLP.build(architecture, seed=4).output.weight, one)


@pytest.mark.parametrize(
    "wrong",
    [
        {"input_size": 0},
        {"input_size": 14.0},
        {"input_size": True},
        {"hidden_layers": (8, -1)},
        {"hidden_layers": ("8",)},
        {"output_size": None},
        {"activation": "gelu"},
        {"batch_norm": "yes"},
    ],
    ids=str,
)
def test_an_architecture_checks_itself(wrong: dict) -> None:
    right = {"input_size": 14, "hidden_layers": (8,), "output_size": 5}
    with pytest.raises(ValueError, match="must hold"):
        Architecture(**(right | wrong))


@examples(20)
@given(architecture=_ARCHITECTURES, seed=st.integers(0, 2**31))
def test_a_network_survives_the_way_into_a_stack_and_out(architecture: Architecture, seed: int) -> None:
    networks = [GenreMLP.build(architecture, seed + k) for k in range(3)]
    parameters, statistics = pack(networks, Layout.of(architecture))
    assert Architecture(**architecture.to_json()) == architecture
    for row, network in enumerate(networks):
        state = unpack(architecture, parameters[row], statistics[row])
        assert state.keys() == network.state_dict().keys()
        assert all(torch.equal(state[name], tensor) for name, tensor in network.state_dict().items())


@examples(20)
@given(architecture=_ARCHITECTURES, seed=st.integers(0, 99))
@torch.no_grad()
def test_a_stack_infers_what_its_members_do(architecture: Architecture, seed: int) -> None:
    networks = [GenreMLP.build(architecture, seed + k).double().eval() for k in range(3)]
    state = StackState.fresh(networks, dtype=torch.float64)
    state.statistics.uniform_(0.5, 2.0)
    stack = StackedMLP(architecture, state.parameters, state.statistics, torch.full((3,), 0.7))
    x = torch.randn(6, architecture.input_size, dtype=torch.float64)
    found = stack.infer(x)[..., : architecture.output_size]
    for row in range(3):
        expected = stack.member(row).eval()(x).log_softmax(1)
        torch.testing.assert_close(found[row], expected, rtol=0, atol=1e-12)
