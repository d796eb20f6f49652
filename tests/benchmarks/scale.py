"""What one driver bears, and what follows for clusters that are not at hand.

    python -m tests.benchmarks.scale --out runs/scale                     # all, about 6 minutes on two quiet cores
    python -m tests.benchmarks.scale --out runs/scale --parts             # only the tables, of what is there

Measures segments per second with empty segments, the start of a worker, the broadcast of features to the nodes of a
cluster on this machine, and three real sweeps; adds all to ``OUT/scale.json`` and prints the tables of
``tests.benchmarks.scale_model``. Every part runs in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

from rich.console import Console
from rich.table import Table

from data.files import write_atomically
from tests.benchmarks.scale_model import Measured, Search, predict
from tests.benchmarks.scale_tasks import import_torch, touch

Record = dict[str, Any]


class Clock:
    """Listens to a sweep, and notes when its segments were committed."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def started(self, *_: object) -> None: ...

    def resized(self, *_: object) -> None: ...

    def segment(self, *_: object) -> None:
        self.times.append(time.perf_counter())


def empty_segments(workers: int, segments: int, members: int = 32) -> Record:
    """Segments per second that the driver hands out, takes back and commits, with so many workers that do nothing."""
    import ray
    from ray import tune

    from search.cluster.environment import settle
    from search.cluster.placement import Slots
    from search.cluster.tune_bridge import SegmentSearcher, run_segments
    from search.scheduling.cost_model import CostModel
    from spaces import SearchSpace
    from tests.benchmarks.empty_segment import EmptySegment
    from tests.support.simulated import coordinator_for, create_study, trial

    settle()
    space = SearchSpace.from_toml(_SPACE)
    points = space.sample(segments * members, seed=1)
    trials = tuple(trial(point, position, epochs=2) for position, point in enumerate(points))
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        barrier = Path(folder) / "barrier"
        barrier.mkdir()
        study = create_study(Path(folder) / "study", trials, scheduler="none", epochs=2, stack_size=members)
        coordinator = coordinator_for(study, CostModel(1000, {"standardised": 14}, 5))
        searcher = SegmentSearcher(coordinator, study, lambda: Slots(workers, workers), clock)  # type: ignore[arg-type]

        def with_parameters(trainable: Any, **_: Any) -> Any:
            return tune_with_parameters(EmptySegment, barrier=str(barrier), workers=workers)

        tune_with_parameters = tune.with_parameters
        began = time.perf_counter()
        ray.init(address="local", num_cpus=workers, include_dashboard=False, log_to_driver=False)
        up = time.perf_counter()
        with study, mock.patch("search.cluster.tune_bridge.tune.with_parameters", with_parameters):
            run_segments(searcher, {}, study, device="cpu", needs={"CPU": 1.0})
        ray.shutdown()
    first, last = clock.times[0], clock.times[-1]
    return {
        "workers": workers,
        "segments": len(clock.times),
        "members": members,
        "ray_start": up - began,
        "all_workers_started": first - up,
        "per_second": (len(clock.times) - 1) / (last - first),
    }


_SPACE = """
name = "continuous"
[parameters]
hidden_layers = [[16]]
learning_rate = { low = 1e-4, high = 1e-2, log = true }
"""


def worker_start(count: int) -> Record:
    """Seconds from asking for a worker until it has imported what a segment needs, one worker after another."""
    import ray

    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    task = ray.remote(num_cpus=1, max_calls=1)(import_torch)
    seconds = []
    for _ in range(count):
        began = time.perf_counter()
        ray.get(task.remote())
        seconds.append(time.perf_counter() - began)
    ray.shutdown()
    return {"seconds": seconds, "median": statistics.median(seconds)}


def broadcast(nodes: int, megabytes: int) -> Record:
    """Megabytes per second from the driver's node to others at once, and copies that each of them holds then."""
    import numpy as np
    import psutil
    import ray
    from ray.cluster_utils import Cluster
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    from tests.benchmarks.measuring import _object_store

    store = (megabytes + 100) * 10**6
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "object_store_memory": store})
    for _ in range(nodes):
        cluster.add_node(num_cpus=2, object_store_memory=store)
    cluster.wait_for_nodes()
    ray.init(address=cluster.address, log_to_driver=False)
    head = ray.get_runtime_context().get_node_id()
    others = [node["NodeID"] for node in ray.nodes() if node["NodeID"] != head]
    task = ray.remote(num_cpus=1)(touch)

    def on(node: str) -> Any:
        return task.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False))

    small = ray.put(np.ones((1, 1), dtype=np.float32))
    ray.get([on(node).remote(small) for node in others for _ in range(2)])  # two workers are up on each
    array = ray.put(np.ones((megabytes * 250, 1000), dtype=np.float32))
    began = time.perf_counter()
    ray.get([on(node).remote(array) for node in others for _ in range(2)])
    seconds = time.perf_counter() - began
    raylets = [p for p in psutil.Process().children(recursive=True) if p.name() == "raylet"]
    held = [_object_store(raylet.pid) for raylet in raylets]
    ray.shutdown()
    cluster.shutdown()
    return {
        "nodes": nodes,
        "megabytes": megabytes,
        "seconds": seconds,
        "per_second": megabytes * nodes / seconds,
        "copies": [each / megabytes for each in held],
    }


