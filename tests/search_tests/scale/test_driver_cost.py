"""What the driver's choices cost: the length of a sweep by its stacks, and the driver's own work by configurations."""

from __future__ import annotations

import cProfile
import pstats
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.record.settings import StudySettings
from search.planning.trials import pending_trials
from search.scheduling.rungs import quantile_of_others
from search.studies.dry_run import estimate
from spaces import load_space
from tests.support.simulated import World, simulate, trial

FEATURES = SimpleNamespace(y_train=range(17_142), names=range(14), genres=range(5))
TABLE = SimpleNamespace(features=FEATURES, input_sizes={"standardised": 14})
SPACE = """
name = "continuous"
[parameters]
hidden_layers = [[64, 32], [16, 16, 16], [128, 16]]
batch_norm = [true, false]
batch_size = [16, 32]
learning_rate = { low = 1e-4, high = 1e-2, log = true }
"""


@cache
def minutes(scheduler: str, workers: int, stack_size: int | None) -> float:
    """Simulated length of the paper's sweep."""
    space = load_space("paper")
    settings = StudySettings(data="made up", space=space, scheduler=scheduler, stack_size=stack_size)
    return estimate(settings, pending_trials(settings), TABLE, workers=workers).minutes  # type: ignore[arg-type]


class TestAutomaticStacks:
    @pytest.mark.parametrize("workers", [1, 2, 8])
    @pytest.mark.parametrize("scheduler", ["none", "asha", "halving"])
    def test_are_as_good_as_the_best_fixed_size(self, scheduler: str, workers: int) -> None:
        best = min(minutes(scheduler, workers, size) for size in (4, 8, 16, 32))
        # under ASHA other stacks mean other arrivals, and a few epochs more or less
        assert minutes(scheduler, workers, None) <= (1.05 if scheduler == "asha" else 1.02) * best

    @pytest.mark.parametrize("scheduler", ["none", "asha", "halving"])
    def test_leave_fewer_workers_idle_where_there_are_many(self, scheduler: str) -> None:
        assert minutes(scheduler, 8, None) < 0.99 * minutes(scheduler, 8, 32)


@given(st.lists(st.integers(-20, 20), min_size=2, max_size=30), st.data(), st.integers(2, 7))
def test_the_quantile_of_the_others_is_numpys(numbers: list[int], data: st.DataObject, factor: int) -> None:
    ascending = sorted(number / 7 for number in numbers)
    own = data.draw(st.integers(0, len(ascending) - 1))
    others = ascending[:own] + ascending[own + 1 :]
    share = 1 - 1 / factor
    assert quantile_of_others(ascending, own, share) == np.quantile(others, share)


def calls(count: int, scheduler: str) -> int:
    """Calls that the driver's bookkeeping makes for so many configurations."""
    from spaces import SearchSpace

    points = SearchSpace.from_toml(SPACE).sample(count, seed=1)
    trials = [trial(point, position, epochs=4) for position, point in enumerate(points)]
    with cProfile.Profile() as profile:
        simulate(trials, World(), scheduler=scheduler, stack_size=4)
    return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]


@pytest.mark.parametrize("scheduler", ["none", "asha", "halving"])
def test_the_drivers_work_grows_with_the_configurations_and_no_faster(scheduler: str) -> None:
    assert calls(800, scheduler) < 5 * calls(200, scheduler)
