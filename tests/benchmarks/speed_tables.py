"""The tables of ``tests.benchmarks.speed``, from its JSON: figures, ratios, and the targets they are held against."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console
from rich.table import Table

Parts = dict[str, Any]

TIMED = {
    "floor": "(d) the arithmetic alone",
    "exhaustive": "(b) genresweep, exhaustive",
    "expert": "(a') Ray Tune, expert, exhaustive",
    "idiomatic": "(a) Ray Tune, documented, exhaustive",
    "asha": "(c) genresweep, ASHA",
    "halving": "(c) genresweep, halving",
    "expert-asha": "(a') Ray Tune, expert, its ASHA",
    "idiomatic-asha": "(a) Ray Tune, documented, its ASHA",
    "random": "genresweep, random configurations, ASHA",
}


def print_tables(record: dict[str, Any]) -> None:
    """All that has been measured so far."""
    console, parts = Console(width=140), record["parts"]
    if not parts:
        return
    console.print(", ".join(f"{name} {value}" for name, value in record["machine"].items()), highlight=False)
    console.print(_times(parts))
    console.print(_targets(parts))
    for line in _notes(parts):
        console.print(line, highlight=False, markup=False)


def _times(parts: Parts) -> Table:
    table = Table("what", "seconds", "runs", "epochs", "best", "first epoch", *_MEMORY, title="Seconds, peak megabytes")
    for name, says in TIMED.items():
        if name not in parts:
            continue
        part = parts[name]
        scaled = part.get("scaled_by", 1) > 1.001
        runs = ", ".join(f"{seconds:.1f}" for seconds in part.get("seconds", []))
        table.add_row(
            says + (f" [{part['configurations']}, scaled]" if scaled else "").replace("[", r"\["),
            f"{part['median']:.1f}",
            runs,
            f"{part['epochs']:,}",
            f"{part['best']:.4f}" if "best" in part else "",
            f"{part['first_epoch']:.1f}" if "first_epoch" in part else "",
            *(f"{part['memory'][column]:,.0f}" if "memory" in part else "" for column in _MEMORY.values()),
        )
    return table


_MEMORY = {"MB": "total", "driver": "driver", "workers": "workers", "Ray": "ray", "object store": "object_store"}


def _ratio(over: str, under: str) -> Callable[[Parts], float]:
    return lambda parts: parts[over]["median"] / parts[under]["median"]


TARGETS: tuple[tuple[str, str, float, Callable[[Parts], float]], ...] = (
    ("exhaustive, seconds", "<=", 60, lambda p: p["exhaustive"]["median"]),
    ("ASHA, seconds", "<=", 25, lambda p: p["asha"]["median"]),
    ("expert (a') / exhaustive", ">=", 10, _ratio("expert", "exhaustive")),
    ("documented (a) / exhaustive", ">=", 40, _ratio("idiomatic", "exhaustive")),
    ("exhaustive / floor (d)", "<=", 8, _ratio("exhaustive", "floor")),
    ("expert's ASHA / ASHA", ">=", 3, _ratio("expert-asha", "asha")),
    ("documented ASHA / ASHA", ">=", 50, _ratio("idiomatic-asha", "asha")),
    ("start to the first trained epoch, ASHA, seconds", "<=", 12, lambda p: p["asha"]["first_epoch"]),
    ("peak memory of everything, MB", "<=", 4000, lambda p: p["exhaustive"]["memory"]["total"]),
    (
        "copies of the features on a node",
        "<=",
        1.05,
        lambda p: max(w["copies"] for w in p["copies"]["workers"].values()),
    ),
    ("10,000 random configurations, seconds", "<=", 480, lambda p: p["random"]["median"]),
    ("seconds per row and epoch, largest / smallest table", "<=", 1.25, lambda p: p["rows"]["largest_over_smallest"]),
    ("vectors of all titles, empty cache, seconds", "<=", 60, lambda p: p["titles"]["cold"]),
    ("speed-up from one worker to two", ">=", 1.8, lambda p: p["workers"]["speed_up_of_training"]),
)


def _copies(parts: Parts) -> list[float]:
    return [found["copies"] for found in parts["copies"]["workers"].values()]


def _targets(parts: Parts) -> Table:
    table = Table("target", "asked", "found", "", title="Targets")
    for says, sign, bound, of in TARGETS:
        try:
            found = of(parts)
        except KeyError:
            table.add_row(says, f"{sign} {bound:g}", "not measured", "")
            continue
        met = found <= bound if sign == "<=" else found >= bound
        table.add_row(says, f"{sign} {bound:g}", f"{found:,.2f}", "met" if met else "MISSED")
    return table


def _notes(parts: Parts) -> Iterator[str]:
    for name in ("expert", "idiomatic", "expert-asha", "idiomatic-asha"):
        part = parts.get(name, {})
        if part.get("scaled_by", 1) > 1.001:
            asha = ", taking for granted that ASHA stops as large a share of a sample as of the grid" * ("asha" in name)
            yield (
                f"{name}: {part['configurations']} configurations took {part['seconds'][0]:.1f} s; "
                f"{part['counted_once']:.1f} s counted once, the rest times {part['scaled_by']:.2f} (optimiser steps)"
                f"{asha}. --full measures the grid."
            )
    for rows, part in parts.get("rows", {}).get("tables", {}).items():
        yield (
            f"{int(rows):,} rows: {part['seconds_per_row_epoch'] * 1e6:.2f} us of a worker per row and epoch "
            f"({', '.join(f'{each * 1e6:.2f}' for each in part.get('seconds_per_row_epoch_of_all', ()))}); "
            f"the command {part['median']:.0f} s, peak {part['memory']['total']:,.0f} MB"
        )
    if "workers" in parts:
        yield f"speed-up of the whole command, Ray's start included: {parts['workers']['speed_up_of_the_command']:.2f}"
    for count, part in parts.get("copies", {}).get("workers", {}).items():
        grown = ", ".join(f"{value:.0f}" for value in part["worker_growth"])
        yield (
            f"{count} workers: features {part['features']:.0f} MB, object store {part['object_store']:.0f} MB, "
            f"workers' own growth {grown} MB"
        )
    if "titles" in parts:
        found = parts["titles"]
        yield (
            f"{found['titles']:,} titles, {found['distinct']:,} of them different: {found['cold']:.1f} s, "
            f"{found['cached']:.1f} s from the cache"
        )
    if "latency" in parts:
        named = ("help", "status", "trials")
        yield "seconds to answer: " + ", ".join(f"{name} {parts['latency'][name]:.2f}" for name in named)
    for name in ("exhaustive", "asha", "halving", "random"):
        if name in parts:
            part = parts[name]
            yield (
                f"{name}: {part['training']:.1f} s from the first segment to the end of the last, "
                f"{part['after_training']:.1f} s after it; {part['segments']} segments, "
                f"{part['checkpoint_megabytes']:.0f} MB of checkpoints"
            )
    gpu = parts.get("gpu", {})
    if "skipped" in gpu:
        yield f"gpu: skipped, {gpu['skipped']}"
    elif "processes" in gpu:
        shared = ", ".join(f"{count}: {part['median']:.1f} s" for count, part in gpu["processes"].items())
        yield (
            f"gpu, {gpu['device']}: exhaustive by processes on it {shared}; "
            f"ASHA by {gpu['fastest']}: {gpu['asha']['median']:.1f} s"
        )