def real_sweep(cpus: int, scheduler: str, epochs: int, space: str = "paper") -> Record:
    """A sweep as users run it, by its own clock and by its record."""
    from search import run_sweep
    from search.cluster.placement import Resources

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "study"
        data, resources = "synthetic:20000", Resources(cpus=cpus)
        result = run_sweep(data, out=out, space=space, scheduler=scheduler, epochs=epochs, resources=resources)
        with closing(sqlite3.connect(out / "study.db")) as database:
            trained, segments = database.execute("SELECT sum(seconds), count(*) FROM segments").fetchone()
            first, last = database.execute("SELECT min(started), max(started + seconds) FROM segments").fetchone()
    return {
        "cpus": cpus,
        "scheduler": scheduler,
        "budget": epochs,
        "configurations": sum(result.states.values()),
        "epochs": result.epochs,
        "seconds": result.seconds,
        "training": last - first,
        "worker_seconds": trained,
        "segments": segments,
    }


def parts(asked: argparse.Namespace) -> dict[str, Callable[[], Record]]:
    """Every part by its name."""
    empty = {
        f"empty-{workers}": lambda workers=workers: empty_segments(workers, asked.segments + 2 * workers)
        for workers in asked.workers
    }
    sweeps = {
        f"sweep-{scheduler}-{cpus}": lambda cpus=cpus, s=scheduler, e=epochs: real_sweep(cpus, s, e, asked.space)
        for cpus, scheduler, epochs in ((1, "none", asked.epochs), (2, "none", asked.epochs), (2, "asha", 20))
    }
    return {
        **empty,
        "worker-start": lambda: worker_start(asked.starts),
        "broadcast": lambda: broadcast(asked.nodes, asked.megabytes),
        **sweeps,
    }


def measured_by(found: Record) -> Measured:
    """The model's numbers; the driver's rate is that with the most workers."""
    busiest = max((part for name, part in found.items() if name.startswith("empty-")), key=lambda p: p["workers"])
    single, sweep, spread = found["empty-1"], found["sweep-none-1"], found["broadcast"]
    rounds = math.ceil(math.log2(spread["nodes"] + 1))
    return Measured(
        start=sweep["seconds"] - sweep["training"],
        segment_overhead=1 / single["per_second"],
        driver_rate=busiest["per_second"],
        broadcast_rate=spread["per_second"] / spread["nodes"] * rounds,
        epoch_seconds=sweep["worker_seconds"] / sweep["epochs"],
    )


def print_tables(found: Record, console: Console, powers: Sequence[int] = (3, 4, 5, 6)) -> None:
    """All that can be said from what has been measured."""
    for name, part in found.items():
        shown = {key: value for key, value in part.items() if key not in ("when", "load_before")}
        console.print(f"{name}: {json.dumps(shown)}", highlight=False, markup=False)
    needed = {"empty-1", "broadcast", "sweep-none-1"}
    if missing := sorted(needed - set(found)):
        console.print(f"no tables yet: {', '.join(missing)} not measured", markup=False)
        return
    measured = measured_by(found)
    console.print(str(measured), markup=False)
    console.print(_check(found, measured))
    for says, factor in (("ASHA", 4), ("exhaustive", None)):
        console.print(_forecast(measured, says, factor, powers))


def _check(found: Record, measured: Measured) -> Table:
    title = "The model against real sweeps, here (sweep-none-1 gives the start)"
    table = Table("sweep", "predicted s", "found s", "predicted / found", title=title)
    for name, part in found.items():
        if name.startswith("sweep-"):
            factor = None if part["scheduler"] == "none" else 4
            asked = Search(configurations=part["configurations"], epochs=part["budget"], reduction_factor=factor)
            expected = predict(measured, asked, 1, part["cpus"]).makespan
            ratio = expected / part["seconds"]
            table.add_row(name, f"{expected:.1f}", f"{part['seconds']:.1f}", f"{ratio:.2f}")
    return table


def _forecast(measured: Measured, says: str, factor: int | None, powers: Sequence[int]) -> Table:
    nodes = (1, 10, 100, 1_000)
    title = f"Makespan, efficiency, first bottleneck: {says}, up to 20 epochs each, nodes of 8 cores"
    table = Table("configurations", *(f"{count:,} nodes" for count in nodes), title=title)
    for power in powers:
        cells = []
        for count in nodes:
            found = predict(measured, Search(configurations=10**power, reduction_factor=factor), count, 8)
            cells.append(f"{_duration(found.makespan)}, {found.efficiency:.0%}, {found.bottleneck}")
        table.add_row(f"{10**power:,}", *cells)
    return table


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _in_own_process(name: str, asked: argparse.Namespace, answer: Any) -> None:
    answer.put(parts(asked)[name]())


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/scale"))
    parser.add_argument("--parts", nargs="*", metavar="PART")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4, 16, 64], help="that have empty segments")
    parser.add_argument("--segments", type=int, default=200, help="empty ones, beside two for each worker")
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument("--nodes", type=int, default=3, help="that features are broadcast to")
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=3, help="of the exhaustive sweeps")
    parser.add_argument("--space", default="paper")
    return parser.parse_args()


def main() -> None:
    os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    asked = options()
    asked.out.mkdir(parents=True, exist_ok=True)
    file = asked.out / "scale.json"
    record = json.loads(file.read_text()) if file.exists() else {}
    context = multiprocessing.get_context("spawn")
    for name in parts(asked) if asked.parts is None else asked.parts:
        print(name, flush=True)
        load, answer = os.getloadavg()[0], context.SimpleQueue()
        process = context.Process(target=_in_own_process, args=(name, asked, answer))
        process.start()
        process.join()
        if process.exitcode:
            print(f"{name} failed; the parts before it are in {file}", flush=True)
            continue
        record[name] = {
            **answer.get(),
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            "load_before": load,
        }
        write_atomically(file, json.dumps(record, indent=2).encode())
    print_tables(record, Console(width=140))


if __name__ == "__main__":
    main()
