"""Comparison of studies: best accuracy so far against epochs and seconds, and regret against an exhaustive study."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd

from data.errors import InputError
from results.analysis.spending import Clock
from results.record.records import State
from results.record.settings import StudySettings
from results.record.study import Study
from spaces import SearchSpace

NEAR = 0.99
"""Share of the exhaustive best that counts as near to it."""
_NO_ARM = ("seed", "stack_size", "device", "storage", "stages")
"""Settings in which the studies of one arm may differ."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """Result of `compare`, as dataframes with the index 0, 1, ...

    ``progress``: one row per study and trained segment, in the order in which they ended: ``study``, ``arm``,
    ``epochs`` (spent so far), ``seconds`` (since the first segment began), ``best`` (validation accuracy so far).
    ``studies``: one row per study: ``study``, ``arm``, ``seed``, ``repeats``, ``complete``, ``best``, ``regret`` (the
    exhaustive best minus ``best``), ``epochs``, ``seconds``, ``epochs_to_near`` and ``seconds_to_near`` (until it was
    within 1% of the exhaustive best). The exhaustive best comes from the study of the same rows, space and seed, or
    else from the only exhaustive study of the same rows and seed in another space; the regret is then negative where
    that best was surpassed. Without an exhaustive study ``regret`` and the two ``..._to_near`` are NaN; these two are
    also NaN where the study never came that near.
    ``arms``: one row per arm, means over its studies: ``arm``, ``studies``, ``repeats``, ``best``, ``best_spread``
    (standard deviation, NaN for one study), ``regret``, ``regret_spread``, ``epochs``, ``seconds``,
    ``epochs_to_near``, ``seconds_to_near`` (over the studies that came near), ``near`` (their number).
    With ``repeats`` configurations are ranked by their mean: ``best`` is the best mean over the repeats of a
    configuration, each at its best epoch so far, and NaN until every repeat of some configuration has a score.
    """

    progress: pd.DataFrame
    studies: pd.DataFrame
    arms: pd.DataFrame


def compare(directories: Sequence[str | Path]) -> Comparison:
    """Compare studies; studies that differ only in their seed form one arm.

    Raises ``InputError`` where a study is named twice, or has no score yet.
    """
    if len({Path(directory).resolve() for directory in directories}) < len(directories):
        raise InputError("a study is named twice: name each once")
    found = []
    for directory in directories:
        with Study.open(directory) as study:
            found.append(_Read.of(str(directory), study))
    labels = _arm_labels([read.arm for read in found])
    measures = _measures(found)
    studies = pd.DataFrame([_study_row(*row) for row in zip(found, labels, measures, strict=True)])
    progress = [read.progress.assign(study=read.study, arm=label) for read, label in zip(found, labels, strict=True)]
    order = ["study", "arm", "epochs", "seconds", "best"]
    arms = pd.DataFrame([_arm_row(str(arm), own) for arm, own in studies.groupby("arm", sort=False)])
    return Comparison(pd.concat(progress, ignore_index=True)[order], studies, arms)


def _measures(found: Sequence[_Read]) -> list[float | None]:
    """Return each study's exhaustive best: that of its own space, or else that of the only other space that has one."""
    own = {read.reference: read.best for read in found if read.exhaustive}
    others: dict[str, dict[str, float]] = defaultdict(dict)
    for read in found:
        if read.exhaustive:
            others[read.rows][read.reference] = read.best
    return [
        own.get(read.reference, min(others[read.rows].values()) if len(others[read.rows]) == 1 else None)
        for read in found
    ]


def band(progress: pd.DataFrame, against: str) -> pd.DataFrame:
    """Return the mean and the range over the studies of an arm, at every point where one of them changes.

    ``progress`` holds one arm; ``against`` is ``epochs`` or ``seconds``. Columns: ``at``, ``mean``, ``low``, ``high``
    (the worst and the best study). The band begins where every study has a score; a study that has ended keeps its
    last value.
    """
    runs = [run for _, run in progress.dropna(subset=["best"]).groupby("study", sort=False)]
    begin = max(run[against].iloc[0] for run in runs)
    at = np.unique(np.concatenate([run[against].to_numpy(dtype=float) for run in runs]))
    at = at[at >= begin]
    steps = [
        run["best"].to_numpy()[np.searchsorted(run[against].to_numpy(dtype=float), at, side="right") - 1]
        for run in runs
    ]
    return pd.DataFrame(
        {"at": at, "mean": np.mean(steps, axis=0), "low": np.min(steps, axis=0), "high": np.max(steps, axis=0)}
    )


