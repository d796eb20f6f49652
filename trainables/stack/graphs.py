"""The GPU's way through a chunk of batches: its steps recorded once as a CUDA graph, then replayed.

Networks this small keep a GPU waiting for the next operation to be launched; a graph launches all of a chunk at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from trainables.stack.batches import Chunk
from trainables.stack.engines import BatchedEngine

Work = Callable[..., Tensor]
"""A function of tensors that writes others in place."""
Record = Callable[[Work, Sequence[Tensor]], Work]
"""From a function and an example of what it is given, the same function replayed; runs nothing yet."""


def cuda_graph(work: Work, example: Sequence[Tensor]) -> Work:
    """Record what ``work`` launches on the GPU. It must have run before, so that libraries and kernels are loaded."""
    held = [tensor.clone() for tensor in example]
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = work(*held)

    def replay(*given: Tensor) -> Tensor:
        for place, tensor in zip(held, given, strict=True):
            place.copy_(tensor)
        graph.replay()
        return result.clone()

    return replay


class GraphedEngine(BatchedEngine):
    """``BatchedEngine`` with the steps of whole chunks replayed; the first of them and the epoch's last run as written.

    Tests give another way to ``record`` where there is no GPU.
    """

    record: Record = staticmethod(cuda_graph)
    _warm = False
    _replay: Work | None = None

    def train(self, chunk: Chunk, step: int) -> Tensor:
        """Train through a chunk, after ``step`` optimiser steps; returns the summed training loss ``(K,)``."""
        if not (chunk.whole and self._warm):
            self._warm |= chunk.whole
            return super().train(chunk, step)
        given = (chunk.x, chunk.y, chunk.one_hot, chunk.noise, *self._schedule(chunk, step))
        if self._replay is None:
            self._replay = self.record(lambda *tensors: self._whole(chunk, *tensors), given)
        return self._replay(*given)

    def _whole(self, like: Chunk, *tensors: Tensor) -> Tensor:
        """The steps of a chunk as a function of every tensor that changes from one to the next."""
        x, y, one_hot, noise, rates, corrections = tensors
        return self._steps(replace(like, x=x, y=y, one_hot=one_hot, noise=noise), rates, corrections)
