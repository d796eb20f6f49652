"""The compiled matrix products, against numpy's, over every kind of remainder of a tile."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainables.compiled import kernels

_LANE = 8
sizes = st.integers(1, 21)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@given(rows=sizes, inner=sizes, lanes=st.integers(1, 5), transposed=st.booleans(), add=st.booleans())
def test_a_product_is_numpys(rows: int, inner: int, lanes: int, transposed: bool, add: bool, kind: type) -> None:
    random = np.random.default_rng(rows * 1000 + inner)
    a, b = random.normal(size=(rows, inner)), random.normal(size=(inner, lanes * _LANE))
    around = random.normal(size=(rows + 2, lanes * _LANE)).astype(kind)
    before, out = around.copy(), around[1:-1]
    a, b = a.astype(kind), b.astype(kind)
    kernels().multiply(np.ascontiguousarray(a.T).T if transposed else a, b, out, add)
    expected = a.astype(float) @ b.astype(float) + (before[1:-1] if add else 0)
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-4 if kind is np.float32 else 1e-12)
    np.testing.assert_array_equal(around[[0, -1]], before[[0, -1]])


def test_what_was_there_does_not_matter_where_nothing_is_added() -> None:
    out = np.full((5, _LANE), np.nan, np.float32)
    kernels().multiply(np.ones((5, 3), np.float32), np.ones((3, _LANE), np.float32), out, False)
    np.testing.assert_array_equal(out, np.full((5, _LANE), 3, np.float32))