@dataclass(frozen=True, eq=False)
class _Read:
    """The parts of one study that a comparison needs."""

    study: str
    seed: int
    repeats: int
    arm: dict[str, Any]
    reference: str
    """Key shared by studies that are measured against the same exhaustive study."""
    rows: str
    """The same key without the search space."""
    exhaustive: bool
    complete: bool
    progress: pd.DataFrame

    @property
    def best(self) -> float:
        return float(self.progress["best"].iloc[-1])

    @classmethod
    def of(cls, name: str, study: Study) -> _Read:
        with study.snapshot(), study.reading():
            states, progress = [trial.state for trial in study.trials()], _progress(study)
        if progress["best"].isna().all():
            raise InputError(f"{name} has no score yet: there is nothing to compare")
        settings, complete = study.settings, all(state.is_final for state in states)
        rows = [study.manifest.data.fingerprint, settings.repeats, settings.epochs, settings.seed]
        return cls(
            study=name,
            seed=settings.seed,
            repeats=settings.repeats,
            arm=_arm(settings),
            reference=json.dumps([*rows, settings.space.to_toml()]),
            rows=json.dumps(rows),
            exhaustive=(
                settings.search == "grid" and settings.scheduler == "none" and complete and State.STOPPED not in states
            ),
            complete=complete,
            progress=progress,
        )


def _progress(study: Study) -> pd.DataFrame:
    """Return ``epochs``, ``seconds`` and ``best`` after each segment, in the order in which the segments ended."""
    curves = study.accuracies()
    trained = [segment for segment in study.segments() if segment.error is None]
    segments = sorted(trained, key=lambda segment: (segment.ended, segment.segment_id))
    found: dict[str, list[float]] = {"epochs": [], "seconds": [], "best": []}
    clock = Clock.of((segment.started, segment.ended) for segment in segments)
    reached: dict[str, dict[int, float]] = defaultdict(dict)
    epochs, best = 0, float("nan")
    for segment in segments:
        for key in segment.keys:
            curve = curves.get(key, {})
            scores = [curve[epoch] for epoch in range(segment.first_epoch, segment.last_epoch + 1) if epoch in curve]
            epochs += len(scores)
            own = reached[key.config_id]
            for score in (score for score in scores if score is not None):
                own[key.seed] = max(score, own.get(key.seed, score))
            if len(own) == study.settings.repeats:
                best = float(np.fmax(best, fmean(own.values())))
        for name, value in zip(found, (epochs, clock.at(segment.ended), best), strict=True):
            found[name].append(value)
    return pd.DataFrame(found)


def _arm(settings: StudySettings) -> dict[str, Any]:
    values = {**settings.to_mapping(), "space": settings.space}
    arm = {name: value for name, value in values.items() if name not in _NO_ARM}
    if settings.scheduler == "none":
        arm |= {"reduction_factor": None, "grace_period": None}
    if settings.search == "optuna":
        arm["sampler"] = settings.sampler or "tpe"
    return arm


_NAMES = {
    "reduction_factor": "factor",
    "grace_period": "grace",
    "trials": "trials",
    "epochs": "epochs",
    "repeats": "repeats",
    "holdout": "holdout",
}
"""Words shown with the settings whose value is only a number."""


def _arm_labels(arms: Sequence[dict[str, Any]]) -> list[str]:
    """Return a label per arm: its scheduler, and every other setting in which the arms differ."""
    shown = [name for name in arms[0] if name != "scheduler" and len({str(arm[name]) for arm in arms}) > 1]
    labels: dict[str, str] = {}
    for arm in arms:
        parts = [_shown(name, arm[name]) for name in ("scheduler", *shown) if arm[name] is not None]
        label, key = ", ".join(parts), _key(arm)
        same = sum(other.partition(" (")[0] == label for known, other in labels.items() if known != key)
        labels.setdefault(key, f"{label} ({same + 1})" if same else label)
    return [labels[_key(arm)] for arm in arms]


def _key(arm: dict[str, Any]) -> str:
    return json.dumps(arm, default=SearchSpace.to_toml)


def _shown(name: str, value: object) -> str:
    if isinstance(value, SearchSpace):
        return value.name
    return f"{_NAMES[name]} {value}" if name in _NAMES else str(value)


def _study_row(read: _Read, label: str, exhaustive: float | None) -> dict[str, object]:
    progress = read.progress
    measure = float("nan") if exhaustive is None else exhaustive
    near = progress[progress["best"] >= NEAR * measure].head(1)
    return {
        "study": read.study,
        "arm": label,
        "seed": read.seed,
        "repeats": read.repeats,
        "complete": read.complete,
        "best": read.best,
        "regret": measure - read.best,
        "epochs": int(progress["epochs"].iloc[-1]),
        "seconds": float(progress["seconds"].max()),
        "epochs_to_near": float(near["epochs"].iloc[0]) if len(near) else float("nan"),
        "seconds_to_near": float(near["seconds"].iloc[0]) if len(near) else float("nan"),
    }


def _arm_row(arm: str, studies: pd.DataFrame) -> dict[str, object]:
    row: dict[str, object] = {"arm": arm, "studies": len(studies), "repeats": int(studies["repeats"].iloc[0])}
    for name in ("best", "regret", "epochs", "seconds", "epochs_to_near", "seconds_to_near"):
        row[name] = studies[name].mean()
        if name in ("best", "regret"):
            row[f"{name}_spread"] = studies[name].std()
    return {**row, "near": int(studies["epochs_to_near"].notna().sum())}
