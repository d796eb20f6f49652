"""The GPU engine: the steps of a chunk recorded once as a CUDA graph, then replayed.

Networks this small keep a GPU waiting for the next launch; a graph launches all operations of a chunk at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from trainables.stack.batches import Chunk
from trainables.stack.engines import BatchedEngine

Work = Callable[..., Tensor]
"""A function of tensors that writes other tensors in place."""
Record = Callable[[Work, Sequence[Tensor]], Work]
"""A recorder: takes a function and example arguments and returns its replay, running nothing yet."""


def cuda_graph(work: Work, example: Sequence[Tensor]) -> Work:
    """Record the launches of ``work`` on the GPU; it must have run before, so that libraries and kernels are loaded."""
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
    """``BatchedEngine`` that replays the steps of whole chunks.

    The first whole chunk and an epoch's shorter last chunk run unrecorded.

    Tests replace ``record`` where there is no GPU.
    """

    record: Record = staticmethod(cuda_graph)
    _warm = False
    _replay: Work | None = None

    def train(self, chunk: Chunk, step: int) -> Tensor:
        """Train on a chunk, after ``step`` optimiser steps, and return the summed training loss ``(K,)``."""
        if not (chunk.whole and self._warm):
            self._warm |= chunk.whole
            return super().train(chunk, step)
        given = (chunk.x, chunk.y, chunk.one_hot, chunk.noise, *self._schedule(chunk, step))
        if self._replay is None:
            self._replay = self.record(lambda *tensors: self._whole(chunk, *tensors), given)
        return self._replay(*given)

    def _whole(self, like: Chunk, *tensors: Tensor) -> Tensor:
        """Take the steps of a chunk, given every tensor that changes from one chunk to the next."""
        x, y, one_hot, noise, rates, corrections, newest = tensors
        return self._steps(replace(like, x=x, y=y, one_hot=one_hot, noise=noise), rates, corrections, newest)
