"""``python -m tests.support.saboteur PLAN ARGUMENTS...``: the command line, with one thing going wrong in it.

The plan is JSON with some of these: ``statement`` (send the signal at this statement of the database), ``point``
(send it at the entry of ``module:function``, at its ``call``-th call), ``signal``; ``clock`` (seconds that the clock
jumps at every tenth look at it); ``full`` (from this commit on no file of the driver's may outgrow the database's
log); ``worker`` and ``task`` (code appended to the modules of the trainable and of the stages, on workers alone);
``grids`` (baselines of one point each); ``code`` (what the driver takes for the hash of the code).
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import resource
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import results.record.study
import search.cluster.connection
import search.cluster.tune_bridge
import search.studies.stages.baselines
from search.cli import main as cli
from search.cluster.code_check import CODE, environment
from tests.support.processes import Plan

MODULES = {"worker": "sweep_trainable.py", "task": "stages.py"}
"""Where the code of a word of the plan is appended, as workers see the package of the trainables."""


def sabotage(plan: Plan) -> None:
    """Arrange everything that the plan asks for."""
    if "statement" in plan:
        connect = results.record.study.connect
        results.record.study.connect = lambda *a, **k: _spoilt(connect(*a, **k), plan)  # type: ignore[assignment]
    if "point" in plan:
        module, name = plan["point"].split(":")
        _replace(importlib.import_module(module), name, _countdown(plan.get("call", 1), plan["signal"]))
    if "clock" in plan:
        _spoil_clock(plan["clock"])
    if "full" in plan:
        _replace(search.cluster.tune_bridge, "commit", _limit(plan["full"]))
    if "grids" in plan:
        search.studies.stages.baselines.GRIDS = {
            kind: points[:1] for kind, points in search.studies.stages.baselines.GRIDS.items()
        }  # type: ignore[misc]
    for word, module in MODULES.items():
        if word in plan:
            search.cluster.connection.stage_code = functools.partial(
                _stage, search.cluster.connection.stage_code, module, plan[word]
            )
    if "code" in plan:
        search.cluster.connection.environment = lambda root: {**environment(root), CODE: plan["code"]}


def _countdown(count: int, number: int) -> Callable[..., None]:
    left = [count]

    def tick(*_: object) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), number)

    return tick


def _limit(count: int) -> Callable[..., None]:
    """Growing a file further fails, as on a full disk; workers have been started before."""
    left = [count]

    def tick(study: results.record.study.Study, *_: object) -> None:
        left[0] -= 1
        if left[0] == 0:
            size = (study.directory / "study.db-wal").stat().st_size
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    return tick


def _replace(module: Any, name: str, before: Callable[..., None]) -> None:
    original = getattr(module, name)

    def replacement(*arguments: Any, **options: Any) -> Any:
        before(*arguments)
        return original(*arguments, **options)

    setattr(module, name, replacement)


def _spoilt(connection: sqlite3.Connection, plan: Plan) -> sqlite3.Connection:
    connection.set_trace_callback(_countdown(plan["statement"], plan["signal"]))
    return connection


def _spoil_clock(jump: float) -> None:
    looks, true = [0], time.time

    def wrong() -> float:
        looks[0] += 1
        return true() + jump * (looks[0] // 10)

    time.time = wrong


def _stage(stage: Callable[[Path], None], module: str, code: str, directory: Path) -> None:
    stage(directory)
    with (directory / "trainables" / module).open("a", encoding="utf-8") as file:
        file.write(f"\n\n{code}\n")


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sabotage(json.loads(sys.argv[1]))
    sys.exit(cli.run(sys.argv[2:]))
