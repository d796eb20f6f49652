"""Studies of every kind, recorded by the real coordinator over made-up curves, without Ray."""

from __future__ import annotations

from pathlib import Path

from results.record.records import TrialKey
from spaces import load_space
from tests.support.simulated import World, create_study, made_up_score, paper_trials, train_in, trial

KINDS = ("exhaustive", "asha", "halving", "wide", "interrupted", "repeats", "nothing")
"""An exhaustive grid, two schedulers, a search of the wide space, one killed, one with repeats, one not begun."""
_SETTINGS = {
    "exhaustive": {"scheduler": "none"},
    "asha": {"scheduler": "asha", "reduction_factor": 2},
    "halving": {"scheduler": "halving", "reduction_factor": 2},
    "wide": {"scheduler": "asha", "search": "optuna", "trials": 24, "space": load_space("wide")},
    "interrupted": {"scheduler": "asha", "reduction_factor": 2},
    "repeats": {"scheduler": "asha", "reduction_factor": 2, "repeats": 2},
    "nothing": {"scheduler": "asha"},
}


def score(key: TrialKey, epoch: int) -> float:
    """Better with every epoch, and by chance."""
    return 0.3 + 0.05 * epoch + 0.3 * made_up_score(key, 0) + 0.05 * made_up_score(key, epoch) + 0.01 * (key.seed % 2)


def record(directory: Path, kind: str) -> Path:
    """A study of 24 configurations and eight epochs of this kind."""
    trials = list(paper_trials(24))
    if kind == "exhaustive":
        trials = list(paper_trials(192))
    if kind == "wide":
        trials = [trial(point, place) for place, point in enumerate(load_space("wide").sample(24, 1))]
    if kind == "repeats":
        trials = [
            type(one)(
                key=TrialKey(one.key.config_id, 42 + repeat),
                position=2 * one.position + repeat,
                configuration=one.configuration,
                budget=one.budget,
            )
            for one in trials[:12]
            for repeat in range(2)
        ]
    ended = {trials[1].key: (1, "diverged"), trials[5].key: (3, "early_stopped")} if kind in ("asha", "wide") else {}
    failing = {trials[3].key: 1} if kind in ("asha", "wide") else {}
    with create_study(directory, trials, epochs=8, **_SETTINGS[kind]) as study:
        if kind != "nothing":
            world = World(score=score, endings=ended, failing=failing)
            train_in(study, world, segments=6 if kind == "interrupted" else None)
    return directory
