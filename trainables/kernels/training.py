"""The training steps of one network after another, compiled: what a CPU does best with networks this small.

Same arithmetic as ``StackedMLP`` with ``StackedOptimiser``, which stay as its reference in the tests and as the way to
train on a GPU. There the members of a stack share each operation; here they share the batches, the noise and the
compiled code, and each member's weights and activations stay in the core's own cache. A member's numbers cannot depend
on its company: it is computed alone.

Imported, with the modules that it imports, from a copy in the user's cache (see ``trainables.stack.compiled``), and so
none of them imports anything else of genresweep.
Indices: ``i`` rows of the batch, ``j`` inputs, ``o`` outputs of a layer, ``k`` members. ``settings`` is float64
``(K, 9)``, a row per member. The named tuples are in ``structures``.
"""

import numpy as np

from .hidden_layers import RELU, TANH, column_sums, fold, hidden_backward, hidden_forward, hidden_infer
from .products import multiply, transpose
from .random_numbers import draw_noise, twister
from .softmax import confuse, softmax_gradient
from .structures import (
    Average,
    Chunk,
    Dropout,
    FoldedNorm,
    Gradients,
    HiddenLayer,
    Members,
    Moments,
    Network,
    Norm,
    Scratch,
    Shape,
    StepRule,
)
from .vectors import as_matrix, compiled, filled_vector, inlined, lane_sum, load, tensor

__all__ = [
    "RELU", "TANH", "Chunk", "Members", "Shape", "draw_noise", "evaluate_stack", "multiply", "softmax_gradient",
    "train_stack", "transpose", "twister", "work_size",
]  # fmt: skip

INPUTS, OUTPUTS, WEIGHT, BIAS, GAIN, SHIFT, RUNNING_MEAN, RUNNING_VARIANCE = range(8)
"""Columns of ``layers``: padded sizes, then where each tensor starts in a member's row, or -1."""

(
    DROP_THRESHOLD, KEPT_FACTOR, OPTIMIZER, WEIGHT_DECAY, MOMENTUM, LABEL_SMOOTHING, CLIP_NORM, EMA_DECAY, FROZEN,
) = range(9)  # fmt: skip
"""Columns of ``settings``.

Those of dropout are as in ``structures.Dropout``, ``FROZEN`` is the number of parameters, from the first on, that are
left as they are, and the others are hyperparameters (``CLIP_NORM`` is infinite where nothing is clipped).
"""

ADAM, ADAMW, SGD = 0, 1, 2
"""Values of ``OPTIMIZER``."""

_BETA1, _BETA2, _EPSILON, _CLIP_EPSILON = 0.9, 0.999, 1e-8, 1e-6


@compiled
def _clip(gradient, clip_norm):
    """Scale the gradient down to a norm of at most ``clip_norm``."""
    sums = filled_vector(gradient.dtype.type(0), 32)
    whole = gradient.size - gradient.size % 32
    for n in range(0, whole, 32):
        part = load(gradient, n, sums)
        sums += part * part
    squares = lane_sum(sums)
    for n in range(whole, gradient.size):
        squares += gradient[n] * gradient[n]
    shrink = clip_norm / (np.sqrt(squares) + gradient.dtype.type(_CLIP_EPSILON))
    if not shrink >= 1:
        for n in range(gradient.size):
            gradient[n] *= shrink


@compiled
def _step(parameters, gradient, moments, rule, learning_rate, step):
    """Take step number ``step``, from 1, of Adam, AdamW or SGD, as ``torch.optim``; overwrites the gradient."""
    kind, first, second = parameters.dtype.type, moments.first, moments.second
    if rule.optimizer == ADAMW:
        for n in range(parameters.size):
            parameters[n] *= 1 - learning_rate * rule.weight_decay
    elif rule.weight_decay > 0:
        for n in range(parameters.size):
            gradient[n] += rule.weight_decay * parameters[n]
    if rule.optimizer == SGD:
        if rule.momentum > 0:
            for n in range(parameters.size):
                first[n] = rule.momentum * first[n] + gradient[n]
                parameters[n] -= learning_rate * first[n]
        else:
            for n in range(parameters.size):
                parameters[n] -= learning_rate * gradient[n]
        return
    root = np.sqrt(1 - _BETA2**step)
    size = kind(learning_rate * root / (1 - _BETA1**step))
    epsilon = kind(_EPSILON * root)
    one_less1, beta2, one_less2 = kind(1 - _BETA1), kind(_BETA2), kind(1 - _BETA2)
    for n in range(parameters.size):
        first[n] += one_less1 * (gradient[n] - first[n])
        second[n] = beta2 * second[n] + one_less2 * gradient[n] * gradient[n]
        parameters[n] -= size * first[n] / (np.sqrt(second[n]) + epsilon)


