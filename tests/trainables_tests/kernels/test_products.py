"""The compiled matrix products, against numpy's, over every kind of remainder of a tile."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainables.stack.compiled import load_kernels

_LANE = 8
sizes = st.integers(1, 21)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@given(rows=sizes, inner=sizes, lanes=st.integers(1, 9), transposed=st.booleans())
def test_a_product_is_numpys(rows: int, inner: int, lanes: int, transposed: bool, kind: type) -> None:
    random = np.random.default_rng(rows * 1000 + inner)
    a, b = random.normal(size=(rows, inner)).astype(kind), random.normal(size=(inner, lanes * _LANE)).astype(kind)
    start, around = random.normal(size=lanes * _LANE).astype(kind), np.full((rows + 2, lanes * _LANE), np.nan, kind)
    load_kernels().multiply(np.ascontiguousarray(a.T).T if transposed else a, b, start, around[1:-1])
    expected = start + a.astype(float) @ b.astype(float)
    np.testing.assert_allclose(around[1:-1], expected, rtol=0, atol=1e-4 if kind is np.float32 else 1e-12)
    assert np.isnan(around[[0, -1]]).all()


@pytest.mark.parametrize("rows", range(1, 20))
def test_a_row_does_not_depend_on_how_many_are_beside_it(rows: int) -> None:
    """To the bit: the last tile of a product begins within the one before."""
    random = np.random.default_rng(rows)
    a, b = random.normal(size=(20, 14)).astype(np.float32), random.normal(size=(14, 56)).astype(np.float32)
    start, whole, part = np.zeros(56, np.float32), np.empty((20, 56), np.float32), np.empty((rows, 56), np.float32)
    load_kernels().multiply(a, b, start, whole)
    load_kernels().multiply(a[:rows], b, start, part)
    np.testing.assert_array_equal(part, whole[:rows])


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@given(rows=st.integers(1, 5), columns=st.integers(1, 5))
def test_a_transpose_is_numpys(rows: int, columns: int, kind: type) -> None:
    matrix = np.arange(rows * columns * _LANE**2, dtype=kind).reshape(rows * _LANE, columns * _LANE)
    turned = np.empty(matrix.shape[::-1], kind)
    load_kernels().transpose(matrix, turned)
    np.testing.assert_array_equal(turned, matrix.T)
