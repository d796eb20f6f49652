"""The section of the study page on the ensemble: what it gains over the best network and trees, and its members."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from results.analysis.rows import StudyRows
from results.dataframes.ensembles import judgements_frame, members_frame
from results.dataframes.parameters import plain_value
from results.judging.ensemble import ENSEMBLE, Ensemble
from results.judging.trees import XGBOOST
from results.page.context import Context
from results.page.overview import duration
from results.page.payload import Block, Note, Table

_MODELS = {"best": "best network", ENSEMBLE: "ensemble", XGBOOST: "XGBoost"}
_SIDES = {"validation": "validation", "holdout": "held-out"}
_NOTES = (
    "Members and shares are chosen by the log loss on the validation rows, so that only held-out rows, where there are "
    "any, judge them. Log loss is in nats; the calibration error is the mean distance of probability and accuracy.",
)


def the_ensemble(context: Context) -> Iterator[Block]:
    """Yield, for each study that has an ensemble or trees, the judgements of all, and the ensemble's members."""
    for study, rows in zip(context.studies, context.rows, strict=True):
        within = f", {study.name}" if context.several else ""
        if rows.ensemble is not None:
            yield Note(text=_said(rows.ensemble))
        if rows.ensemble is not None or rows.trees is not None:
            yield Table.of(f"Beside the best network{within}", judged(rows), notes=_notes(rows), folded=False)
        if rows.ensemble is not None:
            yield Table.of(f"Members{within}", members(rows))


def _notes(rows: StudyRows) -> tuple[str, ...]:
    if rows.trees is None:
        return _NOTES
    point = ", ".join(f"{name} {value:.3g}" for name, value in rows.trees.point.items())
    points = f"{rows.trees.points:,} random point{'s' if rows.trees.points > 1 else ''}"
    said = f"XGBoost: the most accurate on the validation rows of {points}"
    return (*_NOTES, f"{said}, fitted in {duration(rows.trees.core_seconds)} of one core ({point}).")


def _said(ensemble: Ensemble) -> str:
    left_out = f"; {len(ensemble.left_out)} more were left out, since their checkpoints are lost or damaged"
    return (
        f"The probabilities of {len(ensemble.members)} networks, chosen among {ensemble.candidates}, are mixed by "
        f"their shares{left_out if ensemble.left_out else ''}. `genresweep predict` takes the study's folder ensemble/."
    )


def judged(rows: StudyRows) -> pd.DataFrame:
    """Return one row per side and model (the best network, the ensemble, trees), with its judgement."""
    frame = judgements_frame(rows.judgements)
    frame = frame[frame["model"].isin(_MODELS)].sort_values("side", ascending=False, kind="stable")
    frame["rows"] = [f"{count:,} {_SIDES[side]}" for count, side in zip(frame["rows"], frame["side"], strict=True)]
    frame["model"] = frame["model"].map(_MODELS)
    return frame.drop(columns="side").rename(columns=lambda name: name.replace("_", " "))


def members(rows: StudyRows) -> pd.DataFrame:
    """Return one row per member, the largest share first; those of this study with their hyperparameters."""
    frame = members_frame(rows.ensemble)
    configurations = {trial.key.config_id: trial.configuration for trial in rows.trials}
    known = [configurations.get(one) for one in frame["config_id"]]
    points = [rows.space.values(one) if one is not None else {} for one in known]
    described = [{name: str(plain_value(value)) for name, value in point.items()} for point in points]
    whole = pd.concat([frame, pd.DataFrame(described).fillna("")], axis=1)
    return whole.drop(columns="study") if set(frame["study"]) == {Path(rows.study).resolve().name} else whole
