"""Selection of ensembles: laws of the greedy choice, and mixtures whose best shares are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from results.judging.ensemble import Ensemble, EnsembleMember
from results.judging.selection import STEPS, select

WHOLE = {"bags": 1, "part": 1.0}


@st.composite
def candidates(draw: st.DrawFn) -> np.ndarray:
    """Probabilities of the true labels, ``(K, n)`` float32."""
    shape = draw(st.integers(1, 7)), draw(st.integers(1, 30))
    return draw(arrays.arrays(np.float32, shape, elements=st.floats(0.0, 1.0, width=32)))


def loss(true: np.ndarray, shares: np.ndarray) -> float:
    mixed = (shares @ np.maximum(true, np.finfo(np.float32).tiny).astype(np.float64)) / shares.sum()
    return float(-np.log(mixed).mean())


@given(candidates())
def test_one_whole_bag_is_no_worse_than_the_best_candidate(true: np.ndarray) -> None:
    alone = min(loss(true, one) for one in np.eye(len(true)))
    assert loss(true, select(true, **WHOLE)) <= alone + 1e-4 * (1 + abs(alone))


@given(candidates())
def test_no_selection_is_worse_than_the_best_candidate(true: np.ndarray) -> None:
    alone = min(loss(true, one) for one in np.eye(len(true)))
    assert loss(true, select(true)) <= alone + 1e-4 * (1 + abs(alone))


@given(candidates())
def test_a_selection_is_a_function_of_the_probabilities(true: np.ndarray) -> None:
    first = select(true)
    assert first.dtype == np.float64 and first.shape == (len(true),) and (first >= 0).all()
    assert first.sum() == pytest.approx(1)
    np.testing.assert_array_equal(select(true.copy()), first)


@given(candidates(), st.integers(0, 6))
def test_a_candidate_that_is_nowhere_better_is_not_taken(true: np.ndarray, place: int) -> None:
    best = true[place % len(true)]
    worse = np.vstack([true, best * np.float32(0.5)])
    assert select(worse)[-1] == 0


def test_networks_that_know_different_rows_are_mixed_and_the_useless_one_is_left_out() -> None:
    sure, unsure = 0.9, 0.1
    true = np.array([[sure] * 50 + [unsure] * 50, [unsure] * 50 + [sure] * 50, [0.2] * 100], dtype=np.float32)
    assert select(true, **WHOLE).tolist() == [0.5, 0.5, 0]
    assert select(true)[:2] == pytest.approx([0.5, 0.5], abs=0.1)


def test_every_greedy_step_is_the_best_of_all_by_brute_force() -> None:
    true = np.random.default_rng(5).uniform(0.05, 0.95, (6, 40)).astype(np.float32)
    taken, best, expected = np.zeros(6), np.inf, np.zeros(6)
    for _ in range(STEPS):
        losses = [loss(true, taken + one) for one in np.eye(6)]
        taken[int(np.argmin(losses))] += 1
        if min(losses) < best - 1e-7:
            best, expected = min(losses), taken.copy()
    np.testing.assert_allclose(select(true, **WHOLE), expected / expected.sum())


def test_nothing_to_choose_from() -> None:
    for shape in ((0, 3), (3, 0)):
        with pytest.raises(ValueError, match="at least one candidate and one row"):
            select(np.empty(shape))


MEMBER = EnsembleMember(study="s", config_id="c1", seed=42, epoch=3, share=1.0)


def test_a_record_is_read_as_it_was_written() -> None:
    found = Ensemble(members=(MEMBER,), candidates=4, left_out=("c2-42: lost",), digests=("ab",), sha256="cd")
    assert Ensemble.from_json(found.to_json()) == found


@pytest.mark.parametrize(
    "change", [{"members": []}, {"digests": []}, {"candidates": "x"}, {"members": [{"study": "s"}]}]
)
def test_a_record_that_makes_no_sense_is_refused(change: dict[str, Any]) -> None:
    found = Ensemble(members=(MEMBER,), candidates=4, left_out=(), digests=("ab",), sha256="cd").to_json()
    with pytest.raises((KeyError, TypeError, ValueError)):
        Ensemble.from_json(found | change)
