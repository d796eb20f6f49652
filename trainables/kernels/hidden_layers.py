"""Batch normalisation, activation and dropout of a hidden layer, forward and backward, for the compiled kernels.

A block of columns is taken through all rows of the batch at once, its sums in registers. What has a row for each row of
the batch is flat here, ``(rows * width,)``: ``z`` comes in, ``a`` goes out, ``slope_of_a`` is its derivative.

Like ``kernels``, imported from a copy in the user's cache, and so nothing here imports anything of genresweep.
"""

import numpy as np

from .vectors import alike, by_columns, compiled, flat, inlined, load, root, store, where_above, where_not_above

RELU, TANH = 0, 1

_MOMENTUM, _EPSILON = 0.1, 1e-5


@inlined
def _standardise(o, zeros, z, rows, width, norm, slope, inverse_std):
    """Leave ``z`` centred, and what ``y = shift + z * slope`` needs in ``slope``; the running statistics follow."""
    gain, _, running_mean, running_variance = norm
    total = squares = zeros
    for i in range(rows):
        total += load(z, i * width + o, zeros)
    mean = total / alike(rows, zeros)
    for i in range(rows):
        centred = load(z, i * width + o, zeros) - mean
        store(z, i * width + o, centred)
        squares += centred * centred
    variance = squares / alike(rows, zeros)
    inverse = alike(1, zeros) / root(variance + alike(_EPSILON, zeros))
    store(inverse_std, o, inverse)
    store(slope, o, load(gain, o, zeros) * inverse)
    _follow(running_mean, o, mean)
    _follow(running_variance, o, squares / alike(rows - 1, zeros))


@inlined
def _follow(running, o, seen):
    before = load(running, o, seen)
    store(running, o, before + alike(_MOMENTUM, seen) * (seen - before))


@inlined
def _activate(y, place, noise, dropout, a, slope_of_a):
    """ReLU and dropout of a few units. Of tanh nothing yet: ``a`` is ``y``."""
    activation, threshold, scale = dropout
    if activation == RELU:
        zeros = alike(0, y)
        kept = where_above(noise, alike(threshold, y), alike(scale, y), zeros)
        # `not above` lets a value through that is not a number, so that a diverged network is seen to be one.
        kept = where_not_above(y, zeros, zeros, kept)
        store(slope_of_a, place, kept)
        y = y * kept
    store(a, place, y)


@inlined
def _forward_columns(o, zeros, layer, rows, width, norm, slope, inverse_std, drawn, dropout):
    z, a, slope_of_a = layer
    noise, column, noise_width = drawn
    if norm[0].size > 0:
        _standardise(o, zeros, z, rows, width, norm, slope, inverse_std)
        by, plus = load(slope, o, zeros), load(norm[1], o, zeros)
        for i in range(rows):
            y = plus + load(z, i * width + o, zeros) * by
            noise_o = load(noise, i * noise_width + column + o, zeros)
            _activate(y, i * width + o, noise_o, dropout, a, slope_of_a)
    else:
        for i in range(rows):
            noise_o = load(noise, i * noise_width + column + o, zeros)
            _activate(load(z, i * width + o, zeros), i * width + o, noise_o, dropout, a, slope_of_a)


_forward_blocks = by_columns(_forward_columns)


@compiled
def _bend(rows, width, noise, dropout, a, slope_of_a):
    """tanh and dropout of a layer, in place of what came in."""
    _, threshold, scale = dropout
    for i in range(rows):
        for o in range(width):
            place = i * width + o
            kept = scale if noise[i, o] > threshold else a.dtype.type(0)
            bent = np.tanh(a[place])
            slope_of_a[place] = kept * (1 - bent * bent)
            a[place] = kept * bent


