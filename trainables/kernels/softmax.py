"""Softmax and cross-entropy of rows of class scores, for the compiled kernels.

``scores`` is flat, ``(rows * width,)``; of a row's ``width`` numbers the first ``classes`` count, the rest is padding.

Like ``training``, imported from a copy in the user's cache, and so nothing here imports anything of genresweep.
"""

import numpy as np

from .vectors import (
    LANE,
    alike,
    compiled,
    filled_vector,
    inlined,
    lane_numbers,
    lane_sum,
    load,
    power_of_two,
    rounded,
    store,
    where_above,
    where_not_above,
)

_LOWEST = -87.0
"""Lowest exponent that is computed; what is below it has its exponential, 1.6e-38."""
_LOG2_E, _LN2_HIGH, _LN2_LOW = 1.4426950408889634, 0.693145751953125, 1.4286068203094173e-06
_LOGS_AT_ONCE = 16
"""Number of sums of exponentials multiplied before a logarithm is taken; each is from 1 to the number of classes."""


@inlined
def _exponential(x):
    """Return ``e ** x`` for ``x <= 0``: a power of two, and the Taylor series of what is left, from -0.35 to 0.35."""
    lowest = alike(_LOWEST, x)
    x = where_not_above(x, lowest, lowest, x)
    power = rounded(x * alike(_LOG2_E, x))
    left = x - power * alike(_LN2_HIGH, x) - power * alike(_LN2_LOW, x)
    series = one = alike(1, x)
    for n in range(12, 0, -1):
        series = one + series * left * alike(1 / n, x)
    return series * power_of_two(power)


@inlined
def _exponentials(scores, row, width, classes):
    """Replace a row's scores by the exponentials of what they are below the largest; return their sum and it."""
    kind = scores.dtype.type
    largest = scores[row]
    for o in range(1, classes):
        largest = max(largest, scores[row + o])
    sums = zeros = filled_vector(kind(0), LANE)
    for o in range(0, width, LANE):
        power = _exponential(load(scores, row + o, zeros) - alike(largest, zeros))
        power = where_above(alike(classes, zeros), lane_numbers(o, zeros), power, zeros)
        store(scores, row + o, power)
        sums += power
    return lane_sum(sums), largest


@compiled
def softmax_gradient(scores, rows, width, y, classes, smoothing):
    """Return the summed cross-entropy of the rows, and write the gradient of its mean to ``scores``.

    The gradient is 0 in the padding. The label ``y (rows,)`` has all but ``smoothing`` of the target; that much is
    spread evenly over the classes.
    """
    kind = scores.dtype.type
    loss, product = 0.0, 1.0
    each_target = smoothing / kind(classes)
    for i in range(rows):
        row = i * width
        own = scores[row + y[i]] * (1 - smoothing)
        if smoothing > 0:
            for o in range(classes):
                own += each_target * scores[row + o]
        summed, largest = _exponentials(scores, row, width, classes)
        loss += largest - own
        product *= summed
        if i % _LOGS_AT_ONCE == _LOGS_AT_ONCE - 1:
            loss += np.log(product)
            product = 1.0
        share, lowering = kind(1) / (summed * kind(rows)), each_target / kind(rows)
        if smoothing > 0:
            for o in range(classes):
                scores[row + o] = scores[row + o] * share - lowering
        else:
            zeros = filled_vector(kind(0), LANE)
            for o in range(0, width, LANE):
                store(scores, row + o, load(scores, row + o, zeros) * alike(share, zeros))
        scores[row + y[i]] -= (1 - smoothing) / kind(rows)
    return loss + np.log(product)


@compiled
def confuse(scores, rows, width, y, classes, confusion):
    """Count the rows in ``confusion (C, C)``, true by predicted class, and return their summed cross-entropy."""
    loss, product = 0.0, 1.0
    for i in range(rows):
        row, predicted = i * width, 0
        for o in range(1, classes):
            if scores[row + o] > scores[row + predicted]:
                predicted = o
        confusion[y[i], predicted] += 1
        own = scores[row + y[i]]
        summed, largest = _exponentials(scores, row, width, classes)
        loss += largest - own
        product *= summed
        if i % _LOGS_AT_ONCE == _LOGS_AT_ONCE - 1:
            loss += np.log(product)
            product = 1.0
    return loss + np.log(product)
