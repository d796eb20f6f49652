"""Confusion: which genres the promoted network takes for which."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from results.analysis.rows import AnyStudy, TooFewError, read_rows
from results.judging.judgement import Judgement


@dataclass(frozen=True, kw_only=True, eq=False)
class Confusion:
    """Result of `confusion`: ``counts`` and ``shares`` by true genre (rows) and predicted genre (columns).

    ``counts`` are numbers of rows (int64), ``shares`` are of the true genre's rows (float64, NaN where it has none).
    """

    judgement: Judgement
    counts: pd.DataFrame
    shares: pd.DataFrame


def confusion(study: AnyStudy, model: str = "best") -> Confusion:
    """Return the confusion matrix of a promoted model, on held-out rows where there are any, else on validation rows.

    Raises ``TooFewError``, an ``InputError``, where the record holds none: nothing is promoted, or an earlier version
    has promoted it.
    """
    rows = read_rows(study)
    own = {one.side: one for one in rows.judgements if one.model == model}
    judged = own.get("holdout") or own.get("validation")
    if judged is None:
        raise TooFewError(rows.study, "no network has been promoted with its confusion matrix yet")
    counts = pd.DataFrame(judged.confusion, index=judged.genres, columns=judged.genres, dtype="int64")
    return Confusion(judgement=judged, counts=counts, shares=counts.div(counts.sum(axis=1), axis=0))