@compiled
def _average(average, network, decay, step):
    """Move a member's average towards its numbers after step number ``step``, from 1; ``newest_weights`` has why."""
    newest = network.parameters.dtype.type(max(1 - decay, 9 / (10 + step)))
    for n in range(average.parameters.size):
        average.parameters[n] += newest * (network.parameters[n] - average.parameters[n])
    for n in range(average.statistics.size):
        average.statistics[n] += newest * (network.statistics[n] - average.statistics[n])


@inlined
def _norm(network, layer):
    """Return the ``Norm`` of a layer."""
    places = network.layers[layer]
    outputs = places[OUTPUTS]
    return Norm(
        tensor(network.parameters, places[GAIN], outputs),
        tensor(network.parameters, places[SHIFT], outputs),
        tensor(network.statistics, places[RUNNING_MEAN], outputs),
        tensor(network.statistics, places[RUNNING_VARIANCE], outputs),
    )


@inlined
def _hidden(scratch, layer):
    """Return the ``HiddenLayer`` of a layer."""
    return HiddenLayer(
        scratch.z[layer], scratch.a[layer], scratch.derivative[layer], scratch.factor[layer], scratch.inverse_std[layer]
    )


@compiled
def _linear(x, network, layer, z, a, zeros):
    """Write a layer's ``z`` from what the layer below has left in ``a``, or the lowest layer's from ``x``."""
    parameters, layers = network.parameters, network.layers
    inputs, outputs = layers[layer, INPUTS], layers[layer, OUTPUTS]
    weight = as_matrix(parameters[layers[layer, WEIGHT] :], inputs, outputs)
    bias = tensor(parameters, layers[layer, BIAS], outputs)
    start, z_io = bias if bias.size > 0 else zeros, as_matrix(z[layer], len(x), outputs)
    if layer == 0:
        multiply(x, weight, start, z_io)
    else:
        multiply(as_matrix(a[layer - 1], len(x), inputs), weight, start, z_io)


@compiled
def _forward(x, noise, network, dropout, scratch):
    """Take one batch forward through all layers; the class scores are left in the last row of ``z``."""
    rows, depth = len(x), len(network.layers)
    column = 0
    for layer in range(depth):
        _linear(x, network, layer, scratch.z, scratch.a, scratch.zeros)
        if layer == depth - 1:
            return
        outputs = network.layers[layer, OUTPUTS]
        hidden_forward(_hidden(scratch, layer), rows, outputs, _norm(network, layer), noise, column, dropout)
        column += outputs


@compiled
def _backward(x, network, gradient, scratch):
    """Write the gradient of one batch from that of the class scores, which is in the last row of ``z``."""
    parameters, layers = network.parameters, network.layers
    rows, depth = len(x), len(layers)
    dz = scratch.z[depth - 1]
    column_sums(dz, rows, layers[-1, OUTPUTS], gradient[layers[-1, BIAS] :])
    for layer in range(depth - 1, -1, -1):
        inputs, outputs = layers[layer, INPUTS], layers[layer, OUTPUTS]
        dz_io, d_weight = as_matrix(dz, rows, outputs), as_matrix(gradient[layers[layer, WEIGHT] :], inputs, outputs)
        if layer == 0:
            multiply(x.T, dz_io, scratch.zeros, d_weight)
            return
        below = layer - 1
        a_ij = as_matrix(scratch.a[below], rows, inputs)
        multiply(a_ij.T, dz_io, scratch.zeros, d_weight)
        weight = as_matrix(parameters[layers[layer, WEIGHT] :], inputs, outputs)
        weight_oj = as_matrix(scratch.transposed, outputs, inputs)
        transpose(weight, weight_oj)
        multiply(dz_io, weight_oj, scratch.zeros, a_ij)
        gradients = Gradients(
            tensor(gradient, layers[below, BIAS], inputs),
            tensor(gradient, layers[below, GAIN], inputs),
            tensor(gradient, layers[below, SHIFT], inputs),
        )
        hidden_backward(_hidden(scratch, below), rows, inputs, gradients)
        dz = scratch.derivative[below]


def work_size(depth, widest, parameters, batch_size):
    """Return how many numbers ``train_stack`` needs to work with."""
    return depth * widest * (3 * batch_size + 2) + widest * widest + widest + parameters


