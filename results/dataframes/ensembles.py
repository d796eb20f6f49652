"""Tidy dataframes of a study's ensemble, and of the judgements of its models."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pandas as pd

from results.judging.ensemble import Ensemble
from results.judging.judgement import Judgement
from results.record.study import Study

_MEMBER = {"share": "float64", "study": "str", "config_id": "str", "seed": "Int64", "epoch": "Int64"}
_JUDGED = {
    **{"model": "str", "side": "str", "rows": "Int64"},
    **dict.fromkeys(("accuracy", "log_loss", "calibration_error"), "float64"),
}


def load_ensemble(study: str | Path | Study) -> pd.DataFrame:
    """Return one row per member of a study's ensemble, the largest share first; none where there is no ensemble.

    Columns: ``share`` (float64, summing to 1), ``study``, ``config_id`` (str), ``seed``, ``epoch`` (Int64).
    """
    return members_frame(_opened(study)[0])


def load_judgements(study: str | Path | Study) -> pd.DataFrame:
    """Return one row per judged model (``best``, ``ensemble``, ``xgboost``) and side (``validation``, ``holdout``).

    Columns: those two (str), ``rows`` (Int64), ``accuracy``, ``log_loss`` (nats), ``calibration_error`` (float64).
    """
    return judgements_frame(_opened(study)[1])


def members_frame(ensemble: Ensemble | None) -> pd.DataFrame:
    """Return `load_ensemble` of a record that was read already."""
    rows = [asdict(member) for member in ensemble.members] if ensemble is not None else []
    return pd.DataFrame(rows, columns=list(_MEMBER)).astype(_MEMBER)


def judgements_frame(judgements: tuple[Judgement, ...]) -> pd.DataFrame:
    """Return `load_judgements` of records that were read already."""
    rows = [{name: getattr(one, name) for name in _JUDGED} for one in judgements]
    return pd.DataFrame(rows, columns=list(_JUDGED)).astype(_JUDGED)


def _opened(study: str | Path | Study) -> tuple[Ensemble | None, tuple[Judgement, ...]]:
    if not isinstance(study, Study):
        with Study.open(study) as opened:
            return _opened(opened)
    return study.ensemble, study.judgements
