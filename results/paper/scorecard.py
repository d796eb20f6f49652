"""The scorecard: the paper's numbers beside ours, for one or several studies."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pandas as pd

from data.errors import InputError
from data.files import read_regular
from results.paper.published import (
    BEST_OF_GRID,
    PAPER,
    PAPER_CHOICES,
    PAPER_STATISTICS,
    STATISTICS,
    PaperChoice,
    PaperEntry,
)
from results.paper.study_group import Recorded, by_split, read_studies
from results.record.records import Tuning
from results.record.schema import SCORES
from spaces import Configuration

_COLUMNS = ["section", "model", "score", "paper", "validation", "spread", "holdout", "difference", "seeds", "split"]


def scorecard(studies: Sequence[str | Path]) -> pd.DataFrame:
    """Return one row per split, model and score: the paper's number, ours, and the difference.

    Columns: ``section``, ``model``, ``score``; ``paper``; ``validation`` (mean over seeds, on the rows that chose the
    model, as in the paper), ``spread`` (standard deviation, NaN for one seed), ``holdout`` (mean, on rows that chose
    nothing; NaN without ``--holdout``), ``difference`` (validation minus paper), ``seeds``, ``split``. Models that no
    study has trained are left out; the best of a sweep has a row per features and space.

    Raises ``InputError`` where the studies cannot be compared (see `read_studies`), or none has any score.
    """
    card = scorecard_of(read_studies(studies))
    if card.empty:
        raise InputError("there is nothing to report yet: no study of these has any score")
    return card


def scorecard_of(studies: Sequence[Recorded]) -> pd.DataFrame:
    """Return the frame of `scorecard` for studies that are already read; empty where none has any score."""
    rows = []
    for split, own in by_split(studies).items():
        scores = pd.concat([_named(study) for study in own], ignore_index=True)
        rows += [{**row, "split": split} for entry in _entries(own) for row in _rows(entry, scores)]
    numbers = ("paper", "validation", "spread", "holdout", "difference")
    return pd.DataFrame(rows, columns=_COLUMNS).astype(dict.fromkeys(numbers, "float64"))


def _named(study: Recorded) -> pd.DataFrame:
    """Return a study's scores; the variant of a sweep is its features and its space."""
    scores = study.scores
    return scores.assign(variant=scores["variant"].where(scores["stage"] != "sweep", " ".join(study.sweep)))


def _entries(studies: Sequence[Recorded]) -> Iterator[PaperEntry]:
    """Yield the paper's models, each sweep entry replaced by one entry per space that was searched."""
    for entry in PAPER:
        if entry.stage != "sweep":
            yield entry
            continue
        for name in dict.fromkeys(study.space for study in studies if study.settings.features == entry.variant):
            yield replace(entry, model=_sweep_name(entry, name), variant=f"{entry.variant} {name}")


def _sweep_name(entry: PaperEntry, space: str) -> str:
    if entry is BEST_OF_GRID:
        return entry.model if space == "paper" else f"best of {space}, audio"
    return f"{entry.model} of {space}"


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


def choices_of(studies: Sequence[Recorded]) -> pd.DataFrame:
    """Return the hyperparameters of 4.1, Table 3 and Table 4 beside those chosen or used here.

    One row per split, model and setting: ``section``, ``model``, ``setting``, ``paper``, ``ours`` (text; several where
    seeds chose differently), ``difference`` (mean minus the paper's, NaN where not a number), ``agree`` (number of
    studies with the paper's value), ``studies``, ``split``. Table 4 covers sweeps on audio alone.
    """
    columns = ["section", "model", "setting", "paper", "ours", "difference", "agree", "studies", "split"]
    rows = []
    for split, own in by_split(studies).items():
        for choice in PAPER_CHOICES:
            found = [values for study in own if (values := _chosen(study, choice.stage)) is not None]
            rows += [{**row, "split": split} for row in _choice_rows(choice, found)]
    return pd.DataFrame(rows, columns=columns).astype({"difference": "float64"})


