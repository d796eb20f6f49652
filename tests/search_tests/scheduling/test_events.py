"""Events of a sweep: together they are its record."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from results.record.records import TrialKey
from results.record.study import Study
from search.scheduling.events import BestImproved, Event, EventListener, StudyFailed, StudyFinished
from spaces import load_space
from tests.support.simulated import World, create_study, paper_trials, train_in


def told(tmp_path: Path, world: World, **settings: Any) -> tuple[list[dict[str, Any]], Path]:
    """The JSON of all events of a simulated sweep that is interrupted once."""
    events: list[Event] = []
    listener = EventListener(events.append)
    rows = [] if settings.get("search") == "optuna" else paper_trials(12)
    with create_study(tmp_path / "s", rows, **settings) as study:

        def committed(coordinator: Any, outcome: Any) -> None:
            (listener.suggested if outcome.facts else listener.segment)(coordinator, outcome)

        options: dict[str, Any] = {"began": lambda: listener.started(study, 2), "committed": committed}
        train_in(study, world, 3, **options)
        train_in(study, world, **options)
    return [json.loads(json.dumps(event.to_json(), allow_nan=False)) for event in events], tmp_path / "s"


@pytest.mark.parametrize("scheduler", ["asha", "halving", "none"])
def test_they_add_up_to_the_record(scheduler: str, tmp_path: Path) -> None:
    trials = paper_trials(12)
    world = World(endings={trials[3].key: (2, "diverged")}, failing={trials[5].key: 1})
    events, directory = told(tmp_path, world, scheduler=scheduler, reduction_factor=2, epochs=8)
    by_name: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        by_name.setdefault(event.pop("event"), []).append(event)
    with Study.open(directory) as study:
        assert sum(event["epochs"] for event in by_name["segment_finished"]) == sum(
            map(len, study.accuracies().values())
        )
        told_of = by_name.get("rung_decided", [])
        decided = [
            (TrialKey(event["config_id"], event["seed"]), event["epoch"], event["promoted"]) for event in told_of
        ]
        assert decided == [(d.key, d.epoch, d.promoted) for d in study.decisions()]
        ended = Counter(event["state"] for event in by_name["configuration_ended"])
        assert ended == Counter(str(trial.state) for trial in study.trials())
        best, improved = study.best_epoch(), by_name["best_improved"][-1]
        assert best == (TrialKey(improved["config_id"], improved["seed"]), improved["epoch"], improved["val_accuracy"])
        failed = [segment for segment in study.segments() if segment.error]
        assert len(by_name["segment_failed"]) == len(failed) > 0
    first, again = by_name["study_started"]
    assert first["progress"]["trained_epochs"] == 0 < again["progress"]["trained_epochs"]
    last = by_name["segment_finished"][-1]
    assert last["trained_epochs"] + last["saved_epochs"] <= last["total_epochs"] == 96


def test_suggestions_are_events(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"search": "optuna", "trials": 6, "sampler": "random", "scheduler": "none", "epochs": 4}
    events, _ = told(tmp_path, World(), space=load_space("paper"), **settings)
    suggested = [event for event in events if event["event"] == "configurations_suggested"]
    assert sum(len(event["members"]) for event in suggested) == 6


def test_one_json_form() -> None:
    best = BestImproved(time=1.5, config_id="a", seed=1, epoch=2, val_accuracy=0.5)
    assert best.to_json() == {
        **{"event": "best_improved", "time": 1.5, "config_id": "a", "seed": 1, "epoch": 2, "val_accuracy": 0.5}
    }
    assert StudyFailed(time=1.0, error="x").to_json() == {"event": "study_failed", "time": 1.0, "error": "x"}
    finished = StudyFinished(result={"a": float("nan"), "b": [float("inf"), 1]})
    assert finished.to_json()["result"] == {"a": None, "b": [None, 1]}
