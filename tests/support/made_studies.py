"""Studies whose trials and curves are made up, as large as one likes, without any training."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from results.record.facts import Fact
from results.record.records import Decision, SegmentRecord, State, TrialKey, TrialRecord
from results.record.study import Study
from spaces import Configuration, SearchSpace, load_space
from tests.results_tests.record.test_study import manifest, row

RUNGS = (1, 4)
"""Epochs after which the weaker half of a stopping study ends."""


def made_study(
    directory: Path,
    space: SearchSpace | None = None,
    *,
    count: int | None = None,
    epochs: int = 6,
    unfinished: int = 0,
    stopping: bool = False,
    **settings: Any,
) -> Path:
    """A sweep of this space, the paper's by default: its whole grid, or ``count`` random points.

    With ``unfinished`` its last configurations wait, and no driver is there; ``stopping`` ends weak ones at `RUNGS`.
    """
    space = space or load_space("paper")
    base, seed = manifest(), settings.pop("seed", 42)
    search = {"search": "random", "trials": count} if count else {}
    asked = {"space": space, "epochs": epochs, "seed": seed, "scheduler": "halving" if stopping else "none"}
    about = replace(base, settings=replace(base.settings, **{**asked, **search, **settings}))
    points = space.sample(count, seed) if count else space.configurations()
    trials = [
        TrialRecord(key=TrialKey(point.config_id, seed), position=place, configuration=point, budget=epochs)
        for place, point in enumerate(points)
    ]
    with Study.create(directory, about, trials) as study:
        trained = trials[: len(trials) - unfinished]
        _train(study, trained, epochs, stopping=stopping)
        if not unfinished:
            best = max(trained, key=lambda trial: _accuracy(trial.configuration, epochs))
            study.set_fact(Fact.INCUMBENT, best.key.config_id)
    return directory


def _train(study: Study, trials: list[TrialRecord], epochs: int, *, stopping: bool) -> None:
    left = dict.fromkeys((trial.key for trial in trials), epochs)
    decisions = []
    for rung in RUNGS if stopping else ():
        scores = {t.key: _accuracy(t.configuration, rung) for t in trials if left[t.key] == epochs}
        cutoff = float(np.median(list(scores.values())))
        for key, score in scores.items():
            decisions.append(Decision(key=key, epoch=rung, score=score, cutoff=cutoff, promoted=score >= cutoff))
            left[key] = epochs if score >= cutoff else rung
    with study.transaction():
        study.add_decisions(decisions)
        for place, trial in enumerate(trials):
            ran = left[trial.key]
            curve = [row(trial.key, epoch, _accuracy(trial.configuration, epoch)) for epoch in range(1, ran + 1)]
            study.add_curves(curve)
            study.add_segment(_segment(place, trial.key, ran))
        ended = {True: State.FINISHED, False: State.STOPPED}
        study.update_trials(replace(t, state=ended[left[t.key] == epochs], epoch=left[t.key]) for t in trials)


def _segment(place: int, key: TrialKey, ran: int) -> SegmentRecord:
    return SegmentRecord(
        segment_id=f"{place + 1:06d}",
        keys=(key,),
        first_epoch=1,
        last_epoch=ran,
        seconds=float(ran),
        host=f"host-{place % 2}",
        started=1e9 + place // 2 * 6,
        checkpoint=None,
        sha256=None,
    )


def _accuracy(point: Configuration, epoch: int) -> float:
    """An accuracy that depends on the hyperparameters, rises with the epochs, and is different for all points."""
    good = 0.1 * (point.optimizer != "sgd") + 0.05 * math.exp(-abs(math.log10(point.learning_rate) + 3))
    luck = int(point.config_id, 16) % 9973 / 99730
    return 0.3 + good + luck + 0.1 * (1 - 1 / epoch) - 0.05 * point.dropout
