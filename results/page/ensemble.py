"""The section of the study page on the ensemble: what it gains over the best network, and what it is made of."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from results.analysis.rows import StudyRows
from results.dataframes.parameters import plain_value
from results.judging.ensemble import ENSEMBLE, Ensemble
from results.page.context import Context
from results.page.payload import Block, Note, Table

_NAMES = {"best": "best network", ENSEMBLE: "ensemble"}
_SIDES = {"validation": "validation", "holdout": "held-out"}


def the_ensemble(context: Context) -> Iterator[Block]:
    """Yield, for each study that has an ensemble, its judgement beside the best network's, and its members."""
    for study, rows in zip(context.studies, context.rows, strict=True):
        if rows.ensemble is not None:
            within = f", {study.name}" if context.several else ""
            yield Note(text=_said(rows.ensemble))
            yield Table.of(f"Beside the best network{within}", judged(rows), notes=_NOTES, folded=False)
            yield Table.of(f"Members{within}", members(rows))


_NOTES = (
    "Members and shares are chosen by the log loss on the validation rows, so that only held-out rows, where there are "
    "any, judge them. Log loss is in nats; the calibration error is the mean distance of probability and accuracy.",
)


def _said(ensemble: Ensemble) -> str:
    left_out = f"; {len(ensemble.left_out)} more were left out, since their checkpoints are lost or damaged"
    return (
        f"The probabilities of {len(ensemble.members)} networks, chosen among {ensemble.candidates}, are mixed by "
        f"their shares{left_out if ensemble.left_out else ''}. `genresweep predict` takes the study's folder ensemble/."
    )


def judged(rows: StudyRows) -> pd.DataFrame:
    """Return one row per side and model (the best network, the ensemble), with its judgement."""
    own = {(one.side, one.model): one for one in rows.judgements}
    found = [(side, model, own[side, model]) for side in _SIDES for model in _NAMES if (side, model) in own]
    return pd.DataFrame(
        [
            (_NAMES[model], f"{one.rows:,} {_SIDES[side]}", one.accuracy, one.log_loss, one.calibration_error)
            for side, model, one in found
        ],
        columns=["model", "rows", "accuracy", "log loss", "calibration error"],
    )


def members(rows: StudyRows) -> pd.DataFrame:
    """Return one row per member, the largest share first; those of this study with their hyperparameters."""
    assert rows.ensemble is not None
    configurations = {trial.key.config_id: trial.configuration for trial in rows.trials}
    found = []
    for one in rows.ensemble.members:
        configuration = configurations.get(one.config_id)
        values = rows.space.values(configuration) if configuration is not None else {}
        described = {name: str(plain_value(value)) for name, value in values.items()}
        found.append({"share": one.share, "study": one.study, "configuration": one.config_id, "seed": one.seed})
        found[-1] |= {"epoch": one.epoch, **described}
    frame = pd.DataFrame(found).fillna("")
    return frame if frame["study"].nunique() > 1 else frame.drop(columns="study")
