"""Batch normalisation, activation and dropout of a hidden layer, forward and backward, for the compiled kernels.

A block of columns is taken through all rows of the batch at once, its sums in registers. What has a row for each row of
the batch is flat here, ``(rows * width,)``: ``z`` comes in, ``a`` goes out, ``derivative`` is that of ``a``.
``width`` is the layer's; ``o`` is the first column of a block, and ``zeros`` a vector as long as the block is wide.

Like ``training``, imported from a copy in the user's cache, and so nothing here imports anything of genresweep.
"""

import numpy as np

from .structures import Noise
from .vectors import alike, by_columns, compiled, flat, inlined, load, root, store, where_above, where_not_above

RELU, TANH = 0, 1
"""Activations, as the kernels count them."""

_NEWEST_WEIGHT, _EPSILON = 0.1, 1e-5
"""Weight of the newest batch in the running statistics, and the number added to a variance."""


@inlined
def _standardise(o, zeros, layer, rows, width, norm):
    """Centre ``z``, write ``factor`` and ``inverse_std`` of the layer, and update the running statistics."""
    total = squares = zeros
    for i in range(rows):
        total += load(layer.z, i * width + o, zeros)
    mean = total / alike(rows, zeros)
    for i in range(rows):
        centred = load(layer.z, i * width + o, zeros) - mean
        store(layer.z, i * width + o, centred)
        squares += centred * centred
    variance = squares / alike(rows, zeros)
    inverse = alike(1, zeros) / root(variance + alike(_EPSILON, zeros))
    store(layer.inverse_std, o, inverse)
    store(layer.factor, o, load(norm.gain, o, zeros) * inverse)
    _update_running(norm.running_mean, o, mean)
    _update_running(norm.running_variance, o, squares / alike(rows - 1, zeros))


@inlined
def _update_running(running, o, newest):
    """Move a running statistic towards that of the newest batch."""
    before = load(running, o, newest)
    store(running, o, before + alike(_NEWEST_WEIGHT, newest) * (newest - before))


@inlined
def _activate(y, place, noise, dropout, layer):
    """Write ``a`` and ``derivative`` of a few units under ReLU; under tanh, only ``y`` to ``a`` for now."""
    if dropout.activation == RELU:
        zeros = alike(0, y)
        kept = where_above(noise, alike(dropout.threshold, y), alike(dropout.kept_factor, y), zeros)
        # `not above` lets a value through that is not a number, so that a diverged network is seen to be one.
        kept = where_not_above(y, zeros, zeros, kept)
        store(layer.derivative, place, kept)
        y = y * kept
    store(layer.a, place, y)


@inlined
def _forward_columns(o, zeros, layer, rows, width, norm, noise, dropout):
    """Take a block of columns forward through the layer."""
    if norm.gain.size > 0:
        _standardise(o, zeros, layer, rows, width, norm)
        factor, shift = load(layer.factor, o, zeros), load(norm.shift, o, zeros)
        for i in range(rows):
            y = shift + load(layer.z, i * width + o, zeros) * factor
            noise_o = load(noise.numbers, i * noise.width + noise.column + o, zeros)
            _activate(y, i * width + o, noise_o, dropout, layer)
    else:
        for i in range(rows):
            noise_o = load(noise.numbers, i * noise.width + noise.column + o, zeros)
            _activate(load(layer.z, i * width + o, zeros), i * width + o, noise_o, dropout, layer)


_forward_blocks = by_columns(_forward_columns)


@compiled
def _activate_by_tanh(layer, rows, width, noise, dropout):
    """Replace what is in ``a`` by its tanh after dropout, and write ``derivative``; ``noise (rows, width)``."""
    a, derivative = layer.a, layer.derivative
    for i in range(rows):
        for o in range(width):
            place = i * width + o
            kept = dropout.kept_factor if noise[i, o] > dropout.threshold else a.dtype.type(0)
            tanh = np.tanh(a[place])
            derivative[place] = kept * (1 - tanh * tanh)
            a[place] = kept * tanh


