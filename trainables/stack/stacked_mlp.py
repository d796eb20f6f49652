"""``StackedMLP``: K networks of one architecture, held as one and trained in lockstep.

All parameters of a member are in one row of a matrix ``(K, P)``, so that clipping and the optimisers are a few
operations on that matrix; each layer's weights ``(K, in, out)`` are views of it. The backward pass is written
out: autograd's bookkeeping would cost more than the arithmetic of networks this small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.mlp import Architecture, GenreMLP
from trainables.stack.layers import (
    ACTIVATIONS,
    MOMENTUM,
    BatchNorm,
    CrossEntropy,
    Dropout,
    ReluDropout,
    TanhDropout,
    padded,
)


@dataclass(frozen=True)
class Slot:
    """The place of one tensor in a member's row, and its name and shape in ``GenreMLP``."""

    name: str
    start: int
    shape: tuple[int, ...]
    """Padded shape within the row; weights are (in, out), the transpose of ``nn.Linear``'s."""
    filled: tuple[int, ...]
    """Shape of the part that is not padding."""

    @property
    def stop(self) -> int:
        """The end of the slot in the row."""
        return self.start + torch.Size(self.shape).numel()

    def view(self, rows_KP: Tensor) -> Tensor:
        """Return this tensor for every member, ``(K, *shape)``, sharing memory with the rows."""
        return rows_KP[:, self.start : self.stop].view(len(rows_KP), *self.shape)


@dataclass(frozen=True)
class Layout:
    """The slots of one architecture: trained parameters and running statistics of batch normalisation."""

    parameters: tuple[Slot, ...]
    statistics: tuple[Slot, ...]

    @classmethod
    def of(cls, architecture: Architecture) -> Layout:
        """Return the slots of an architecture in the order of the layers, from the input up."""
        parameters = _SlotList()
        statistics = _SlotList()
        *hidden, output = architecture.layer_sizes
        for depth, (inputs, outputs) in enumerate(hidden):
            parameters.add(f"hidden.{depth}.0.weight", inputs, outputs, pad_inputs=depth > 0)
            if architecture.batch_norm:
                parameters.add(f"hidden.{depth}.1.weight", outputs)
                parameters.add(f"hidden.{depth}.1.bias", outputs)
                statistics.add(f"hidden.{depth}.1.running_mean", outputs)
                statistics.add(f"hidden.{depth}.1.running_var", outputs)
            else:
                parameters.add(f"hidden.{depth}.0.bias", outputs)
        parameters.add("output.weight", *output, pad_inputs=True)
        parameters.add("output.bias", output[1])
        return cls(tuple(parameters.slots), tuple(statistics.slots))


class _SlotList:
    def __init__(self) -> None:
        self.slots: list[Slot] = []

    def add(self, name: str, *filled: int, pad_inputs: bool = False) -> None:
        shape = tuple(padded(n) if pad_inputs or axis == len(filled) - 1 else n for axis, n in enumerate(filled))
        start = self.slots[-1].stop if self.slots else 0
        self.slots.append(Slot(name, start, shape, filled))


def pack(networks: Sequence[GenreMLP], layout: Layout) -> tuple[Tensor, Tensor]:
    """Return the rows of parameters ``(K, P)`` and of running statistics ``(K, R)`` of plain networks."""
    states = [network.state_dict() for network in networks]
    dtype = next(iter(states[0].values())).dtype
    return _pack(states, layout.parameters, dtype), _pack(states, layout.statistics, dtype)


def _pack(states: Sequence[dict[str, Tensor]], slots: Sequence[Slot], dtype: torch.dtype) -> Tensor:
    rows = torch.zeros(len(states), slots[-1].stop if slots else 0, dtype=dtype)
    for slot in slots:
        target = slot.view(rows)
        for member, state in enumerate(states):
            value = state[slot.name].t()
            target[member][tuple(slice(n) for n in slot.filled)] = value
    return rows


