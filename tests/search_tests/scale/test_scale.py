"""The scale benchmark's model and tables, and what its empty segments report; nothing here asserts a time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from results.record.settings import StudySettings
from search.planning.trials import foreseen_trials
from search.scheduling.cost_model import CostModel
from search.studies.dry_run import SECONDS_PER_SEGMENT, estimate
from spaces import load_space
from tests.benchmarks.empty_segment import report
from tests.benchmarks.scale import print_tables
from tests.benchmarks.scale_model import Measured, Search, predict
from tests.support.simulated import coordinator_for, create_study, paper_trials

MEASURED = Measured(
    start=9.0,
    segment_overhead=0.1,
    driver_rate=20.0,
    broadcast_rate=100.0,
    epoch_seconds=0.02,
)


def test_the_model_by_hand() -> None:
    """32 members of .02 s an epoch, on one place: it trains them for 8 epochs, 5.12 s, and then for 2 more."""
    search = Search(configurations=32, epochs=10, kinds=1)
    found = predict(MEASURED, search, nodes=1, cores=1, megabytes=50)
    assert (found.segments, found.epochs) == (2, 10)
    trained = 1 / 20 + 0.1 + 5.12 + 1 / 20 + 0.1 + 1.28
    assert abs(found.makespan - (9 + 1 * 50 / 100 + trained)) < 1e-9
    assert abs(found.efficiency - 6.4 / found.makespan) < 1e-9
    assert found.bottleneck == "the start"
    four = predict(MEASURED, search, nodes=4, cores=1, megabytes=50)
    assert four.bottleneck == "the start" and four.segments > 4, "each place gets its share"


def test_the_first_bottleneck_is_named() -> None:
    asha = Search(configurations=10**4, reduction_factor=4)
    assert predict(MEASURED, Search(configurations=192, reduction_factor=4), 100, 8).bottleneck == "the start"
    assert predict(MEASURED, asha, 1_000, 8).bottleneck == "the driver"
    assert predict(MEASURED, asha, 1, 1).bottleneck == "the cores"
    assert predict(MEASURED, asha, 100, 8, megabytes=9_000).bottleneck == "the features' way"


@given(st.integers(1, 3_000), st.integers(1, 50), st.sampled_from([None, 2, 4]), st.integers(1, 64))
def test_nobody_is_lost_and_no_cluster_more_than_fully_used(
    configurations: int, epochs: int, factor: int | None, cores: int
) -> None:
    search = Search(configurations=configurations, epochs=epochs, reduction_factor=factor)
    found = predict(MEASURED, search, nodes=1, cores=cores)
    assert 0 < found.efficiency < 1
    assert found.epochs == epochs if factor is None else 1 <= found.epochs <= epochs
    assert found.segments >= configurations / 32


@pytest.mark.parametrize("workers", [8, 80, 800])
@pytest.mark.parametrize("scheduler", ["asha", "none"])
def test_the_model_has_as_many_segments_as_the_dry_run(scheduler: str, workers: int) -> None:
    space = load_space(str(Path(__file__).parents[2] / "benchmarks" / "continuous.toml"))
    settings = StudySettings(data="", space=space, search="random", trials=1_000, scheduler=scheduler)
    table = SimpleNamespace(y_train=np.zeros(17_142), genres=("a",) * 5)
    prepared = SimpleNamespace(features=table, input_sizes={"standardised": 14})
    trials = foreseen_trials(settings)
    costs = CostModel(17_142, prepared.input_sizes, 5)
    epoch = float(np.mean([costs.seconds_per_epoch(trial.configuration) for trial in trials]))
    measured = replace(MEASURED, epoch_seconds=epoch, segment_overhead=SECONDS_PER_SEGMENT, driver_rate=1e6)
    search = Search(configurations=len(trials), reduction_factor=4 if scheduler == "asha" else None)
    found = predict(measured, search, workers // 8, 8)
    expected = estimate(settings, trials, prepared, workers=workers)  # type: ignore[arg-type]
    assert 0.7 < found.segments / expected.segments < 1.3


def test_empty_segments_are_taken_as_real_ones(tmp_path: Path) -> None:
    study = create_study(tmp_path / "s", paper_trials(8), scheduler="none", epochs=8, stack_size=4)
    coordinator = coordinator_for(study)
    while (segment := coordinator.next_segment()) is not None:
        coordinator.complete(segment, report(segment.task))
    assert coordinator.finished


def test_tables_need_four_parts_and_say_which_are_missing() -> None:
    console = Console(width=140, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    sweep = {
        "cpus": 1,
        "scheduler": "none",
        "budget": 3,
        "configurations": 192,
        "epochs": 576,
        "seconds": 25.0,
        "training": 13.0,
        "worker_seconds": 12.0,
    }
    found = {
        "empty-1": {"workers": 1, "per_second": 8.0, "ray_start": 5.0},
        "empty-64": {"workers": 64, "per_second": 20.0, "ray_start": 9.0},
        "sweep-none-1": sweep,
        "sweep-none-2": {**sweep, "cpus": 2, "seconds": 20.0},
    }
    print_tables(found, console)
    assert "no tables yet: broadcast not measured" in console.export_text()
    print_tables({**found, "broadcast": {"nodes": 3, "per_second": 300.0}}, console, powers=(3, 4))
    said = console.export_text()
    assert "10,000" in said and "the driver" in said and "sweep-none-2" in said and "driver_rate=20.0" in said
    assert "broadcast_rate=200.0" in said, "of one of two rounds"
    assert "start=12.0" in said, "what of a sweep is not training"
