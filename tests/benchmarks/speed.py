"""How fast: genresweep beside Ray Tune scripts, and beside what the arithmetic alone would take.

    python -m tests.benchmarks.speed train.csv --out runs/speed            # all parts
    python -m tests.benchmarks.speed train.csv --out runs/speed --parts exhaustive asha
    python -m tests.benchmarks.speed train.csv --out runs/speed --parts    # only the tables, of what is there

Every part runs commands as processes of their own, Ray's start included, and adds its results to ``OUT/speed.json``;
a part that is run again replaces its older results, one that fails leaves the others as they are. Parts:

"""

from __future__ import annotations

import argparse
import json
import os
import platform
import traceback
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from data.files import write_atomically
from tests.benchmarks.speed_parts import PARTS, Setup
from tests.benchmarks.speed_tables import print_tables


def options() -> argparse.Namespace:
    listed = "\n".join(f"  {name:<16} {part.says} ({part.takes})" for name, part in PARTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.speed",
        description=(__doc__ or "") + listed,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data", help="a table of tracks, or synthetic[:ROWS]")
    parser.add_argument("--transfer-data", help="more tracks, whose titles are to be read, too")
    parser.add_argument("--out", type=Path, default=Path("runs/speed"))
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=list(PARTS), metavar="PART")
    parser.add_argument("--full", action="store_true", help="Ray Tune scripts: the whole grid, not 24 of it")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each genresweep command (median)")
    parser.add_argument("--cpus", type=int, default=os.cpu_count(), help="workers at once")
    small = parser.add_argument_group("to try the scripts, not to measure")
    small.add_argument("--epochs", type=int, default=20)
    small.add_argument("--configurations", type=int, default=24, help="of the Ray Tune scripts' sample")
    small.add_argument("--trials", type=int, default=10_000, help="random configurations")
    small.add_argument("--table-rows", type=int, nargs="+", default=[20_000, 200_000, 1_000_000])
    small.add_argument("--space", default="paper")
    return parser.parse_args()


def machine(cpus: int) -> dict[str, Any]:
    """What the figures were seen on."""
    model = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "processor": model[0].partition(":")[2].strip() if model else platform.processor(),
        "cpus": cpus,
        "python": platform.python_version(),
        **{name: version(name) for name in ("genresweep", "torch", "ray", "numba", "numpy")},
    }


def main() -> None:
    asked = options()
    asked.out.mkdir(parents=True, exist_ok=True)
    file = asked.out / "speed.json"
    record = json.loads(file.read_text()) if file.exists() else {"parts": {}}
    setup = Setup(asked)
    for name in asked.parts:
        print(f"{name}: {PARTS[name].says} ({PARTS[name].takes})", flush=True)
        load = os.getloadavg()[0]
        try:
            result = PARTS[name].run(setup)
        except Exception:
            traceback.print_exc()
            print(f"{name} failed; the parts before it are in {file}", flush=True)
            continue
        seen = {"when": datetime.now(UTC).isoformat(timespec="seconds"), "load_before": load}
        settings = {"data": asked.data, "epochs": asked.epochs, "cpus": asked.cpus, "space": asked.space}
        record["parts"][name] = {**result, **seen, "settings": settings}
        record["machine"] = machine(asked.cpus)
        write_atomically(file, json.dumps(record, indent=2).encode())
    print_tables(record)


if __name__ == "__main__":
    main()
