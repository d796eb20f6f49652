"""Bounds of a command: reached within one segment, never before, and said in the record."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from data.errors import InputError
from results.dataframes.frames import load_curves, load_trials
from results.record.records import State
from results.record.study import Study
from search import resume_sweep, run_sweep
from search.cli.texts.status import study_summary, summary_lines
from search.scheduling.bounds import Bounds, Limit, epochs_of
from search.scheduling.building import build_coordinator
from search.scheduling.coordinator import Coordinator
from search.scheduling.cost_model import CostModel
from search.scheduling.segments import Segment
from search.scheduling.study_view import Condition, view_study
from spaces.hyperparameters import ENCODINGS
from tests.search_tests.conftest import Sweep
from tests.support.examples import examples
from tests.support.simulated import ROWS, StudySettings, World, made_up_score, paper_trials
from tests.support.small import EPOCHS, curves


def bounded(bounds: Bounds, *, slots: int = 2, scheduler: str = "none", clock: Any = lambda: 0.0) -> Ended:
    """A command in simulated time, which hands out work as the searcher does."""
    settings = StudySettings(data="synthetic", scheduler=scheduler, stack_size=4, epochs=8)
    trials = paper_trials(24)
    coordinator, _ = build_coordinator(settings, trials, CostModel(ROWS, dict.fromkeys(ENCODINGS, 14), 5))
    limit, world, in_flight, sizes = Limit(bounds, clock), World(), [], [0]
    limit.begin(trials, math.nan)
    while True:
        while len(in_flight) < slots and not limit.reached(in_flight) and (one := coordinator.next_segment()):
            in_flight.append(one)
            sizes.append(epochs_of(one))
        if not in_flight:
            return Ended(coordinator, limit, max(sizes))
        segment: Segment = in_flight.pop(0)
        limit.observe(coordinator.complete(segment, world.report(segment)))


class Ended:
    def __init__(self, coordinator: Coordinator, limit: Limit, largest: int) -> None:
        self.coordinator, self.reason, self.largest = coordinator, limit.reason, largest
        self.epochs = sum(trial.epoch for trial in coordinator.trials.values())


@examples(20)
@given(st.integers(1, 250), st.integers(1, 5), st.sampled_from(["none", "asha"]))
def test_epochs_are_exceeded_by_less_than_a_segment(most: int, slots: int, scheduler: str) -> None:
    found = bounded(Bounds(max_epochs_total=most), slots=slots, scheduler=scheduler)
    if found.reason is None:
        assert found.coordinator.finished and found.epochs < most
    else:
        assert most <= found.epochs < most + found.largest


@examples(20)
@given(st.integers(1, 20).map(lambda part: part / 20), st.integers(1, 5))
def test_a_target_ends_it_when_it_is_reached(target: float, slots: int) -> None:
    """No epoch before the last segments was as good."""
    found = bounded(Bounds(target=target), slots=slots)
    scores = [made_up_score(t.key, e) for t in found.coordinator.trials.values() for e in range(1, t.epoch + 1)]
    assert (found.reason is not None) == (max(scores) >= target)
    if found.reason is not None:
        assert sum(score >= target for score in scores) <= slots * found.largest


def test_a_plateau_ends_it() -> None:
    found = bounded(Bounds(patience_trials=3), slots=1)
    ended = found.coordinator.states[State.FINISHED]
    assert found.reason is not None and "without a better best" in found.reason and 3 <= ended < 24


def test_the_clock_ends_it() -> None:
    ticks = iter(range(0, 1000, 10))
    found = bounded(Bounds(minutes=1), clock=lambda: next(ticks))
    assert found.reason == "the 1 minutes of --minutes are over" and not found.coordinator.finished
    assert found.epochs > 0


@pytest.mark.parametrize("wrong", [{"minutes": 0}, {"minutes": math.inf}, {"max_epochs_total": -1}, {"target": 60.0}])
def test_impossible_bounds_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong)).replace("_", "-")):
        Bounds(**wrong)


@pytest.mark.slow
def test_a_bounded_sweep_promotes_its_best_says_so_and_goes_on(tmp_path: Path, small: Path, sweep: Sweep) -> None:
    settings = {"space": small / "space.toml", "epochs": EPOCHS, "scheduler": "none", "stack_size": 2}
    out, data = tmp_path / "s", str(small / "tracks.csv")
    result = run_sweep(data, out=out, bounds=Bounds(max_epochs_total=12), **settings)
    assert not result.complete and result.incumbent is not None and result.incumbent.directory.is_dir()
    assert result.bounded == "the 12 epochs of --max-epochs-total are trained"
    assert 6 <= len(load_curves(out)) < 12 + 2 * EPOCHS  # some end early, by patience or divergence
    with Study.open(out) as study:
        assert study.bounded == result.bounded
    assert view_study(out).condition is Condition.BOUNDED
    (line,) = [line for line in summary_lines(study_summary(out)) if "ended since" in line]
    assert "the 12 epochs" in line and "genresweep resume" in line
    assert resume_sweep(out).complete
    assert view_study(out).condition is Condition.FINISHED and not study_summary(out)["bounded"]
    assert_frame_equal(curves(out), curves(sweep(stack_size=16)), check_exact=True)
    assert load_trials(out)["state"].isin(["finished", "early_stopped", "diverged"]).all()
