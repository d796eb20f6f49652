"""Forward and backward passes of the layers of a stack, written out.

Shape suffixes: ``K`` members of the stack, ``B`` rows of the batch, ``I`` inputs, ``O`` outputs of a layer.
Every operation is a batched matrix product, an elementwise operation or a sum over one axis within a member,
so that a member's numbers do not depend on how many others are computed with it. This holds to the bit, given
columns padded to ``LANE`` (a last column block that is not full takes another path in the matrix product, which
was seen to depend on the alignment of the member's memory).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import torch
from torch import Tensor

LANE = 8
"""Multiple to which the columns of a layer are padded with zeros."""

EPSILON = 1e-5
"""Number that batch normalisation adds to a variance."""
MOMENTUM = 0.1
"""Weight of the newest batch in batch normalisation's running statistics."""
HUGE = 2.0**100
"""Factor of the dropout noise; see ``ReluDropout``."""


@functools.cache
def _constant(value: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor(value, dtype=dtype, device=device)


def constant(value: float, like: Tensor) -> Tensor:
    """Return a number as a tensor without axes; a Python number would be converted, slowly, at every use."""
    return _constant(value, like.dtype, like.device)


def padded(width: int) -> int:
    """Return ``width`` rounded up to whole lanes."""
    return -(-width // LANE) * LANE


class BatchNorm:
    """Batch normalisation of ``z_KBO`` over its rows, as ``nn.BatchNorm1d`` with its defaults.

    Every forward pass writes ``batch_mean_KO`` and ``batch_variance_KO``; their holder updates the running
    statistics from them, for all layers at once.
    """

    def __init__(self, gain_KO: Tensor, shift_KO: Tensor, batch_mean_KO: Tensor, batch_variance_KO: Tensor) -> None:
        self._gain, self._shift = gain_KO[:, None], shift_KO[:, None]
        self._batch_mean, self._batch_variance = batch_mean_KO[:, None], batch_variance_KO[:, None]

    def forward(self, z_KBO: Tensor) -> Tensor:
        """Normalise the input by the batch's own statistics; the input is overwritten."""
        rows = z_KBO.shape[1]
        mean = torch.mul(z_KBO.sum(1, keepdim=True), constant(1.0 / rows, z_KBO), out=self._batch_mean)
        self._centred = z_KBO.sub_(mean)
        squares = torch.sum(self._centred * self._centred, 1, keepdim=True)
        torch.mul(squares, constant(1.0 / (rows - 1), z_KBO), out=self._batch_variance)
        self._inverse_std = torch.add(constant(EPSILON, z_KBO), squares, alpha=1.0 / rows).rsqrt_()
        self._slope = self._gain * self._inverse_std
        return torch.addcmul(self._shift, self._centred, self._slope)

    def backward(self, dy_KBO: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the gradients for the input, the gain and the shift, from that for the output."""
        rows = dy_KBO.shape[1]
        d_shift = dy_KBO.sum(1, keepdim=True)
        d_gain = torch.sum(dy_KBO * self._centred, 1, keepdim=True).mul_(self._inverse_std)
        share = self._slope * constant(-1.0 / rows, dy_KBO)
        tilt = torch.mul(d_gain, self._inverse_std).mul_(share)
        dz = torch.addcmul(share.mul_(d_shift), self._centred, tilt).addcmul_(dy_KBO, self._slope)
        return dz, d_gain, d_shift

    def infer(self, z_KBO: Tensor, mean_KO: Tensor, variance_KO: Tensor) -> Tensor:
        """Normalise the input by the running statistics."""
        slope = self._gain * (variance_KO[:, None] + EPSILON).rsqrt()
        return torch.addcmul(self._shift - mean_KO[:, None] * slope, z_KBO, slope)


@dataclass
class Dropout:
    """Inverted dropout: a unit is kept where its noise, in (0, 1], exceeds the member's probability."""

    probability_K11: Tensor  # noqa: N815
    active: bool = field(init=False)

    def __post_init__(self) -> None:
        self.active = bool((self.probability_K11 > 0).any())
        self.scale_K11 = 1.0 / (1.0 - self.probability_K11)
        self.threshold_K11 = self.probability_K11 * HUGE


class ReluDropout:
    """ReLU, then dropout, in three elementwise passes.

    ``min(y, HUGE * (noise - p))`` is ``y`` where the unit is kept and negative where it is not, so one ReLU
    serves for both; the gradient passes where the output is positive.
    """

    def __init__(self, dropout: Dropout) -> None:
        self._dropout = dropout

    def forward(self, y_KBO: Tensor, noise_BO: Tensor) -> Tensor:
        """Return the activations of the kept units, overwriting the input. ``noise_BO`` is scaled by ``HUGE``."""
        if not self._dropout.active:
            self._output = y_KBO.relu_()
            return self._output
        kept = noise_BO - self._dropout.threshold_K11
        self._output = torch.minimum(y_KBO, kept, out=kept).relu_().mul_(self._dropout.scale_K11)
        return self._output

    def backward(self, da_KBO: Tensor) -> Tensor:
        """Return the gradient for the input."""
        dy = torch.ops.aten.threshold_backward(da_KBO, self._output, 0)
        return dy.mul_(self._dropout.scale_K11) if self._dropout.active else dy

    @staticmethod
    def infer(y_KBO: Tensor) -> Tensor:
        """Apply the activation alone, overwriting the input."""
        return y_KBO.relu_()


class TanhDropout:
    """Tanh, then dropout."""

    def __init__(self, dropout: Dropout) -> None:
        self._dropout = dropout

    def forward(self, y_KBO: Tensor, noise_BO: Tensor) -> Tensor:
        """Return the activations of the kept units, overwriting the input. ``noise_BO`` is scaled by ``HUGE``."""
        self._tanh = y_KBO.tanh_()
        if not self._dropout.active:
            return self._tanh
        self._mask = (noise_BO > self._dropout.threshold_K11) * self._dropout.scale_K11
        return self._tanh * self._mask

    def backward(self, da_KBO: Tensor) -> Tensor:
        """Return the gradient for the input."""
        if self._dropout.active:
            da_KBO = da_KBO * self._mask
        return torch.addcmul(da_KBO, da_KBO * self._tanh, self._tanh, value=-1)

    @staticmethod
    def infer(y_KBO: Tensor) -> Tensor:
        """Apply the activation alone, overwriting the input."""
        return y_KBO.tanh_()


ACTIVATIONS: dict[str, type[ReluDropout] | type[TanhDropout]] = {"relu": ReluDropout, "tanh": TanhDropout}


def scaled_noise(rows: int, width: int, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    """Draw uniform dropout noise ``(rows, width)`` in (0, 1], times ``HUGE``.

    The factor is a power of two, so that comparing with ``p * HUGE`` equals comparing with ``p`` exactly.
    """
    noise = torch.rand(rows, width, generator=generator, dtype=dtype, device=generator.device)
    return noise.neg_().add_(1.0).mul_(HUGE)


class CrossEntropy:
    """Softmax and the mean cross-entropy of each member over padded logits ``(K, B, padded(C))``.

    ``smoothing_K`` is the share of each member's target that is spread evenly over the classes.
    """

    def __init__(self, classes: int, smoothing_K: Tensor) -> None:
        self._classes = classes
        self._mask = smoothing_K.new_zeros(padded(classes))
        self._mask[classes:] = -torch.inf
        self._smoothing: Tensor | None = None
        if (smoothing_K > 0).any():
            self._smoothing = smoothing_K[:, None, None]
            self._spread = self._smoothing / classes * (self._mask == 0)

    def log_probabilities(self, logits_KBC: Tensor) -> Tensor:
        """Return log-probabilities, minus infinity in the padding, overwriting the input."""
        return torch.log_softmax(logits_KBC.add_(self._mask), dim=-1)

    def backward(self, log_p_KBC: Tensor, one_hot_BC: Tensor) -> Tensor:
        """Return the gradient for the logits of the mean over the rows; ``one_hot_BC`` is padded too."""
        rows = constant(1.0 / len(one_hot_BC), log_p_KBC)
        target = one_hot_BC
        if self._smoothing is not None:
            target = one_hot_BC * (1.0 - self._smoothing) + self._spread
        return log_p_KBC.exp().sub_(target).mul_(rows)

    def summed(self, log_p_KBC: Tensor, y_B: Tensor) -> Tensor:
        """Return the cross-entropy ``(K,)`` float64, summed over the rows."""
        own = picked(log_p_KBC, y_B).sum(1, dtype=torch.float64)
        if self._smoothing is None:
            return -own
        smoothing = self._smoothing[:, 0, 0].double()
        spread = log_p_KBC[..., : self._classes].sum((1, 2), dtype=torch.float64) * smoothing / self._classes
        return -(1.0 - smoothing) * own - spread.masked_fill(smoothing <= 0, 0.0)


def picked(log_p_KBC: Tensor, y_B: Tensor) -> Tensor:
    """Return the log-probability ``(K, B)`` that each member gives to each row's own genre."""
    return log_p_KBC.gather(2, y_B.expand(len(log_p_KBC), -1)[..., None])[..., 0]