def _chosen(study: Recorded, stage: str) -> dict[str, Any] | None:
    """Return the settings that a study has for a model, or ``None`` where it has not trained it."""
    if stage == "sweep":
        if study.incumbent is None or study.settings.features != "audio":
            return None
        return asdict(study.incumbent.configuration) | {"epochs": study.incumbent.budget}
    if stage == "simple":
        return _simple_network(study)
    own = study.scores[(study.scores["variant"] == stage) & (study.scores["side"] == "validation")]
    return None if own.empty else dict(Tuning.from_json(own["detail"].iloc[0]).point)


def _simple_network(study: Recorded) -> dict[str, Any] | None:
    path = study.directory / "stages" / "simple" / "model.json"
    if study.settings.stages is None or not path.exists():
        return None
    try:
        configuration = Configuration.from_mapping(json.loads(read_regular(path))["configuration"])
        return asdict(configuration) | {"epochs": study.settings.stages.epochs}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged or not a model's: {error}") from error


def _choice_rows(choice: PaperChoice, found: Sequence[dict[str, Any]]) -> list[dict[str, object]]:
    if not found:
        return []
    rows = []
    for setting, paper in choice.values.items():
        ours = [_plain(values.get(setting)) for values in found]
        number = float(paper) if isinstance(paper, float | int) and not isinstance(paper, bool) else None
        numbers = [float(value) for value in ours if number is not None and isinstance(value, float | int)]
        rows.append(
            {
                "section": choice.section,
                "model": choice.model,
                "setting": setting,
                "paper": str(_plain(paper)),
                "ours": ", ".join(dict.fromkeys(map(str, ours))),
                "difference": fmean(numbers) - number if number is not None and numbers else float("nan"),
                "agree": sum(value == _plain(paper) for value in ours),
                "studies": len(found),
            }
        )
    return rows


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def statistics_beside_paper(statistics: pd.DataFrame) -> pd.DataFrame:
    """Return Table 2 beside ``Description.statistics``.

    Columns: ``variable``, ``statistic``, ``paper``, ``ours``, ``difference``. The paper gives two decimals, so ours
    are rounded to two before the difference is taken.
    """
    ours = statistics.set_index("statistic")
    rows = [
        (variable, statistic, paper, value)
        for variable, figures in PAPER_STATISTICS.items()
        if variable in ours
        for statistic, paper, value in zip(STATISTICS, figures, ours[variable].loc[list(STATISTICS)], strict=True)
    ]
    frame = pd.DataFrame(rows, columns=["variable", "statistic", "paper", "ours"])
    return frame.assign(ours=frame["ours"].round(2), difference=(frame["ours"].round(2) - frame["paper"]).round(2))


def statistics_of(studies: Sequence[Recorded]) -> pd.DataFrame:
    """Return `statistics_beside_paper` for the data that these studies share; empty where none described it."""
    for study in studies:
        path = study.directory / "description" / "statistics.csv"
        if path.exists():
            try:
                return statistics_beside_paper(pd.read_csv(io.BytesIO(read_regular(path))))
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise InputError(f"{path} is damaged: {error}; describe the table again") from error
    return pd.DataFrame()


def statistics_line(beside: pd.DataFrame) -> str:
    """Return one line that says how closely Table 2 is matched."""
    if beside.empty:
        return "Table 2: none of its columns is in this table"
    same, away = int((beside["difference"] == 0).sum()), beside["difference"].abs()
    said = f"Table 2: {same} of {len(beside)} figures are those of the paper's table, to two decimals"
    if not away.max() > 0:
        return said
    largest = beside.iloc[int(away.to_numpy().argmax())]
    return (
        f"{said}; the largest difference is {largest['difference']:,.2f}, "
        f"in the {largest['statistic']} of {largest['variable']}"
    )
