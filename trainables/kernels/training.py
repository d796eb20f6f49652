"""The training steps of one network after another, compiled: what a CPU does best with networks this small.

Same arithmetic as ``StackedMLP`` with ``StackedOptimiser``, which stay as its reference in the tests and as the way to
train on a GPU. There the members of a stack share each operation; here they share the batches, the noise and the
compiled code, and each member's weights and activations stay in the core's own cache. A member's numbers cannot depend
on its company: it is computed alone.

Imported, with the modules that it imports, from a copy in the user's cache (see ``compiled``), and so none of them
imports anything else of genresweep.
Indices: ``i`` rows of the batch, ``j`` inputs, ``o`` outputs of a layer, ``k`` members. ``layers`` is int64 ``(L, 8)``,
a row each; ``settings`` is float64 ``(K, 8)``.
"""

import numpy as np

from .hidden_layers import RELU, TANH, column_sums, fold, hidden_backward, hidden_forward, hidden_infer
from .products import multiply, transpose
from .random_numbers import draw_noise, twister
from .softmax import confuse, softmax_gradient
from .vectors import compiled, inlined, load, matrix, tensor, total, vector

__all__ = [
    "RELU", "TANH", "draw_noise", "evaluate_stack", "multiply", "softmax_gradient", "train_stack", "transpose",
    "twister", "work_size",
]  # fmt: skip

INPUTS, OUTPUTS, WEIGHT, BIAS, GAIN, SHIFT, MEAN, VARIANCE = range(8)
"""Columns of ``layers``: padded sizes, then where each tensor starts in a member's row, or -1."""

THRESHOLD, SCALE, FAMILY, DECAY, INERTIA, SMOOTHING, LIMIT, FROZEN = range(8)
"""Columns of ``settings``: of the noise, of what dropout keeps, the optimiser's, the loss's, of the gradient's norm."""

ADAM, ADAMW, SGD = 0, 1, 2

_BETA1, _BETA2, _EPSILON, _CLIP_EPSILON = 0.9, 0.999, 1e-8, 1e-6


@compiled
def _clip(gradient, limit):
    """Scale the gradient down to a norm of at most ``limit``."""
    sums = vector(gradient.dtype.type(0), 32)
    whole = gradient.size - gradient.size % 32
    for n in range(0, whole, 32):
        part = load(gradient, n, sums)
        sums += part * part
    squares = total(sums)
    for n in range(whole, gradient.size):
        squares += gradient[n] * gradient[n]
    scale = limit / (np.sqrt(squares) + gradient.dtype.type(_CLIP_EPSILON))
    if not scale >= 1:
        for n in range(gradient.size):
            gradient[n] *= scale


@compiled
def _step(parameters, gradient, momentum, variance, family, rate, decay, inertia, count):
    """Step number ``count`` of Adam, AdamW or SGD (with ``inertia`` as its momentum), as ``torch.optim``."""
    kind = parameters.dtype.type
    if family == ADAMW:
        for n in range(parameters.size):
            parameters[n] *= 1 - rate * decay
    elif decay > 0:
        for n in range(parameters.size):
            gradient[n] += decay * parameters[n]
    if family == SGD:
        if inertia > 0:
            for n in range(parameters.size):
                momentum[n] = inertia * momentum[n] + gradient[n]
                parameters[n] -= rate * momentum[n]
        else:
            for n in range(parameters.size):
                parameters[n] -= rate * gradient[n]
        return
    root = np.sqrt(1 - _BETA2**count)
    size = kind(rate * root / (1 - _BETA1**count))
    epsilon = kind(_EPSILON * root)
    one_less1, beta2, one_less2 = kind(1 - _BETA1), kind(_BETA2), kind(1 - _BETA2)
    for n in range(parameters.size):
        momentum[n] += one_less1 * (gradient[n] - momentum[n])
        variance[n] = beta2 * variance[n] + one_less2 * gradient[n] * gradient[n]
        parameters[n] -= size * momentum[n] / (np.sqrt(variance[n]) + epsilon)


