"""Trees beside a sweep: XGBoost tuned on the same rows for as many core-seconds as the sweep's workers took."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from data.errors import InputError
from data.machine.cpus import usable_cpus
from results.judging.judgement import Judgement
from results.judging.measures import judge
from results.judging.trees import XGBOOST, TunedTrees
from results.record.study import Study
from search.snapshots.copies import snapshots
from search.studies.relocation import Sources, same_data
from search.studies.stopping import logging_to

Told = Callable[[int, int, str], None]
"""A function that is told the seconds of the search so far, those of the whole, and what was found."""


def tune_beside(path: str | Path, *, seconds: float | None = None, told: Told = lambda *_: None) -> TunedTrees:
    """Tune trees on a study's rows on all cores of this machine, and record and return what came out.

    ``seconds`` are those of the search; ``None`` stands for as many core-seconds as the study's segments took.
    Raises ``InputError`` where the study has trained nothing, or its data are not as at its beginning.
    """
    from trainables.trees import tune_trees

    with Study.open_for_writing(path) as study, logging_to(study.directory / "log.txt"):
        threads = usable_cpus()
        length = sweep_core_seconds(study) / threads if seconds is None else seconds
        features = same_data(study, Sources(), "have trees beside it")[1].features
        found = tune_trees(
            features,
            seconds=length,
            seed=study.settings.seed,
            threads=threads,
            told=lambda points, accuracy, spent: told(int(spent), int(length), _found(points, accuracy)),
        )
        record = TunedTrees(points=found.points, core_seconds=found.seconds * threads, point=found.point)
        sides = (("validation", found.validation, features.y_val), ("holdout", found.holdout, features.y_holdout))
        judgements: list[Judgement] = [
            judge(XGBOOST, side, features.genres, probabilities, y) for side, probabilities, y in sides if len(y)
        ]
        with snapshots(study), study.transaction():
            study.add_trees(record, judgements)
        return record


def _found(points: int, accuracy: float) -> str:
    return f"seconds, {points} points of XGBoost, best {accuracy:.4f}"


def sweep_core_seconds(study: Study) -> float:
    """Return the seconds of all segments of a study, one core each; ``InputError`` where there are none."""
    found = sum(segment.ended - segment.started for segment in study.segments())
    if not found:
        raise InputError(f"{study.directory} has trained nothing yet: there is no time to give to trees as well")
    return found
