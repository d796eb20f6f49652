"""``python -m tests.search_tests.saboteur PLAN ARGUMENTS...``: the command line, with one thing going wrong in it.

The plan is JSON with some of these: ``statement`` (send the signal at this statement of the database), ``point``
(send it at the entry of ``module:function``, at its ``call``-th call), ``signal``; ``clock`` (seconds that the clock
jumps at every tenth look at it); ``worker`` (code appended to the trainable's module, on workers alone); ``code``
(what the driver takes for the hash of the code).
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import results.study
import search.cluster
from search import cli
from search.probe import CODE, environment
from tests.search_tests.processes import Plan


def sabotage(plan: Plan) -> None:
    """Arrange everything that the plan asks for."""
    if "statement" in plan:
        connect = results.study.connect
        results.study.connect = lambda *a, **k: _spoilt(connect(*a, **k), plan)  # type: ignore[assignment]
    if "point" in plan:
        module, name = plan["point"].split(":")
        _replace(importlib.import_module(module), name, _countdown(plan.get("call", 1), plan["signal"]))
    if "clock" in plan:
        _spoil_clock(plan["clock"])
    if "worker" in plan:
        stage = search.cluster.stage_code
        search.cluster.stage_code = lambda directory: _stage(stage, directory, plan["worker"])
    if "code" in plan:
        search.cluster.environment = lambda root: {**environment(root), CODE: plan["code"]}


def _countdown(count: int, number: int) -> Callable[..., None]:
    left = [count]

    def tick(*_: object) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), number)

    return tick


def _replace(module: Any, name: str, before: Callable[[], None]) -> None:
    original = getattr(module, name)

    def replacement(*arguments: Any, **options: Any) -> Any:
        before()
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


def _stage(stage: Callable[[Path], None], directory: Path, code: str) -> None:
    stage(directory)
    with (directory / "trainables" / "sweep_trainable.py").open("a", encoding="utf-8") as module:
        module.write(f"\n\n{code}\n")


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sabotage(json.loads(sys.argv[1]))
    sys.exit(cli.run(sys.argv[2:]))