@inlined
def _norm(parameters, statistics, layer):
    """Gain, shift, running mean and variance of a layer; empty where it has none."""
    outputs = layer[OUTPUTS]
    return (
        tensor(parameters, layer[GAIN], outputs),
        tensor(parameters, layer[SHIFT], outputs),
        tensor(statistics, layer[MEAN], outputs),
        tensor(statistics, layer[VARIANCE], outputs),
    )


@compiled
def _linear(x, parameters, layers, layer, z, a, zeros):
    """A layer's ``z`` from what the layer below has left in ``a``, the lowest's from ``x``."""
    inputs, outputs = layers[layer, INPUTS], layers[layer, OUTPUTS]
    weight = matrix(parameters[layers[layer, WEIGHT] :], inputs, outputs)
    bias = tensor(parameters, layers[layer, BIAS], outputs)
    start, z_io = bias if bias.size > 0 else zeros, matrix(z[layer], len(x), outputs)
    if layer == 0:
        multiply(x, weight, start, z_io)
    else:
        multiply(matrix(a[layer - 1], len(x), inputs), weight, start, z_io)


@compiled
def _forward(x, noise, network, dropout, scratch):
    """Forward pass of one batch, all layers; the class scores are left in the last row of ``z``."""
    parameters, statistics, layers = network
    z, a, slope_of_a, slope, inverse_std, _, zeros = scratch
    rows, depth = len(x), len(layers)
    column = 0
    for layer in range(depth):
        _linear(x, parameters, layers, layer, z, a, zeros)
        if layer == depth - 1:
            return
        outputs, norm = layers[layer, OUTPUTS], _norm(parameters, statistics, layers[layer])
        of_layer = z[layer], a[layer], slope_of_a[layer]
        hidden_forward(of_layer, rows, outputs, norm, slope[layer], inverse_std[layer], noise, column, dropout)
        column += outputs


@compiled
def _backward(x, network, gradient, scratch):
    """Backward pass of one batch from the gradient of the class scores, in the last row of ``z``."""
    parameters, _, layers = network
    z, a, slope_of_a, slope, inverse_std, transposed, zeros = scratch
    rows, depth = len(x), len(layers)
    dz = z[depth - 1]
    column_sums(dz, rows, layers[-1, OUTPUTS], gradient[layers[-1, BIAS] :])
    for layer in range(depth - 1, -1, -1):
        inputs, outputs = layers[layer, INPUTS], layers[layer, OUTPUTS]
        dz_io, d_weight = matrix(dz, rows, outputs), matrix(gradient[layers[layer, WEIGHT] :], inputs, outputs)
        if layer == 0:
            multiply(x.T, dz_io, zeros, d_weight)
            return
        below = layer - 1
        a_ij = matrix(a[below], rows, inputs)
        multiply(a_ij.T, dz_io, zeros, d_weight)
        weight, weight_oj = (
            matrix(parameters[layers[layer, WEIGHT] :], inputs, outputs),
            matrix(transposed, outputs, inputs),
        )
        transpose(weight, weight_oj)
        multiply(dz_io, weight_oj, zeros, a_ij)
        gradients = (
            tensor(gradient, layers[below, BIAS], inputs),
            tensor(gradient, layers[below, GAIN], inputs),
            tensor(gradient, layers[below, SHIFT], inputs),
        )
        dz = slope_of_a[below]
        hidden_backward(dz, a[below], z[below], rows, inputs, gradients, slope[below], inverse_std[below])


def work_size(depth, widest, parameters, batch_size):
    """Numbers that ``train_stack`` needs to work with."""
    return depth * widest * (3 * batch_size + 2) + widest * widest + widest + parameters


@compiled
def _scratch(work, depth, widest, batch_size):
    """Places for what each layer keeps from its forward to its backward pass, and what is left of ``work``."""
    area, column, square = depth * batch_size * widest, depth * widest, widest * widest
    z = matrix(work, depth, batch_size * widest)
    a, slope_of_a = (
        matrix(work[area:], depth, batch_size * widest),
        matrix(work[2 * area :], depth, batch_size * widest),
    )
    slope, inverse_std = matrix(work[3 * area :], depth, widest), matrix(work[3 * area + column :], depth, widest)
    rest = work[3 * area + 2 * column :]
    rest[square : square + widest] = 0
    return (z, a, slope_of_a, slope, inverse_std, rest, rest[square : square + widest]), rest[square + widest :]


