"""The scale benchmark's formula and tables, and what its empty segments report; nothing here asserts a time."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from search.coordinator import Coordinator
from search.costs import CostModel
from search.rungs import NoRungs
from search.segments import SegmentQueue
from tests.benchmarks.empty_segment import METRICS, report
from tests.benchmarks.scale import print_tables
from tests.benchmarks.scale_formula import Measured, predict
from tests.search_tests.simulated import create_study, paper_trials

MEASURED = Measured(
    ray_start=5.0,
    worker_start=4.0,
    segment_overhead=0.1,
    driver_rate=20.0,
    broadcast_rate=100.0,
    epoch_seconds=0.02,
)


def test_the_formula_by_hand() -> None:
    """10,000 x 10 epochs of .02 s are 2,000 s on 100 places: 20 s each, 400 segments of 5 s, 4 a place."""
    found = predict(MEASURED, 10_000, 10, nodes=10, cores=10, megabytes=50)
    assert found.segments == 400
    assert abs(found.makespan - (5 + 4 + 4 * 50 / 100 + max(20 + 4 * 0.1, 400 / 20) + 5)) < 1e-9
    assert abs(found.efficiency - 20 / found.makespan) < 1e-9
    assert found.bottleneck == "the cores"


def test_the_first_bottleneck_is_named() -> None:
    assert predict(MEASURED, 192, 2, nodes=100, cores=8).bottleneck == "the start"
    assert predict(MEASURED, 10**6, 20, nodes=1_000, cores=8).bottleneck == "the driver"
    assert predict(MEASURED, 192, 2, nodes=100, cores=8, megabytes=4_000).bottleneck == "the features' way"


@given(st.integers(1, 10**6), st.floats(1, 50), st.integers(1, 1_000), st.integers(1, 64))
def test_no_cluster_is_more_than_fully_used(configurations: int, epochs: float, nodes: int, cores: int) -> None:
    found = predict(MEASURED, configurations, epochs, nodes, cores)
    assert 0 < found.efficiency < 1
    more = predict(MEASURED, configurations * 2, epochs, nodes, cores)
    assert more.makespan >= found.makespan - 5.0, "the last segment may be shorter"


def test_empty_segments_are_taken_as_real_ones(tmp_path: Path) -> None:
    study = create_study(tmp_path / "s", paper_trials(8), scheduler="none", epochs=8)
    coordinator = Coordinator(study.trials(), NoRungs(), SegmentQueue((), 4, CostModel(10, {"standardised": 3}, 2)))
    coordinator.start([], {})
    while (segment := coordinator.next_segment()) is not None:
        made_up = report(json.loads(segment.to_json()))
        assert all(set(METRICS) < set(epoch) for member in made_up["members"] for epoch in member["epochs"])
        coordinator.complete(segment, made_up)
    assert coordinator.finished


def test_tables_need_four_parts_and_say_which_are_missing() -> None:
    console = Console(width=140, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    sweep = {"cpus": 1, "configurations": 192, "epochs": 576, "seconds": 25.0, "worker_seconds": 12.0}
    found = {
        "empty-1": {"workers": 1, "per_second": 8.0, "ray_start": 5.0},
        "empty-64": {"workers": 64, "per_second": 20.0, "ray_start": 9.0},
        "worker-start": {"median": 4.0},
        "sweep-none-1": sweep,
        "sweep-none-2": {**sweep, "cpus": 2, "seconds": 20.0},
    }
    print_tables(found, console)
    assert "no tables yet: broadcast not measured" in console.export_text()
    print_tables({**found, "broadcast": {"per_second": 300.0}}, console)
    said = console.export_text()
    assert "1,000,000" in said and "the driver" in said and "sweep-none-2" in said and "driver_rate=20.0" in said