@compiled
def _scratch(work, depth, widest, batch_size):
    """Return the ``Scratch`` that ``work`` has room for, and what is left of ``work``."""
    area, column, square = depth * batch_size * widest, depth * widest, widest * widest
    rest = work[3 * area + 2 * column :]
    zeros = rest[square : square + widest]
    zeros[:] = 0
    scratch = Scratch(
        as_matrix(work, depth, batch_size * widest),
        as_matrix(work[area:], depth, batch_size * widest),
        as_matrix(work[2 * area :], depth, batch_size * widest),
        as_matrix(work[3 * area :], depth, widest),
        as_matrix(work[3 * area + column :], depth, widest),
        rest,
        zeros,
    )
    return scratch, rest[square + widest :]


@compiled
def _train_member(network, moments, average, chunk, shape, setting, learning_rates, step, work):
    """Train one member through a chunk of batches, in place, and return its summed training loss."""
    kind, frozen, layers = network.parameters.dtype.type, int(setting[FROZEN]), shape.layers
    scratch, rest = _scratch(work, len(layers), shape.widest, shape.batch_size)
    gradient = rest[: network.parameters.size]
    dropout = Dropout(shape.activation, kind(setting[DROP_THRESHOLD]), kind(setting[KEPT_FACTOR]))
    rule = StepRule(int(setting[OPTIMIZER]), kind(setting[WEIGHT_DECAY]), kind(setting[MOMENTUM]))
    trained = network.parameters[frozen:]
    trained_moments = Moments(moments.first[frozen:], moments.second[frozen:])
    scores, smoothing = scratch.z[-1], kind(setting[LABEL_SMOOTHING])
    gradient[:] = 0
    loss = 0.0
    for batch in range(len(learning_rates)):
        start, stop = batch * shape.batch_size, min((batch + 1) * shape.batch_size, len(chunk.x))
        x, y, noise = chunk.x[start:stop], chunk.y[start:stop], chunk.noise[start:stop]
        _forward(x, noise, network, dropout, scratch)
        loss += softmax_gradient(scores, stop - start, layers[-1, OUTPUTS], y, shape.classes, smoothing)
        _backward(x, network, gradient, scratch)
        if setting[CLIP_NORM] < np.inf:
            _clip(gradient[frozen:], kind(setting[CLIP_NORM]))
        _step(trained, gradient[frozen:], trained_moments, rule, learning_rates[batch], step + batch + 1)
        _average(average, network, setting[EMA_DECAY], step + batch + 1)
    return loss


@compiled
def train_stack(members, chunk, shape, settings, learning_rates, step, work, losses):
    """Train the members through a chunk of batches, in place, and write their summed losses to ``losses (K,)``.

    ``members`` is a ``Members``, ``chunk`` a ``Chunk``, ``shape`` a ``Shape``; ``learning_rates (K, batches)``, and
    ``work (work_size,)`` is overwritten. ``step`` optimiser steps have been taken before.
    """
    for k in range(len(losses)):
        network = Network(members.parameters[k], members.statistics[k], shape.layers)
        moments = Moments(members.first_moment[k], members.second_moment[k])
        average = Average(members.average_parameters[k], members.average_statistics[k])
        losses[k] = _train_member(network, moments, average, chunk, shape, settings[k], learning_rates[k], step, work)


@compiled
def _evaluate_member(network, x, y, shape, work, confusion):
    """Count one member's predictions in ``confusion``, and return its summed loss."""
    layers = network.layers
    depth = len(layers)
    scratch, _ = _scratch(work, depth, shape.widest, shape.batch_size)
    z, factors, addends = scratch.z, scratch.factor, scratch.inverse_std  # whose place nothing else needs here
    for layer in range(depth - 1):
        if layers[layer, GAIN] >= 0:
            fold(layers[layer, OUTPUTS], _norm(network, layer), factors[layer], addends[layer])
    loss = 0.0
    for start in range(0, len(x), shape.batch_size):
        stop = min(start + shape.batch_size, len(x))
        for layer in range(depth):
            _linear(x[start:stop], network, layer, z, z, scratch.zeros)
            if layer < depth - 1:
                folded = FoldedNorm(layers[layer, GAIN] >= 0, factors[layer], addends[layer])
                hidden_infer(z[layer], stop - start, layers[layer, OUTPUTS], folded, shape.activation)
        loss += confuse(z[depth - 1], stop - start, layers[-1, OUTPUTS], y[start:stop], shape.classes, confusion)
    return loss


@compiled
def evaluate_stack(members, x, y, shape, work, losses, confusion):
    """Write the members' summed losses on some rows to ``losses (K,)``, and add their predictions to ``confusion``.

    ``x (n, inputs)`` and ``y (n,)`` are the rows, ``confusion`` is int64 ``(K, C, C)``, true by predicted class. The
    rest is as for ``train_stack``.
    """
    for k in range(len(losses)):
        network = Network(members.parameters[k], members.statistics[k], shape.layers)
        losses[k] = _evaluate_member(network, x, y, shape, work, confusion[k])
