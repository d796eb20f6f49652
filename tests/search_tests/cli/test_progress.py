"""What is said while a sweep trains and there is no terminal: a log stays short, and says how far it is."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from search.cli.console import _Console
from search.cli.progress.plain import Pacer, PlainProgress
from search.cli.progress.text import duration
from search.scheduling.progress import Progress, RungProgress
from tests.support.simulated import World, create_study, paper_trials, train_in


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def progress(*rungs: int) -> Progress:
    judged = tuple(RungProgress(epoch, 2, 1) for epoch in rungs)
    return Progress(total=9, trained=1, saved=0, configurations=3, rungs=judged)


def due(pacer: Pacer, clock: Clock, seconds: range, *rungs: int) -> list[int]:
    found = []
    for second in seconds:
        clock.now = float(second)
        found += [second] if pacer.is_due(progress(*rungs)) else []
    return found


def test_ever_fewer_lines_where_no_rung_is_reached() -> None:
    clock = Clock()
    pacer = Pacer(clock)
    pacer.begin(progress())
    assert due(pacer, clock, range(1, 3601)) == [60, 180, 420, 900, 1500, 2100, 2700, 3300]


def test_one_line_for_each_rung_and_at_most_one_a_minute() -> None:
    clock = Clock()
    pacer = Pacer(clock)
    pacer.begin(progress())
    assert due(pacer, clock, range(1, 70), 1) == [60]
    assert due(pacer, clock, range(70, 170), 1, 4) == [120]
    assert due(pacer, clock, range(170, 230), 1, 4, 16) == [180]


def test_lines_count_on_from_the_record(tmp_path: Path) -> None:
    said, clock = io.StringIO(), Clock()
    told = PlainProgress(_Console(file=said, width=80, soft_wrap=True), clock)
    trials = paper_trials(4)
    world = World(score=lambda key, epoch: epoch / 100, seconds=0)
    with create_study(tmp_path / "s", trials, scheduler="halving", reduction_factor=2, epochs=8) as study:
        train_in(study, world, 1)

        def committed(*facts: object) -> None:
            clock.now += 60
            told.segment(*facts)  # type: ignore[arg-type]

        train_in(study, world, began=lambda: told.started(study, 2), committed=committed)
    first, *lines = said.getvalue().splitlines()
    assert first == f"{tmp_path / 's'}, training, 2 at once: 2 of 32 epochs, 0/4 ended, best 0.0100 at epoch 1"
    assert lines[-1] == "28 of 32 epochs, 3/4 ended, rung 4: 1 of 1, best 0.0400 at epoch 4"
    assert len({line.partition(", best")[0] for line in lines}) == len(lines)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (99, "99 s"), (101, "2 min"), (3599, "1 h 0 min"), (90_000, "25 h 0 min")]
)
def test_times_in_words(seconds: float, text: str) -> None:
    assert duration(seconds) == text
