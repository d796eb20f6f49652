"""Scikit-learn is the reference for every metric."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss, precision_recall_fscore_support

from tests.support.examples import examples
from tests.support.made_up import arrays
from trainables.mlp import Architecture, GenreMLP
from trainables.stack.batches import Rows
from trainables.stack.metrics import evaluate, weighted_scores
from trainables.stack.stacked_mlp import StackedMLP
from trainables.stack.state import StackState


def _reference(y: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    precision, recall, f1, _ = precision_recall_fscore_support(y, predicted, average="weighted", zero_division=0)
    accuracy = accuracy_score(y, predicted)
    return {"val_accuracy": accuracy, "val_precision": precision, "val_recall": recall, "val_f1": f1}


@given(
    classes=st.integers(2, 7),
    pairs=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=60),
)
def test_weighted_scores_are_scikit_learns(classes: int, pairs: list[tuple[int, int]]) -> None:
    y, predicted = (np.array(column) % classes for column in zip(*pairs, strict=True))
    confusion = confusion_matrix(y, predicted, labels=range(classes))
    found = weighted_scores(torch.from_numpy(confusion)[None])
    for name, value in _reference(y, predicted).items():
        assert found[name].tolist() == pytest.approx([value], abs=1e-12)


@examples(20)
@given(rows=st.integers(1, 700), members=st.integers(1, 4), batch_norm=st.booleans(), seed=st.integers(0, 99))
def test_evaluate_scores_each_member_as_scikit_learn_does(rows: int, members: int, batch_norm: bool, seed: int) -> None:
    architecture = Architecture(input_size=14, hidden_layers=(9,), output_size=5, batch_norm=batch_norm)
    networks = [GenreMLP.build(architecture, seed + k).double().eval() for k in range(members)]
    with torch.no_grad():
        for network in networks:
            network.output.weight.mul_(8)
    state = StackState.fresh(networks, dtype=torch.float64)
    stack = StackedMLP(architecture, state.parameters, state.statistics, torch.full((members,), 0.5))
    x, y = arrays(rows, seed=seed)
    found = evaluate(stack, Rows.of(x, y, 5, torch.float64, torch.device("cpu")))
    for k, network in enumerate(networks):
        with torch.no_grad():
            probabilities = network(torch.from_numpy(x).double()).softmax(1).numpy()
        expected = {
            **_reference(y, probabilities.argmax(1)),
            "val_loss": log_loss(y, probabilities, labels=range(5)),
        }
        assert {name: column[k].item() for name, column in found.items()} == pytest.approx(expected, abs=1e-9)


@torch.no_grad()
def test_a_member_that_is_not_a_number_scores_nothing_and_the_others_do() -> None:
    architecture = Architecture(input_size=14, hidden_layers=(16,), output_size=5)
    state = StackState.initial(architecture, 3, seed=0)
    state.parameters[1, 0] = torch.nan
    x, y = arrays(300)
    stack = StackedMLP(architecture, state.parameters, state.statistics, torch.zeros(3))
    found = evaluate(stack, Rows.of(x, y, 5, torch.float32, torch.device("cpu")))
    for column in found.values():
        assert column.isnan().tolist() == [False, True, False]
        assert column[0] == column[2]
