"""What is said while a sweep trains and there is no terminal: a log stays short, and says how far it is."""

from __future__ import annotations

import io
from pathlib import Path

from results.record.records import CurveRow
from results.record.schema import METRICS
from search.cli.console import _Console
from search.cli.progress import PlainProgress
from search.scheduling.coordinator import Outcome
from tests.support.simulated import coordinator_for, create_study, paper_trials


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_ever_fewer_lines_that_count_on_from_the_record(tmp_path: Path) -> None:
    said, clock = io.StringIO(), Clock()
    told = PlainProgress(_Console(file=said, width=80), clock)
    study = create_study(tmp_path / "s", paper_trials(4), scheduler="none", epochs=8, stack_size=1)
    coordinator = coordinator_for(study)
    key = study.trials()[0].key
    told.started(study, 2)
    for second in range(1, 3601):
        clock.now = float(second)
        scores = {**dict.fromkeys(METRICS, 1.0), "val_accuracy": 0.3 if second == 7 else float("nan")}
        told.segment(coordinator, Outcome(curves=[CurveRow(key=key, epoch=1, **scores)]))
    first, *lines = said.getvalue().splitlines()
    assert first == "training, 2 at once: 0/4 ended"
    assert lines[0] == "0/4 ended, 15 epochs, best 0.3000"
    assert [int(line.split(", ")[1].split()[0].replace(",", "")) for line in lines] == [
        *(15, 45, 105, 225, 465, 945),
        *(1545, 2145, 2745, 3345),
    ]
