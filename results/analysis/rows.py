"""One reading of a study, from which the data of all its pictures are made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import InputError
from results.dataframes.parameters import plain_value, space_of, weight_count
from results.judging.ensemble import Ensemble
from results.judging.judgement import Judgement
from results.judging.trees import TunedTrees
from results.record.manifest import DataFacts
from results.record.records import Decision, SegmentRecord, State, TrialKey, TrialRecord
from results.record.settings import StudySettings
from results.record.study import Study
from spaces import Point, SearchSpace


class TooFewError(InputError):
    """A study that has not recorded enough yet for a picture; ``sentence`` says what is missing."""

    def __init__(self, study: str, sentence: str) -> None:
        super().__init__(f"{study}: {sentence}")
        self.sentence = sentence


@dataclass(frozen=True, kw_only=True, eq=False)
class StudyRows:
    """A study as it was at one moment: its settings, and all that the pictures need of its record.

    ``trials`` are in the order of the search space, ``decisions`` in the order in which they were taken, ``segments``
    in that in which they ended. ``accuracy`` is the validation accuracy, ``(trials, epochs)`` float64, epoch 1 first,
    NaN where there is none.
    """

    study: str
    settings: StudySettings
    data: DataFacts
    space: SearchSpace
    trials: tuple[TrialRecord, ...]
    accuracy: np.ndarray
    decisions: tuple[Decision, ...]
    segments: tuple[SegmentRecord, ...]
    judgements: tuple[Judgement, ...] = ()
    ensemble: Ensemble | None = None
    trees: TunedTrees | None = None

    @cached_property
    def places(self) -> dict[TrialKey, int]:
        """Place of each configuration and seed among ``trials``."""
        return {trial.key: place for place, trial in enumerate(self.trials)}

    @cached_property
    def repeats(self) -> dict[str, list[int]]:
        """Places of each configuration's repeats among ``trials``, by its id."""
        found: dict[str, list[int]] = defaultdict(list)
        for place, trial in enumerate(self.trials):
            found[trial.key.config_id].append(place)
        return dict(found)

    @cached_property
    def values(self) -> list[Point]:
        """Value of each parameter that applies to a configuration, in the order of ``repeats``."""
        return [self.space.values(self.trials[places[0]].configuration) for places in self.repeats.values()]

    @cached_property
    def stopped(self) -> int:
        """Number of configurations of which a rung stopped at least one repeat."""
        return len({trial.key.config_id for trial in self.trials if trial.state is State.STOPPED})

    @cached_property
    def incumbent(self) -> int | None:
        """Place among ``trials`` of the incumbent, as `ranked` in `frames` chooses it; ``None`` without."""
        best = best_scores(self.accuracy)
        means = np.full(len(self.trials), np.nan)
        for places in self.repeats.values():
            means[places] = best[places].mean()
        judged = best if np.isnan(means).all() else means
        if np.isnan(judged).all():
            return None
        leading = np.flatnonzero((judged == np.nanmax(judged)) & ~np.isnan(best)).tolist()
        return min(leading, key=lambda place: self._rank(place, float(best[place])))

    def _rank(self, place: int, best: float) -> tuple[float, ...]:
        """Return what decides between repeats and equal means, in its order; the least is the best."""
        epoch = np.flatnonzero(self.accuracy[place] == best)[0]
        return (-best, float(epoch), weight_count(self.trials[place].configuration, self.data), float(place))

    def means(self, numbers: np.ndarray) -> np.ndarray:
        """Return the means over the repeats of each configuration of ``(trials, ...)``; NaN where one is."""
        return np.array([numbers[places].mean(axis=0) for places in self.repeats.values()])


AnyStudy = str | Path | Study | StudyRows
"""Parameter of all pictures: a study's directory, an open study, or what was read of it."""


def read_rows(study: AnyStudy) -> StudyRows:
    """Read all that the pictures of a study need, once and from one moment; rows read before are returned unchanged.

    Raises ``InputError`` where there is no study, or its record is damaged.
    """
    if isinstance(study, StudyRows):
        return study
    if not isinstance(study, Study):
        with Study.open(study) as opened:
            return _read(opened, str(study))
    return _read(study, str(study.directory))


def _read(study: Study, name: str) -> StudyRows:
    with study.reading(), study.snapshot():
        trials, decisions, segments = tuple(study.trials()), tuple(study.decisions()), study.segments()
        _refuse_strangers(trials, [*(one.key for one in decisions), *(key for one in segments for key in one.keys)])
        return StudyRows(
            study=name,
            settings=study.settings,
            data=study.manifest.data,
            space=space_of(study),
            trials=trials,
            accuracy=_accuracy(study, trials),
            decisions=decisions,
            segments=tuple(sorted(segments, key=lambda one: (one.ended, one.segment_id))),
            judgements=study.judgements,
            ensemble=study.ensemble,
            trees=study.trees,
        )


def _refuse_strangers(trials: Iterable[TrialRecord], named: Iterable[TrialKey]) -> None:
    """Raise ``ValueError`` where a decision or a segment names a configuration that the study does not have."""
    if strangers := set(named) - {trial.key for trial in trials}:
        raise ValueError(f"{len(strangers)} configurations were trained or judged that are not among its trials")


def _accuracy(study: Study, trials: tuple[TrialRecord, ...]) -> np.ndarray:
    curves = study.accuracies()
    longest = max((max(curve) for curve in curves.values()), default=0)
    found = np.full((len(trials), longest), np.nan)
    for place, trial in enumerate(trials):
        curve = curves.get(trial.key, {})
        found[place, [epoch - 1 for epoch in curve]] = [np.nan if one is None else one for one in curve.values()]
    return found


def best_scores(accuracy: np.ndarray) -> np.ndarray:
    """Return the best of every row's epochs, NaN where a row has none."""
    return np.fmax.reduce(accuracy, axis=1, initial=np.nan)


def written(value: Any) -> str:
    """Return a parameter's value as text: widths such as ``128-16``, and ``none`` for an absent one."""
    return "none" if value is None else str(plain_value(value))
