"""The training steps of one network after another, compiled: what a CPU does best with networks this small.

Same arithmetic as ``StackedMLP`` with ``StackedOptimiser``, which stay as its reference in the tests and as the way to
train on a GPU. There the members of a stack share each operation; here they share the batches, the noise and the
compiled code, and each member's weights and activations stay in the core's own cache. A member's numbers cannot depend
on its company: it is computed alone.

Imported, with ``products`` beside it, from a copy in the user's cache (see ``compiled``), and so neither imports
anything else of genresweep.
Indices: ``i`` rows of the batch, ``j`` inputs, ``o`` outputs of a layer. ``layers`` is int64 ``(L, 8)``, a row each.
"""

import numpy as np

from .products import compiled, multiply

INPUTS, OUTPUTS, WEIGHT, BIAS, GAIN, SHIFT, MEAN, VARIANCE = range(8)
"""Columns of ``layers``: padded sizes, then where each tensor starts in a member's row, or -1."""

ADAM, ADAMW, SGD = 0, 1, 2
RELU, TANH = 0, 1

_MOMENTUM, _BN_EPSILON = 0.1, 1e-5
_BETA1, _BETA2, _EPSILON, _CLIP_EPSILON = 0.9, 0.999, 1e-8, 1e-6


@compiled
def _normalise(z, gain, running_mean, running_variance, slope, inverse_std):
    """Batch normalisation: leaves ``z`` centred, and what ``y = shift + z * slope`` needs in ``slope``."""
    rows, width = z.shape
    mean, squares = np.zeros(width, z.dtype), np.zeros(width, z.dtype)
    for i in range(rows):
        for o in range(width):
            mean[o] += z[i, o]
    for o in range(width):
        mean[o] /= rows
    for i in range(rows):
        for o in range(width):
            z[i, o] -= mean[o]
            squares[o] += z[i, o] * z[i, o]
    momentum = z.dtype.type(_MOMENTUM)
    for o in range(width):
        inverse_std[o] = 1 / np.sqrt(squares[o] / rows + z.dtype.type(_BN_EPSILON))
        slope[o] = gain[o] * inverse_std[o]
        running_mean[o] += momentum * (mean[o] - running_mean[o])
        running_variance[o] += momentum * (squares[o] / (rows - 1) - running_variance[o])


@compiled
def _normalise_backward(dy, centred, slope, inverse_std, d_gain, d_shift):
    """Gradient for the input of batch normalisation, in place of ``dy``; writes those of gain and shift."""
    rows, width = dy.shape
    d_gain[:] = 0
    d_shift[:] = 0
    for i in range(rows):
        for o in range(width):
            d_shift[o] += dy[i, o]
            d_gain[o] += dy[i, o] * centred[i, o]
    offset, tilt = np.empty(width, dy.dtype), np.empty(width, dy.dtype)
    for o in range(width):
        d_gain[o] *= inverse_std[o]
        offset[o] = slope[o] * d_shift[o] / rows
        tilt[o] = slope[o] * inverse_std[o] * d_gain[o] / rows
    for i in range(rows):
        for o in range(width):
            dy[i, o] = dy[i, o] * slope[o] - offset[o] - centred[i, o] * tilt[o]


@compiled
def _activate(y, noise, threshold, scale, activation, a, slope_of_a):
    """Activation and dropout of a layer: ``a``, and its derivative for ``y``."""
    rows, width = y.shape
    zero = y.dtype.type(0)
    for i in range(rows):
        if activation == RELU:
            for o in range(width):
                kept = scale if noise[i, o] > threshold else zero
                # `not <=` lets a value through that is not a number, so that a diverged network is seen to be one.
                kept = zero if y[i, o] <= zero else kept
                slope_of_a[i, o] = kept
                a[i, o] = y[i, o] * kept
        else:
            for o in range(width):
                kept = scale if noise[i, o] > threshold else zero
                bent = np.tanh(y[i, o])
                slope_of_a[i, o] = kept * (1 - bent * bent)
                a[i, o] = kept * bent


@compiled
def _softmax_gradient(logits, y, classes, smoothing):
    """Summed cross-entropy of the rows; ``logits`` become the gradient of its mean, 0 in the padding.

    The label has all but ``smoothing`` of the target, which is spread evenly over the classes.
    """
    rows, width = logits.shape
    loss = 0.0
    spread = smoothing / classes
    for i in range(rows):
        largest = logits[i, 0]
        for c in range(1, classes):
            largest = max(largest, logits[i, c])
        own = logits[i, y[i]] - largest
        if smoothing > 0:
            own *= 1 - smoothing
            for c in range(classes):
                own += spread * (logits[i, c] - largest)
        total = logits[i, 0] * 0
        for c in range(classes):
            logits[i, c] = np.exp(logits[i, c] - largest)
            total += logits[i, c]
        loss += np.log(total) - own
        share = 1 / (total * rows)
        for c in range(classes):
            logits[i, c] = logits[i, c] * share - spread / rows
        logits[i, y[i]] -= (1 - smoothing) / rows
        for c in range(classes, width):
            logits[i, c] = 0
    return loss


@compiled
def _clip(gradient, limit):
    """Scale the gradient down to a norm of at most ``limit``."""
    squares = gradient[0] * 0
    for n in range(gradient.size):
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


@compiled
def _matrix(buffer, start, rows, columns):
    return buffer[start : start + rows * columns].reshape(rows, columns)


@compiled
def _piece(row, start, length):
    return row[start : start + length]


