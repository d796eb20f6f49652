"""Uniform random numbers as PyTorch's generator on a CPU draws them (a Mersenne Twister), ten times as fast, compiled.

M. Matsumoto and T. Nishimura (1998), "Mersenne Twister", ACM TOMACS 8 (1). The state is uint32 ``(625,)``: 624 words,
and how many of them are used up.

Like ``training``, imported from a copy in the user's cache, and so nothing here imports anything of genresweep.
"""

import numpy as np

from .vectors import compiled

WORDS = 624
_AHEAD, _MATRIX = 397, np.uint32(0x9908B0DF)
_HIGH, _LOW, _ONE, _NONE = np.uint32(0x80000000), np.uint32(0x7FFFFFFF), np.uint32(1), np.uint32(0)
_MASK_B, _MASK_C = np.uint32(0x9D2C5680), np.uint32(0xEFC60000)
_FRACTION = np.uint32(0xFFFFFF)


def twister(seed):
    """Return the state uint32 ``(625,)`` of a generator that starts here; of the seed the lower 32 bits count."""
    state = np.empty(WORDS + 1, np.uint32)
    _seed(seed & 0xFFFFFFFF, state)
    return state


@compiled
def _seed(word, state):
    """Write the state that starts from one word."""
    for n in range(WORDS):
        state[n] = word
        word = (1812433253 * (word ^ (word >> 30)) + n + 1) & 0xFFFFFFFF
    state[WORDS] = WORDS


@compiled
def _twisted(state, n, following, ahead):
    """Return the next value of the state's word ``n``."""
    word = (state[n] & _HIGH) | (state[following] & _LOW)
    return state[ahead] ^ np.uint32(word >> _ONE) ^ (_MATRIX if word & _ONE else _NONE)


@compiled
def _refill(state):
    """Write the state's next 624 words."""
    for n in range(WORDS - _AHEAD):
        state[n] = _twisted(state, n, n + 1, n + _AHEAD)
    for n in range(WORDS - _AHEAD, WORDS - 1):
        state[n] = _twisted(state, n, n + 1, n + _AHEAD - WORDS)
    state[WORDS - 1] = _twisted(state, WORDS - 1, 0, _AHEAD - 1)
    state[WORDS] = 0


@compiled
def draw_noise(state, largest, out):
    """Fill ``out`` float32 with ``(1 - u) * largest``, where ``u`` in [0, 1) is what ``torch.rand`` would draw."""
    largest, gap = np.float32(largest), np.float32(largest * 2.0**-24)
    filled = 0
    while filled < out.size:
        if state[WORDS] == WORDS:
            _refill(state)
        used = state[WORDS]
        count = min(WORDS - used, out.size - filled)
        for n in range(count):
            word = state[used + n]
            word ^= word >> np.uint32(11)
            word ^= np.uint32(word << np.uint32(7)) & _MASK_B
            word ^= np.uint32(word << np.uint32(15)) & _MASK_C
            word ^= word >> np.uint32(18)
            out[filled + n] = largest - np.float32(np.int32(word & _FRACTION)) * gap
        state[WORDS] = used + count
        filled += count
