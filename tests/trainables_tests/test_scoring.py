"""Probabilities of best epochs: those that the scores are of, alike whatever a network is stacked with."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from results.judging.measures import judge, log_loss
from trainables.mlp import Architecture
from trainables.scoring import best_probabilities, score_best
from trainables.stack.state import StackState

ARCHITECTURE = Architecture(input_size=7, hidden_layers=(16, 8), output_size=5, batch_norm=True)


def test_probabilities_are_those_of_the_scores_to_the_bit_whatever_the_stack() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2500, 7)).astype(np.float32), rng.integers(0, 5, 2500)
    states = [StackState.initial(ARCHITECTURE, 1, seed) for seed in range(4)]
    state = StackState.concatenate(states)
    together = best_probabilities(state, ARCHITECTURE, x)
    assert together.shape == (4, 2500, 5) and together.dtype == np.float32
    np.testing.assert_allclose(together.sum(axis=2), 1, rtol=1e-5)
    for place, scores in enumerate(score_best(state, ARCHITECTURE, x, y)):
        np.testing.assert_array_equal(best_probabilities(states[place], ARCHITECTURE, x)[0], together[place])
        assert log_loss(together[place], y) == pytest.approx(scores["val_loss"], rel=1e-5)
        found = judge("best", "validation", tuple("abcde"), together[place], y)
        assert found.accuracy == pytest.approx(scores["val_accuracy"], abs=2 / 2500)


def test_no_rows_have_no_probabilities() -> None:
    state = StackState.initial(ARCHITECTURE, 2, 0, dtype=torch.float32)
    assert best_probabilities(state, ARCHITECTURE, np.zeros((0, 7), np.float32)).shape == (2, 0, 5)