@compiled
def _forward(
    x,
    noise,
    parameters,
    statistics,
    layers,
    activation,
    threshold,
    scale,
    z,
    a,
    slope_of_a,
    slope,
    inverse_std,
):
    """Forward pass of one batch, all layers; the class scores are left in the last row of ``z``."""
    rows, depth = len(x), len(layers)
    column = 0
    for layer in range(depth):
        inputs, outputs = layers[layer, INPUTS], layers[layer, OUTPUTS]
        weight = _matrix(parameters, layers[layer, WEIGHT], inputs, outputs)
        z_io, a_io = _matrix(z[layer], 0, rows, outputs), _matrix(a[layer], 0, rows, outputs)
        biased = layers[layer, BIAS] >= 0
        if biased:
            z_io[:] = _piece(parameters, layers[layer, BIAS], outputs)
        multiply(x if layer == 0 else _matrix(a[layer - 1], 0, rows, inputs), weight, z_io, biased)
        if layer == depth - 1:
            return
        y_io = z_io
        if layers[layer, GAIN] >= 0:
            gain, shift = (
                _piece(parameters, layers[layer, GAIN], outputs),
                _piece(parameters, layers[layer, SHIFT], outputs),
            )
            mean = _piece(statistics, layers[layer, MEAN], outputs)
            variance = _piece(statistics, layers[layer, VARIANCE], outputs)
            _normalise(z_io, gain, mean, variance, slope[layer], inverse_std[layer])
            y_io = a_io
            for i in range(rows):
                for o in range(outputs):
                    y_io[i, o] = shift[o] + z_io[i, o] * slope[layer, o]
        dropped = noise[:, column : column + outputs]
        _activate(y_io, dropped, threshold, scale, activation, a_io, _matrix(slope_of_a[layer], 0, rows, outputs))
        column += outputs


@compiled
def _backward(x, parameters, gradient, layers, z, a, slope_of_a, slope, inverse_std, transposed):
    """Backward pass of one batch from the gradient of the class scores, in the last row of ``z``."""
    rows, depth = len(x), len(layers)
    for layer in range(depth - 1, -1, -1):
        inputs, outputs = layers[layer, INPUTS], layers[layer, OUTPUTS]
        dz = _matrix(z[layer], 0, rows, outputs) if layer == depth - 1 else _matrix(slope_of_a[layer], 0, rows, outputs)
        d_weight = _matrix(gradient, layers[layer, WEIGHT], inputs, outputs)
        if layers[layer, BIAS] >= 0:
            d_bias = _piece(gradient, layers[layer, BIAS], outputs)
            d_bias[:] = 0
            for i in range(rows):
                for o in range(outputs):
                    d_bias[o] += dz[i, o]
        if layer == 0:
            multiply(x.T, dz, d_weight, False)
            return
        below = layer - 1
        a_ij, slope_ij = _matrix(a[below], 0, rows, inputs), _matrix(slope_of_a[below], 0, rows, inputs)
        multiply(a_ij.T, dz, d_weight, False)
        weight, weight_oj = (
            _matrix(parameters, layers[layer, WEIGHT], inputs, outputs),
            _matrix(transposed, 0, outputs, inputs),
        )
        for j in range(inputs):
            for o in range(outputs):
                weight_oj[o, j] = weight[j, o]
        multiply(dz, weight_oj, a_ij, False)
        for i in range(rows):
            for j in range(inputs):
                slope_ij[i, j] *= a_ij[i, j]
        if layers[below, GAIN] >= 0:
            d_gain, d_shift = (
                _piece(gradient, layers[below, GAIN], inputs),
                _piece(gradient, layers[below, SHIFT], inputs),
            )
            centred = _matrix(z[below], 0, rows, inputs)
            _normalise_backward(slope_ij, centred, slope[below], inverse_std[below], d_gain, d_shift)


@compiled
def train_member(
    parameters, statistics, momentum, variance, layers, x, y, noise, batch_size, classes,
    activation, threshold, scale, family, decay, inertia, smoothing, limit, frozen, rates, count,
):  # fmt: skip
    """Train one member through a chunk of batches, in place; returns the summed training loss.

    ``parameters``, ``momentum`` and ``variance`` are ``(P,)``, ``statistics`` ``(R,)``; ``x (n, d)``, ``y (n,)``,
    ``noise (n, sum of padded widths)``, ``rates`` the learning rate of each batch. The first ``frozen`` parameters are
    left as they are; ``count`` optimiser steps have been taken before.
    """
    depth, widest = len(layers), layers[:, OUTPUTS].max()
    kind = parameters.dtype
    z, a = np.empty((depth, batch_size * widest), kind), np.empty((depth, batch_size * widest), kind)
    slope_of_a = np.empty((depth, batch_size * widest), kind)
    slope, inverse_std = np.empty((depth, widest), kind), np.empty((depth, widest), kind)
    transposed, gradient = np.empty(widest * widest, kind), np.zeros(parameters.size, kind)
    loss = 0.0
    for batch in range(len(rates)):
        start, stop = batch * batch_size, min((batch + 1) * batch_size, len(x))
        x_ij = x[start:stop]
        _forward(
            x_ij, noise[start:stop], parameters, statistics, layers, activation, threshold, scale,
            z, a, slope_of_a, slope, inverse_std,
        )  # fmt: skip
        scores = _matrix(z[depth - 1], 0, stop - start, layers[depth - 1, OUTPUTS])
        loss += _softmax_gradient(scores, y[start:stop], classes, smoothing)
        _backward(x_ij, parameters, gradient, layers, z, a, slope_of_a, slope, inverse_std, transposed)
        if limit < np.inf:
            _clip(gradient[frozen:], limit)
        _step(
            parameters[frozen:], gradient[frozen:], momentum[frozen:], variance[frozen:],
            family, rates[batch], decay, inertia, count + batch + 1,
        )  # fmt: skip
    return loss