def unpack(architecture: Architecture, parameters_P: Tensor, statistics_R: Tensor) -> dict[str, Tensor]:
    """Return the ``state_dict`` of the ``GenreMLP`` that one row of parameters and one of statistics describe."""
    layout = Layout.of(architecture)
    state = GenreMLP.build(architecture, seed=0).to(parameters_P.dtype).state_dict()
    for slots, row in ((layout.parameters, parameters_P), (layout.statistics, statistics_R)):
        for slot in slots:
            value = slot.view(row[None])[0][tuple(slice(n) for n in slot.filled)]
            state[slot.name] = value.t().contiguous().clone()
    return state


class StackedMLP:
    """K networks of one architecture, with one dropout probability and one label smoothing each.

    ``parameters_KP``, ``statistics_KR`` and the gradients ``gradients_KP`` are plain tensors, written in
    place.
    """

    def __init__(
        self,
        architecture: Architecture,
        parameters_KP: Tensor,
        statistics_KR: Tensor,
        dropout_K: Tensor,
        smoothing_K: Tensor | None = None,
    ) -> None:
        self.architecture = architecture
        self.parameters_KP = parameters_KP
        self.statistics_KR = statistics_KR
        self.gradients_KP = torch.zeros_like(parameters_KP)
        self._batch_statistics_KR = torch.zeros_like(statistics_KR)
        smoothing = torch.zeros(len(parameters_KP)) if smoothing_K is None else smoothing_K
        self._loss = CrossEntropy(architecture.output_size, smoothing.to(parameters_KP))
        layout = Layout.of(architecture)
        values = {slot.name: slot.view(parameters_KP) for slot in layout.parameters}
        values |= {slot.name: slot.view(statistics_KR) for slot in layout.statistics}
        batch = {slot.name: slot.view(self._batch_statistics_KR) for slot in layout.statistics}
        dropout = Dropout(dropout_K.to(parameters_KP)[:, None, None])
        self._hidden = [
            _HiddenLayer(f"hidden.{depth}", architecture, values, batch, dropout)
            for depth in range(len(architecture.hidden_layers))
        ]
        self._output = _Linear("output", values)

    def with_weights(self, parameters_KP: Tensor, statistics_KR: Tensor) -> StackedMLP:
        """Return networks of the same architecture on other weights, to infer by."""
        return StackedMLP(self.architecture, parameters_KP, statistics_KR, parameters_KP.new_zeros(len(parameters_KP)))

    @property
    def size(self) -> int:
        """The number of members."""
        return len(self.parameters_KP)

    def compute_gradients(self, x_BI: Tensor, one_hot_BC: Tensor, noise: Sequence[Tensor]) -> Tensor:
        """Run one forward and backward pass of all members over the same batch.

        ``noise`` holds ``(B, padded width)`` per hidden layer, as ``layers.scaled_noise`` draws it, and
        ``one_hot_BC`` has ``padded(C)`` columns. Writes ``gradients_KP`` (of the mean cross-entropy of each
        member) and returns log-probabilities ``(K, B, padded(C))``, minus infinity in the padding.
        """
        a = x_BI.expand(self.size, *x_BI.shape)
        for layer, noise_BO in zip(self._hidden, noise, strict=True):
            a = layer.forward(a, noise_BO)
        log_p = self._loss.log_probabilities(self._output.forward(a))
        self._backward(self._loss.backward(log_p, one_hot_BC))
        if self.architecture.batch_norm:
            self.statistics_KR.lerp_(self._batch_statistics_KR, MOMENTUM)
        return log_p

    def summed_loss(self, log_p_KBC: Tensor, y_B: Tensor) -> Tensor:
        """Return the training loss ``(K,)`` float64 of rows with these log-probabilities, label smoothing included."""
        return self._loss.summed(log_p_KBC, y_B)

    def _backward(self, gradient: Tensor) -> None:
        pieces = self._output.parameter_gradients(gradient)
        gradient = self._output.input_gradient(gradient)
        for layer in reversed(self._hidden):
            gradient, found = layer.parameter_gradients(gradient)
            pieces = found + pieces
            if layer is not self._hidden[0]:
                gradient = layer.input_gradient(gradient)
        torch.cat(pieces, dim=1, out=self.gradients_KP)

    def infer(self, x_BI: Tensor) -> Tensor:
        """Return log-probabilities ``(K, B, padded(C))`` without dropout, normalised by the running statistics."""
        a = x_BI.expand(self.size, *x_BI.shape)
        for layer in self._hidden:
            a = layer.infer(a)
        return self._loss.log_probabilities(self._output.forward(a))

    def member(self, index: int) -> GenreMLP:
        """Return member ``index`` as a separate plain network."""
        network = GenreMLP.build(self.architecture, seed=0).to(self.parameters_KP)
        state = unpack(self.architecture, self.parameters_KP[index], self.statistics_KR[index])
        network.load_state_dict(state)
        return network


