"""Studies with stages whose scores and curves are made up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from results.paper.published import PAPER_GENRES, PAPER_ROWS
from results.record.facts import Fact
from results.record.manifest import DataFacts
from results.record.records import ModelScores, StageEpoch, StageScore, Tuning
from results.record.schema import METRICS, SCORES
from results.record.settings import StageSettings
from results.record.stage_records import StageRecord, commit_stage
from results.record.study import Study
from spaces import load_space
from tests.results_tests.record.test_study import manifest, some_trials

DATA = {"source": "/tables/train.csv", "rows": PAPER_ROWS, "genres": list(PAPER_GENRES), "synthetic": False}


def four(accuracy: float) -> dict[str, float]:
    """Precision a tenth below the accuracy, recall like it, F1 a fifth below."""
    return dict(zip(SCORES, (accuracy, accuracy - 0.1, accuracy, accuracy - 0.2), strict=True))


def _row(epoch: int, accuracy: float) -> dict[str, float]:
    others = dict.fromkeys(METRICS, 1.0)
    return {**others, "epoch": epoch, "val_accuracy": accuracy, "train_loss": 1 / epoch, "val_loss": 1 + 1 / epoch}


def staged(
    directory: Path,
    scores: Iterable[tuple[str, str, float, float | None]] = (),
    curves: Mapping[tuple[str, str, int], list[float]] | None = None,
    data: Mapping[str, Any] | None = None,
    tuning: Tuning | None = None,
    **settings: Any,
) -> Path:
    """A study with scores (stage, variant, validation, held out or None) and accuracies by stage, variant and seed."""
    base, space = manifest(), load_space("paper")
    asked = replace(base.settings, **{"space": space, "stages": StageSettings(), **settings})
    about = replace(base, settings=asked, data=DataFacts.from_mapping({**base.data.to_json(), **DATA, **(data or {})}))
    records: dict[str, StageRecord] = {}
    for stage, variant, validation, held_out in scores:
        record = records.setdefault(stage, StageRecord(stage))
        for side, value in (("validation", validation), ("holdout", held_out)):
            if value is not None:
                record.scores.append(
                    StageScore(
                        variant=variant,
                        seed=asked.seed,
                        side=side,
                        epoch=1,
                        tuning=tuning,
                        scores=ModelScores(**four(value)),
                    )
                )
    for (stage, variant, seed), accuracies in (curves or {}).items():
        record = records.setdefault(stage, StageRecord(stage))
        record.curves += [
            StageEpoch(variant=variant, seed=seed, **_row(epoch, value))  # type: ignore[arg-type]
            for epoch, value in enumerate(accuracies, start=1)
        ]
    trials = some_trials(2)
    with Study.create(directory, about, trials) as study:
        for record in records.values():
            commit_stage(study, record)
        study.set_fact(Fact.INCUMBENT, trials[0].key.config_id)
    return directory
