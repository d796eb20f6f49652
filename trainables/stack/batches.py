"""The training rows of a stack, and the order and the dropout noise of every epoch.

Order and noise are pure functions of (seed, epoch): no generator state needs saving, every member of a stack
sees the same batches, and a configuration sees the same batches alone as in a stack.
"""

from __future__ import annotations

import hashlib
import socket
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from data.errors import InputError
from data.inputs.features import Features
from trainables.stack.compiled import load_kernels
from trainables.stack.layers import HUGE, padded, scaled_noise

CHUNK_BATCHES = 16
"""Batches whose rows and noise are drawn together: few enough to stay in a core's cache."""


@dataclass(frozen=True)
class Rows:
    """Features ``x (n, d)``, genre numbers ``y (n,)`` int64, and their ``one_hot (n, padded(C))``."""

    x: Tensor
    y: Tensor
    one_hot: Tensor

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray, classes: int, dtype: torch.dtype, device: torch.device) -> Rows:
        """Wrap arrays as tensors that are never written; float32 arrays on the CPU are not copied."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            features = torch.from_numpy(x).to(device=device, dtype=dtype)
            labels = torch.from_numpy(y).to(device=device)
        one_hot = torch.nn.functional.one_hot(labels, padded(classes)).to(dtype)
        return cls(features, labels, one_hot)

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True)
class TrainingData:
    """Training and validation rows of one split."""

    train: Rows
    val: Rows
    classes: int

    @classmethod
    def of(
        cls,
        x_train: np.ndarray,
        y_train: np.ndarray,
        x_val: np.ndarray,
        y_val: np.ndarray,
        classes: int,
        *,
        dtype: torch.dtype = torch.float32,
        device: str | torch.device = "cpu",
    ) -> TrainingData:
        """Build training data from arrays as ``data.Features`` holds them."""
        device = torch.device(device)
        train = Rows.of(x_train, y_train, classes, dtype, device)
        return cls(train, Rows.of(x_val, y_val, classes, dtype, device), classes)

    @classmethod
    def of_features(cls, features: Features, device: str = "cpu") -> TrainingData:
        """Build training data on a device; ``InputError`` where PyTorch cannot train on it here."""
        if device == "cuda" and not torch.cuda.is_available():
            raise InputError(
                f"--device cuda: PyTorch {torch.__version__} finds no GPU that it can use on {socket.gethostname()}: "
                "install a build with CUDA for its driver, or train without --device"
            )
        sides = features.x_train, features.y_train, features.x_val, features.y_val
        return cls.of(*sides, len(features.genres), device=device)


@dataclass(frozen=True)
class Batch:
    """A mini-batch: ``x (B, d)``, ``one_hot (B, padded(C))``, noise ``(B, padded(width))`` per layer."""

    x: Tensor
    one_hot: Tensor
    noise: tuple[Tensor, ...]


@dataclass(frozen=True)
class Chunk:
    """A few batches of an epoch, in order.

    ``x (n, d)``, ``y (n,)`` int64, ``one_hot (n, padded(C))`` and ``noise (n, sum of padded widths)``.
    """

    x: Tensor
    y: Tensor
    one_hot: Tensor
    noise: Tensor
    batch_size: int
    widths: tuple[int, ...]
    """Padded width of each hidden layer."""

    def __len__(self) -> int:
        return len(self.y)

    @property
    def whole(self) -> bool:
        """False for the last chunk of an epoch when fewer rows are left."""
        return len(self) == CHUNK_BATCHES * self.batch_size

    def batches(self) -> list[Batch]:
        """Return the chunk cut into batches."""
        x, one_hot = self.x.split(self.batch_size), self.one_hot.split(self.batch_size)
        layers = [noise.split(self.batch_size) for noise in self.noise.split(self.widths, dim=1)]
        noises = zip(*layers, strict=True)
        return [Batch(*parts) for parts in zip(x, one_hot, noises, strict=True)]


def generator(purpose: str, seed: int, epoch: int, device: torch.device) -> torch.Generator:
    """Return a random generator that depends on its purpose, seed and epoch alone."""
    return torch.Generator(device).manual_seed(_seed(purpose, seed, epoch))


def _seed(purpose: str, seed: int, epoch: int) -> int:
    digest = hashlib.blake2b(f"{purpose}/{seed}/{epoch}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def epoch_noise(seed: int, epoch: int, width: int, like: Tensor) -> Callable[[int], Tensor]:
    """Return a function that draws the epoch's dropout noise, ``(rows, width)`` at a time.

    The noise is ``layers.scaled_noise`` of PyTorch's generator; on the CPU, compiled code draws it.
    """
    if like.device.type != "cpu" or like.dtype != torch.float32:
        drawn = generator("noise", seed, epoch, like.device)
        return lambda rows: scaled_noise(rows, width, drawn, like.dtype)
    twister = load_kernels().twister(_seed("noise", seed, epoch))

    def draw(rows: int) -> Tensor:
        noise = torch.empty(rows, width)
        load_kernels().draw_noise(twister, HUGE, noise.view(-1).numpy())
        return noise

    return draw


def epoch_order(seed: int, epoch: int, rows: int) -> Tensor:
    """Return the permutation ``(rows,)`` in which an epoch visits the training rows."""
    return torch.randperm(rows, generator=generator("order", seed, epoch, torch.device("cpu")))


def batch_count(rows: int, batch_size: int) -> int:
    """Return the number of batches of an epoch; a last batch of a single row is dropped, since it has no variance."""
    return rows // batch_size + (rows % batch_size > 1)


def epoch_chunks(rows: Rows, seed: int, epoch: int, batch_size: int, hidden_layers: Sequence[int]) -> Iterator[Chunk]:
    """Yield the batches of an epoch, a few at a time."""
    order = epoch_order(seed, epoch, len(rows)).to(rows.x.device)
    usable = order[: len(order) - (len(order) % batch_size == 1)]
    widths = tuple(padded(width) for width in hidden_layers)
    noise = epoch_noise(seed, epoch, sum(widths), rows.x)
    for chosen in usable.split(CHUNK_BATCHES * batch_size):
        x, y, one_hot = (tensor.index_select(0, chosen) for tensor in (rows.x, rows.y, rows.one_hot))
        yield Chunk(x, y, one_hot, noise(len(chosen)), batch_size, widths)