@compiled
def _train_member(parameters, statistics, momentum, variance, layers, chunk, shape, work, setting, rates, count):
    """Train one member through a chunk of batches, in place; returns the summed training loss."""
    (x, y, noise), (widest, batch_size, classes, activation) = chunk, shape
    kind, frozen = parameters.dtype.type, int(setting[FROZEN])
    scratch, rest = _scratch(work, len(layers), widest, batch_size)
    network, gradient = (parameters, statistics, layers), rest[: parameters.size]
    dropout = activation, kind(setting[THRESHOLD]), kind(setting[SCALE])
    gradient[:] = 0
    loss = 0.0
    for batch in range(len(rates)):
        start, stop = batch * batch_size, min((batch + 1) * batch_size, len(x))
        _forward(x[start:stop], noise[start:stop], network, dropout, scratch)
        scores, smoothing = scratch[0][-1], kind(setting[SMOOTHING])
        loss += softmax_gradient(scores, stop - start, layers[-1, OUTPUTS], y[start:stop], classes, smoothing)
        _backward(x[start:stop], network, gradient, scratch)
        if setting[LIMIT] < np.inf:
            _clip(gradient[frozen:], kind(setting[LIMIT]))
        _step(
            parameters[frozen:], gradient[frozen:], momentum[frozen:], variance[frozen:],
            int(setting[FAMILY]), rates[batch], kind(setting[DECAY]), kind(setting[INERTIA]), count + batch + 1,
        )  # fmt: skip
    return loss


@compiled
def train_stack(
    parameters, statistics, momentum, variance, layers, x, y, noise, work,
    widest, batch_size, classes, activation, settings, rates, count, losses,
):  # fmt: skip
    """Train the members through a chunk of batches, in place; their summed training losses go to ``losses (K,)``.

    ``parameters``, ``momentum`` and ``variance`` are ``(K, P)``, ``statistics`` ``(K, R)``; ``x (n, d)``, ``y (n,)``,
    ``noise (n, sum of padded widths)``, ``rates (K, batches)`` the learning rates, ``work (work_size,)``. The first
    ``FROZEN`` parameters of a member are left as they are; ``count`` optimiser steps have been taken before.
    """
    chunk, shape = (x, y, noise), (widest, batch_size, classes, activation)
    for k in range(len(losses)):
        losses[k] = _train_member(
            parameters[k],
            statistics[k],
            momentum[k],
            variance[k],
            layers,
            chunk,
            shape,
            work,
            settings[k],
            rates[k],
            count,
        )


@compiled
def _evaluate_member(parameters, statistics, layers, rows, shape, work, confusion):
    """Count one member's predictions, and return its summed loss."""
    (x, y), (widest, batch_size, classes, activation) = rows, shape
    depth = len(layers)
    (z, _, _, slope, shift, _, zeros), _ = _scratch(work, depth, widest, batch_size)
    for layer in range(depth - 1):
        if layers[layer, GAIN] >= 0:
            fold(layers[layer, OUTPUTS], _norm(parameters, statistics, layers[layer]), slope[layer], shift[layer])
    loss = 0.0
    for begin in range(0, len(x), batch_size):
        end = min(begin + batch_size, len(x))
        for layer in range(depth):
            _linear(x[begin:end], parameters, layers, layer, z, z, zeros)
            if layer < depth - 1:
                normalised, width = layers[layer, GAIN] >= 0, layers[layer, OUTPUTS]
                hidden_infer(z[layer], end - begin, width, normalised, slope[layer], shift[layer], activation)
        loss += confuse(z[depth - 1], end - begin, layers[-1, OUTPUTS], y[begin:end], classes, confusion)
    return loss


@compiled
def evaluate_stack(
    parameters, statistics, layers, x, y, work, widest, batch_size, classes, activation, losses, confusion,
):  # fmt: skip
    """Summed losses ``(K,)`` and confusion matrices int64 ``(K, C, C)``, true by predicted class, of the rows.

    Confusion is added to what is there. The rest is as for ``train_stack``.
    """
    for k in range(len(losses)):
        shape = widest, batch_size, classes, activation
        losses[k] = _evaluate_member(parameters[k], statistics[k], layers, (x, y), shape, work, confusion[k])