class _Linear:
    """A linear layer, with a bias unless batch normalisation follows."""

    def __init__(self, name: str, values: dict[str, Tensor]) -> None:
        self._weight = values[f"{name}.weight"]
        self._weight_OI = self._weight.transpose(1, 2)
        self._bias = values[f"{name}.bias"][:, None] if f"{name}.bias" in values else None

    def forward(self, a_KBI: Tensor) -> Tensor:
        self._input = a_KBI
        if self._bias is None:
            return torch.bmm(a_KBI, self._weight)
        return torch.baddbmm(self._bias, a_KBI, self._weight)

    def parameter_gradients(self, dz_KBO: Tensor) -> list[Tensor]:
        """Return one piece ``(K, n)`` of the gradient per tensor, in the order of the layout."""
        d_weight = torch.bmm(self._input.transpose(1, 2), dz_KBO).flatten(1)
        return [d_weight] if self._bias is None else [d_weight, dz_KBO.sum(1)]

    def input_gradient(self, dz_KBO: Tensor) -> Tensor:
        return torch.bmm(dz_KBO, self._weight_OI)


class _HiddenLayer:
    """A hidden layer: linear, batch normalisation where configured, activation, dropout."""

    def __init__(
        self,
        name: str,
        architecture: Architecture,
        values: dict[str, Tensor],
        batch: dict[str, Tensor],
        dropout: Dropout,
    ) -> None:
        self._linear = _Linear(f"{name}.0", values)
        self._activation: ReluDropout | TanhDropout = ACTIVATIONS[architecture.activation](dropout)
        self._norm: BatchNorm | None = None
        if architecture.batch_norm:
            norm, running = f"{name}.1", ("running_mean", "running_var")
            self._running = [values[f"{norm}.{statistic}"] for statistic in running]
            self._norm = BatchNorm(
                values[f"{norm}.weight"], values[f"{norm}.bias"], *(batch[f"{norm}.{s}"] for s in running)
            )

    def forward(self, a_KBI: Tensor, noise_BO: Tensor) -> Tensor:
        z = self._linear.forward(a_KBI)
        return self._activation.forward(self._norm.forward(z) if self._norm else z, noise_BO)

    def parameter_gradients(self, da_KBO: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the gradient behind the linear layer, and the pieces for the parameters."""
        dz = self._activation.backward(da_KBO)
        if self._norm is None:
            return dz, self._linear.parameter_gradients(dz)
        dz, d_gain, d_shift = self._norm.backward(dz)
        return dz, [*self._linear.parameter_gradients(dz), d_gain[:, 0], d_shift[:, 0]]

    def input_gradient(self, dz_KBO: Tensor) -> Tensor:
        return self._linear.input_gradient(dz_KBO)

    def infer(self, a_KBI: Tensor) -> Tensor:
        z = self._linear.forward(a_KBI)
        return self._activation.infer(self._norm.infer(z, *self._running) if self._norm else z)
