"""Records of the stages around a sweep: the trained models, their scores and their cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from results.record.facts import Fact
from results.record.reading import Table
from results.record.records import StageEpoch, StageScore
from results.record.study import Study

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class StageRecord:
    """One stage's entry in the record, committed as a whole when the stage is done."""

    stage: str
    seconds: float = 0.0
    peak_megabytes: float = 0.0
    """Peak memory of the driver and all processes it started, shared pages counted once."""
    note: str | None = None
    """A sentence for people, such as why it was skipped or what was chosen."""
    curves: list[StageEpoch] = field(default_factory=list)
    scores: list[StageScore] = field(default_factory=list)


def commit_stage(study: Study, record: StageRecord) -> None:
    """Write a stage, all or nothing; from then on a resumed study skips it."""
    with study.transaction():
        study.add_stage_curves(record.stage, record.curves)
        study.add_stage_scores(record.stage, record.scores)
        study.add_facts({Fact.STAGE_PROGRESS: ""})
        study.add_stage(record.stage, record.seconds, record.peak_megabytes, record.note)


def load_stages(study: str | Path | Study) -> pd.DataFrame:
    """Return one row per stage: ``stage``, ``seconds``, ``peak_megabytes``, ``note``."""
    return _frame(study, Study.stage_table)


def load_stage_scores(study: str | Path | Study) -> pd.DataFrame:
    """Return one row per stage, variant, seed and side (``validation`` or ``holdout``).

    Columns: those four, ``epoch`` (the best on the validation rows), ``accuracy``, ``precision``, ``recall``, ``f1``
    (weighted averages over genres), ``detail`` (JSON).
    """
    return _frame(study, Study.stage_score_table)


def load_stage_curves(study: str | Path | Study) -> pd.DataFrame:
    """Return one row per stage, variant, seed and epoch, with the metrics of ``load_curves``."""
    return _frame(study, Study.stage_curve_table)


def _frame(study: str | Path | Study, table: Callable[[Study], Table]) -> pd.DataFrame:
    import pandas as pd

    if not isinstance(study, Study):
        with Study.open(study) as opened:
            return _frame(opened, table)
    found = table(study)
    return pd.DataFrame(found.rows, columns=found.columns)
