"""The scorecard: the paper's numbers beside ours, over one or several studies that differ in their seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from data.errors import InputError
from results.stage_record import load_stage_scores
from results.study import Study

SCORES = ("accuracy", "precision", "recall", "f1")


@dataclass(frozen=True)
class PaperEntry:
    """One model of the paper: where it stands there, what we call it, and its scores (accuracy, P, R, F1)."""

    section: str
    model: str
    stage: str
    variant: str
    scores: tuple[float | None, float | None, float | None, float | None]


PAPER = (
    PaperEntry("4.1", "XGBoost, audio", "baselines", "xgboost", (0.572, None, None, None)),
    PaperEntry("3.1", "random forest, audio", "baselines", "random_forest", (None, None, None, None)),
    PaperEntry("4.2, Table 3", "simple network, audio", "simple", "simple", (0.546, 0.538, 0.546, 0.531)),
    PaperEntry("4.3, Table 4", "best of the grid, audio", "sweep", "incumbent", (0.574662, None, None, None)),
    PaperEntry("4.4, Table 5", "text only", "fusion", "text", (0.4536, 0.4568, None, 0.4430)),
    PaperEntry("4.4, Table 5", "audio + text, from scratch", "fusion", "scratch", (0.6174, 0.6209, None, 0.6116)),
    PaperEntry("(ours)", "audio + text, warm-started", "fusion", "warm", (None, None, None, None)),
    PaperEntry("4.5", "six genres, transferred", "transfer", "transfer", (0.572, 0.571, 0.572, 0.561)),
    PaperEntry("(ours)", "six genres, from scratch", "transfer", "scratch", (None, None, None, None)),
)


def scorecard(studies: Sequence[str | Path]) -> pd.DataFrame:
    """One row per model and score: the paper's number, ours, and the difference.

    Columns: ``section``, ``model``, ``score``; ``paper``; ``validation`` (mean over seeds, on the rows that chose the
    model, as in the paper), ``spread`` (standard deviation, NaN for one seed), ``holdout`` (mean, on rows that nothing
    chose by; NaN without ``--holdout``), ``difference`` (validation minus paper), ``seeds``, ``split``. A model that no
    study has trained is left out. ``InputError`` where the studies have different splits or none has any score.
    """
    opened = [Study.open(directory) for directory in studies]
    try:
        kinds = {study.settings.split for study in opened}
        if len(kinds) != 1:
            raise InputError(
                f"the studies must have one kind of split to be averaged, but have {', '.join(sorted(kinds))}"
            )
        scores = pd.concat([load_stage_scores(study) for study in opened], ignore_index=True)
    finally:
        for study in opened:
            study.close()
    if scores.empty:
        raise InputError("there is nothing to report yet: no study of these has trained anything")
    rows = [row for entry in PAPER for row in _rows(entry, scores)]
    return pd.DataFrame(rows).assign(split=kinds.pop())


def _rows(entry: PaperEntry, scores: pd.DataFrame) -> list[dict[str, object]]:
    own = scores[(scores["stage"] == entry.stage) & (scores["variant"] == entry.variant)]
    if own.empty:
        return []
    validation, holdout = own[own["side"] == "validation"], own[own["side"] == "holdout"]
    return [
        {
            "section": entry.section,
            "model": entry.model,
            "score": name,
            "paper": paper,
            "validation": validation[name].mean(),
            "spread": validation[name].std(),
            "holdout": holdout[name].mean(),
            "difference": None if paper is None else validation[name].mean() - paper,
            "seeds": len(validation),
        }
        for name, paper in zip(SCORES, entry.scores, strict=True)
    ]
