"""The section of the study page on the ensemble: what it gains over the best network, and what it is made of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from results.analysis.rows import StudyRows
from results.dataframes.ensembles import judgements_frame, members_frame
from results.dataframes.parameters import plain_value
from results.judging.ensemble import ENSEMBLE, Ensemble
from results.page.context import Context
from results.page.payload import Block, Note, Table

_MODELS = {"best": "best network", ENSEMBLE: "ensemble"}
_SIDES = {"validation": "validation", "holdout": "held-out"}
_NOTES = (
    "Members and shares are chosen by the log loss on the validation rows, so that only held-out rows, where there are "
    "any, judge them. Log loss is in nats; the calibration error is the mean distance of probability and accuracy.",
)


def the_ensemble(context: Context) -> Iterator[Block]:
    """Yield, for each study that has an ensemble, its judgement beside the best network's, and its members."""
    for study, rows in zip(context.studies, context.rows, strict=True):
        if rows.ensemble is not None:
            within = f", {study.name}" if context.several else ""
            yield Note(text=_said(rows.ensemble))
            yield Table.of(f"Beside the best network{within}", judged(rows), notes=_NOTES, folded=False)
            yield Table.of(f"Members{within}", members(rows))


def _said(ensemble: Ensemble) -> str:
    left_out = f"; {len(ensemble.left_out)} more were left out, since their checkpoints are lost or damaged"
    return (
        f"The probabilities of {len(ensemble.members)} networks, chosen among {ensemble.candidates}, are mixed by "
        f"their shares{left_out if ensemble.left_out else ''}. `genresweep predict` takes the study's folder ensemble/."
    )


def judged(rows: StudyRows) -> pd.DataFrame:
    """Return one row per side and model (the best network, the ensemble), with its judgement."""
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
