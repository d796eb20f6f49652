"""Scores and probabilities of networks at their best epochs, from the state of a stack."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from trainables.mlp import Architecture
from trainables.stack.batches import Rows
from trainables.stack.metrics import evaluate
from trainables.stack.stacked_mlp import StackedMLP
from trainables.stack.state import StackState

_CHUNK_ROWS = 1024


@contextmanager
def _one_thread() -> Iterator[None]:
    """Run the body with PyTorch on one thread: networks this small take longer on two, most on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@_one_thread()
@torch.inference_mode()
def score_best(state: StackState, architecture: Architecture, x: np.ndarray, y: np.ndarray) -> list[dict[str, float]]:
    """Return scores of each member's best weights on rows ``x (n, d)``, ``y (n,)``; none where there are no rows."""
    if not len(y):
        return []
    rows = Rows.of(x, y, architecture.output_size, state.parameters.dtype, state.parameters.device)
    stack = StackedMLP(architecture, state.best_parameters, state.best_statistics, torch.zeros(len(state)))
    columns = {name: values.tolist() for name, values in evaluate(stack, rows).items()}
    return [{name: values[k] for name, values in columns.items()} for k in range(len(state))]


@_one_thread()
@torch.inference_mode()
def best_probabilities(state: StackState, architecture: Architecture, x: np.ndarray) -> np.ndarray:
    """Return each member's probabilities by its best weights, ``(K, n, genres)`` float32, for rows ``x (n, d)``.

    Every member is computed alone, and so comes out the same to the bit whatever else is in the state.
    """
    found = np.empty((len(state), len(x), architecture.output_size), dtype=np.float32)
    rows = torch.tensor(x, dtype=state.parameters.dtype)
    for member in range(len(state)):
        own = state.best_parameters[member : member + 1], state.best_statistics[member : member + 1]
        network = StackedMLP(architecture, *own, torch.zeros(1))
        chunks = [network.infer(chunk)[0, :, : architecture.output_size].exp() for chunk in rows.split(_CHUNK_ROWS)]
        found[member] = torch.cat(chunks).numpy() if chunks else 0.0
    return found
