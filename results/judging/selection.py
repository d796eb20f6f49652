"""Ensemble selection: the share of each network in a mixture that fits validation rows best.

Greedy selection with replacement from a library of models (Caruana et al. 2004, section 2), once for each of several
random parts of the rows, so that no network gets a large share by the luck of a few rows. Bags of candidates, as in
their section 2.3, would leave the best ones out of every second bag: with few good candidates that costs more than it
saves.
"""

from __future__ import annotations

import numpy as np

BAGS = 20
"""Selections whose shares are averaged, each made on a random part of the rows."""
PART = 0.5
"""Share of the rows that a bag is chosen on."""
STEPS = 40
"""Networks that a bag takes, counted with repetition; those after the least loss are left out again."""
_LEAST = np.finfo(np.float32).tiny
"""Least probability: one of 0 has no logarithm."""


def select(true: np.ndarray, *, bags: int = BAGS, part: float = PART) -> np.ndarray:
    """Return the share of each candidate in a mixture, ``(K,)`` float64 of sum 1, chosen by the mixture's log loss.

    ``true``: ``(K, n)`` probabilities that each candidate gives the true label of each row. The bags are drawn from a
    fixed seed, so that equal probabilities give equal shares. Of equal candidates the earlier is taken. Where the
    mixture is no better on all rows than the best candidate, as may happen with few rows, one bag of all is taken.

    >>> select(np.array([[0.9, 0.2], [0.2, 0.9], [0.4, 0.4]], dtype=np.float32), bags=1, part=1.0)
    array([0.5, 0.5, 0. ])
    """
    if not true.size:
        raise ValueError(f"a mixture needs at least one candidate and one row, but got {true.shape}")
    true = np.maximum(true, _LEAST).astype(np.float32)
    rows, drawn = true.shape[1], np.random.default_rng(0)
    size = max(1, round(part * rows))
    shares = np.zeros(len(true))
    for _ in range(bags):
        own = np.sort(drawn.permutation(rows)[:size])
        taken = _greedy(np.ascontiguousarray(true[:, own]))
        np.add.at(shares, taken, 1 / len(taken))
    shares /= shares.sum()
    alone = -np.log(true).mean(axis=1, dtype=np.float64).max()
    mixed = -np.log(shares.astype(np.float32) @ true).mean(dtype=np.float64)
    if bags > 1 and not mixed < alone:
        return select(true, bags=1, part=1.0)
    return shares


def _greedy(true: np.ndarray) -> list[int]:
    """Return the candidates in the order in which they are taken, to where their mixture has the least loss.

    A candidate that is taken again changes nothing by itself, and lets the next one have a smaller share.
    """
    total = np.zeros(true.shape[1], dtype=np.float32)
    taken: list[int] = []
    losses: list[float] = []
    while len(taken) < STEPS:
        found = np.log(len(taken) + 1.0) - np.log(total + true).mean(axis=1, dtype=np.float64)
        place = int(found.argmin())
        total += true[place]
        taken.append(place)
        losses.append(float(found[place]))
    return taken[: int(np.argmin(losses)) + 1]