@compiled
def hidden_forward(layer, rows, width, norm, noise, column, dropout):
    """Write the activations of a layer from its ``z``, by batch normalisation, activation and dropout.

    ``layer`` is a ``HiddenLayer``, ``norm`` a ``Norm``, ``dropout`` a ``Dropout``; ``noise (rows, n)`` has this layer's
    from ``column`` on. Leaves in ``layer`` what ``hidden_backward`` needs, ``z`` centred among it.
    """
    drawn = Noise(flat(noise), column, noise.shape[1])
    _forward_blocks(layer.z.dtype.type(0), width, (layer, rows, width, norm, drawn, dropout))
    if dropout.activation == TANH:
        _activate_by_tanh(layer, rows, width, noise[:, column : column + width], dropout)


@inlined
def _backward_columns(o, zeros, layer, rows, width, gradients):
    """Take a block of columns backward through the layer."""
    dy, da, centred = layer.derivative, layer.a, layer.z
    total = d_gain = zeros
    for i in range(rows):
        dy_o = load(dy, i * width + o, zeros) * load(da, i * width + o, zeros)
        store(dy, i * width + o, dy_o)
        total += dy_o
        if gradients.gain.size > 0:
            d_gain += dy_o * load(centred, i * width + o, zeros)
    if gradients.gain.size == 0:
        store(gradients.bias, o, total)
        return
    factor, inverse, count = load(layer.factor, o, zeros), load(layer.inverse_std, o, zeros), alike(rows, zeros)
    d_gain *= inverse
    store(gradients.shift, o, total)
    store(gradients.gain, o, d_gain)
    of_mean, of_variance = factor * total / count, factor * inverse * d_gain / count
    for i in range(rows):
        dz_o = load(dy, i * width + o, zeros) * factor - of_mean - load(centred, i * width + o, zeros) * of_variance
        store(dy, i * width + o, dz_o)


_backward_blocks = by_columns(_backward_columns)


@compiled
def hidden_backward(layer, rows, width, gradients):
    """Write the gradient of ``z`` to ``derivative``, from that of ``a``, which is found in ``a``.

    ``layer`` is a ``HiddenLayer`` as ``hidden_forward`` left it but for ``a``, ``gradients`` a ``Gradients``: the layer
    has a bias, or gain and shift.
    """
    _backward_blocks(layer.z.dtype.type(0), width, (layer, rows, width, gradients))


@inlined
def _fold_columns(o, zeros, norm, factor, addend):
    """Fold a block of columns."""
    by = load(norm.gain, o, zeros) / root(load(norm.running_variance, o, zeros) + alike(_EPSILON, zeros))
    store(factor, o, by)
    store(addend, o, load(norm.shift, o, zeros) - load(norm.running_mean, o, zeros) * by)


_fold_blocks = by_columns(_fold_columns)


@compiled
def fold(width, norm, factor, addend):
    """Write batch normalisation by the running statistics as ``y = addend + z * factor``, ``(width,)`` each."""
    _fold_blocks(factor.dtype.type(0), width, (norm, factor, addend))


@inlined
def _infer_columns(o, zeros, z, rows, width, folded, activation):
    """Take a block of columns through the layer, but for tanh."""
    factor, addend = load(folded.factor, o, zeros), load(folded.addend, o, zeros)
    for i in range(rows):
        y = load(z, i * width + o, zeros)
        if folded.present:
            y = addend + y * factor
        if activation == RELU:
            y = where_not_above(y, zeros, zeros, y)
        store(z, i * width + o, y)


_infer_blocks = by_columns(_infer_columns)


@compiled
def hidden_infer(z, rows, width, folded, activation):
    """Replace ``z`` by the activations of a layer without dropout; ``folded`` is a ``FoldedNorm``."""
    _infer_blocks(z.dtype.type(0), width, (z, rows, width, folded, activation))
    if activation == TANH:
        for place in range(rows * width):
            z[place] = np.tanh(z[place])


@inlined
def _sum_columns(o, zeros, numbers, rows, width, sums):
    """Sum a block of columns."""
    total = zeros
    for i in range(rows):
        total += load(numbers, i * width + o, zeros)
    store(sums, o, total)


_sum_blocks = by_columns(_sum_columns)


@compiled
def column_sums(numbers, rows, width, sums):
    """Write the sums over the rows of a flat matrix to ``sums (width,)``."""
    _sum_blocks(numbers.dtype.type(0), width, (numbers, rows, width, sums))