@compiled
def hidden_forward(layer, rows, width, norm, slope, inverse_std, noise, column, dropout):
    """Normalisation, where ``norm`` (gain, shift, running mean and variance) is not empty, activation and dropout.

    ``noise (rows, n)`` has this layer's from ``column`` on; ``dropout`` is the activation, the threshold of the noise
    and the scale of what is kept. Leaves in ``z`` what ``hidden_backward`` needs.
    """
    drawn = flat(noise), column, noise.shape[1]
    z, a, slope_of_a = layer
    arguments = layer, rows, width, norm, slope, inverse_std, drawn, dropout
    _forward_blocks(z.dtype.type(0), width, arguments)
    if dropout[0] == TANH:
        _bend(rows, width, noise[:, column : column + width], dropout, a, slope_of_a)


@inlined
def _backward_columns(o, zeros, dy, da, centred, rows, width, gradients, slope, inverse_std):
    d_bias, d_gain, d_shift = gradients
    total = tilt = zeros
    for i in range(rows):
        dy_o = load(dy, i * width + o, zeros) * load(da, i * width + o, zeros)
        store(dy, i * width + o, dy_o)
        total += dy_o
        if d_gain.size > 0:
            tilt += dy_o * load(centred, i * width + o, zeros)
    if d_gain.size == 0:
        store(d_bias, o, total)
        return
    by, inverse, count = load(slope, o, zeros), load(inverse_std, o, zeros), alike(rows, zeros)
    tilt *= inverse
    store(d_shift, o, total)
    store(d_gain, o, tilt)
    offset, tilt = by * total / count, by * inverse * tilt / count
    for i in range(rows):
        dz_o = load(dy, i * width + o, zeros) * by - offset - load(centred, i * width + o, zeros) * tilt
        store(dy, i * width + o, dz_o)


_backward_blocks = by_columns(_backward_columns)


@compiled
def hidden_backward(slope_of_a, da, z, rows, width, gradients, slope, inverse_std):
    """Gradient for ``z``, in place of ``slope_of_a``, from ``da``, that for ``a``.

    ``gradients`` are the places for those of the bias, or of gain and shift: the layer has the one or the others.
    """
    _backward_blocks(da.dtype.type(0), width, (slope_of_a, da, z, rows, width, gradients, slope, inverse_std))


@inlined
def _fold_columns(o, zeros, norm, slope, shift):
    gain, plus, mean, variance = norm
    by = load(gain, o, zeros) / root(load(variance, o, zeros) + alike(_EPSILON, zeros))
    store(slope, o, by)
    store(shift, o, load(plus, o, zeros) - load(mean, o, zeros) * by)


_fold_blocks = by_columns(_fold_columns)


@compiled
def fold(width, norm, slope, shift):
    """Normalisation by the running statistics as ``y = shift + z * slope``."""
    _fold_blocks(slope.dtype.type(0), width, (norm, slope, shift))


@inlined
def _infer_columns(o, zeros, z, rows, width, normalised, slope, shift, activation):
    by, plus = load(slope, o, zeros), load(shift, o, zeros)
    for i in range(rows):
        y = load(z, i * width + o, zeros)
        if normalised:
            y = plus + y * by
        if activation == RELU:
            y = where_not_above(y, zeros, zeros, y)
        store(z, i * width + o, y)


_infer_blocks = by_columns(_infer_columns)


@compiled
def hidden_infer(z, rows, width, normalised, slope, shift, activation):
    """Activations of a layer without dropout, in place of ``z``; where ``normalised``, of ``shift + z * slope``."""
    _infer_blocks(z.dtype.type(0), width, (z, rows, width, normalised, slope, shift, activation))
    if activation == TANH:
        for place in range(rows * width):
            z[place] = np.tanh(z[place])


@inlined
def _sum_columns(o, zeros, matrix, rows, width, sums):
    total = zeros
    for i in range(rows):
        total += load(matrix, i * width + o, zeros)
    store(sums, o, total)


_sum_blocks = by_columns(_sum_columns)


@compiled
def column_sums(matrix, rows, width, sums):
    """Sum over the rows of a flat matrix, to ``sums (width,)``."""
    _sum_blocks(matrix.dtype.type(0), width, (matrix, rows, width, sums))
