"""The report of one or several studies: the paper's numbers beside ours, as tables and figures."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from data.errors import InputError
from results.analysis.learning_curves import FigureKind, draw_curves, stage_curves
from results.paper.scorecard import choices_of, scorecard_of, statistics_line, statistics_of
from results.paper.study_group import Recorded, are_papers, read_studies
from results.paper.transfer import ENOUGH_RUNS, epochs_saved, epochs_to_reach, final_scores, paired, transfer_runs
from results.record.records import Tuning
from results.rendering.exports import markdown_table

if TYPE_CHECKING:
    import plotly.graph_objects as go

_WIDE = 1000
_VALIDATION = "best epoch on the validation rows, which chose it (as in the paper)"


@dataclass(frozen=True, eq=False)
class Report:
    """All data of a report, read once: see the functions of `scorecard` and `transfer`."""

    studies: tuple[Recorded, ...]
    card: pd.DataFrame
    choices: pd.DataFrame
    statistics: pd.DataFrame
    final: pd.DataFrame
    epochs: pd.DataFrame
    pairs: pd.DataFrame

    @property
    def splits(self) -> list[str]:
        """Kinds of split, in the order of the studies."""
        return list(dict.fromkeys(self.card["split"]))

    @property
    def papers(self) -> bool:
        """True where the data are the paper's table: only then its figures stand beside ours."""
        return are_papers(self.studies)


def build_report(studies: Sequence[str | Path], accuracies: Sequence[float] | None = None) -> Report:
    """Read studies into a report; ``accuracies`` are those to which transfer and scratch are timed.

    Raises ``InputError`` where the studies cannot be compared, or none of them has a score.
    """
    report = read_report(studies, accuracies)
    if not any(study.trained for study in report.studies):
        raise InputError("there is nothing to report yet: no study of these has trained anything")
    return report


def read_report(studies: Sequence[str | Path], accuracies: Sequence[float] | None = None) -> Report:
    """Read studies as `build_report` does, also where nothing is trained yet, so that its tables are empty."""
    found = read_studies(studies)
    runs, papers = transfer_runs(found), are_papers(found)
    return Report(
        studies=found,
        card=scorecard_of(found),
        choices=choices_of(found),
        statistics=statistics_of(found if papers else ()),
        final=final_scores(runs),
        epochs=epochs_to_reach(runs, accuracies),
        pairs=paired(runs, accuracies),
    )


def readable_scorecard(report: Report) -> pd.DataFrame:
    """Return the scorecard with a report's column names: every score's paper value, ours, and the others there are.

    Without the paper's values where the data are not its table.
    """
    names = {"validation": "ours", "holdout": "held out"}
    order = ["section", "model", "score", "paper", "ours", "difference", "held out", "spread", "seeds", "split"]
    hidden = () if report.papers else ("paper", "difference")
    return report.card.rename(columns=names)[[name for name in order if name not in hidden]]


def readable_choices(report: Report) -> pd.DataFrame:
    """Return ``Report.choices``, without the paper's values where the data are not its table."""
    return report.choices if report.papers else report.choices.drop(columns=["paper", "difference", "agree"])


def splits_side_by_side(card: pd.DataFrame) -> pd.DataFrame:
    """Return accuracy by model with two columns per split, to show how much is memory of the same track or album."""
    accuracy = card[card["score"] == "accuracy"]
    frame = accuracy[["model"]].drop_duplicates().reset_index(drop=True)
    for split, own in accuracy.groupby("split", sort=False):
        found = own.set_index("model")
        frame[f"{split}"] = frame["model"].map(found["validation"])
        frame[f"{split}, held out"] = frame["model"].map(found["holdout"])
    return frame


def readable_epochs(epochs: pd.DataFrame) -> pd.DataFrame:
    """Return ``Report.epochs`` as text."""
    reached = epochs["reached"].astype(str) + " of " + epochs["runs"].astype(str)
    quartiles = epochs["low"].map(_epoch) + " to " + epochs["high"].map(_epoch)
    shown = {"median epochs": epochs["median"].map(_epoch), "quartiles": quartiles, "reached by": reached}
    return epochs[["split", "accuracy", "variant"]].assign(accuracy=epochs["accuracy"].map("{:.4g}".format), **shown)


def readable_saved(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return a summary of the epochs that transfer saves over ``Report.pairs``, as text."""
    saved = epochs_saved(pairs)
    if saved.empty:
        return saved
    quartiles = saved["low"].map(_saved) + " to " + saved["high"].map(_saved)
    shown = {"epochs saved, median": saved["median"].map(_saved), "quartiles": quartiles}
    counts = saved[["sooner", "alike", "later", "neither"]]
    return saved[["split", "accuracy"]].assign(accuracy=saved["accuracy"].map("{:.4g}".format), **shown).join(counts)


def _epoch(value: float) -> str:
    return "not reached" if math.isinf(value) else "" if math.isnan(value) else f"{value:.0f}"


def _saved(value: float) -> str:
    if math.isinf(value):
        return "scratch never" if value > 0 else "transfer never"
    return "" if math.isnan(value) else f"{value:+.0f}"


def transfer_notes(report: Report) -> list[str]:
    """Return notes on how to read the transfer tables."""
    if report.final.empty:
        return []
    held_out = report.card["holdout"].notna().any()
    notes = [
        "Beside the rows of six genres, the held-out column is the one that nothing was chosen by: the others are of "
        f"the {_VALIDATION}." + ("" if held_out else " These studies hold none out: run with --holdout .2.")
    ]
    for split, runs in report.final.groupby("split", sort=False)["runs"].min().items():
        if runs < ENOUGH_RUNS:
            notes.append(
                f"Only {runs} {'run' if runs == 1 else 'runs'} of each on the split {split}: too few to compare "
                f"transfer with scratch, which takes at least {ENOUGH_RUNS} seeds."
            )
    return notes


def titled_tables(report: Report) -> list[tuple[str, pd.DataFrame, int, Sequence[str]]]:
    """Return each table's heading, data, decimals, and the sentences below it."""
    card = readable_scorecard(report)
    found: list[tuple[str, pd.DataFrame, int, Sequence[str]]] = [
        (f"Scorecard, split {split}", card[card["split"] == split], 4, [f"Ours: mean over seeds, {_VALIDATION}."])
        for split in report.splits
    ]
    if len(report.splits) > 1:
        found.append(("Accuracy by split", splits_side_by_side(report.card), 4, []))
    found += [
        ("Transfer against scratch: final accuracy", report.final, 4, transfer_notes(report)),
        ("Transfer against scratch: epochs to an accuracy", readable_epochs(report.epochs), 4, []),
        ("Transfer against scratch: pairs of one seed", readable_saved(report.pairs), 4, []),
        ("Hyperparameters", readable_choices(report), 4, []),
        ("Table 2", report.statistics, 2, [statistics_line(report.statistics)]),
    ]
    return [entry for entry in found if len(entry[1])]


def report_markdown(report: Report) -> str:
    """Return all tables of a report in Markdown."""
    parts = []
    for heading, frame, decimals, notes in titled_tables(report):
        parts.append("\n\n".join([f"## {heading}", markdown_table(frame, decimals).rstrip(), *notes]))
    return "\n\n".join(parts) + "\n"


def baseline_grid(study: Recorded) -> pd.DataFrame:
    """Return the cross-validated accuracy of every point of the baselines' grids.

    Columns: ``model``, ``point``, ``mean``, ``std``. An older study that kept only the chosen point gives no rows.
    """
    own = study.scores[(study.scores["stage"] == "baselines") & (study.scores["side"] == "validation")]
    rows = [
        (row["variant"], json.dumps(dict(one.point))[:_WIDE], one.mean, one.std)
        for _, row in own.iterrows()
        for one in Tuning.from_json(row["detail"]).grid
    ]
    return pd.DataFrame(rows, columns=["model", "point", "mean", "std"])


def stage_figures(report: Report, kind: FigureKind) -> list[tuple[str, go.Figure]]:
    """Return one figure of this kind, with the study's directory, for each study that has trained its networks."""
    drawn = [(str(study.directory), stage_curves(study.curves, kind)) for study in report.studies]
    return [(directory, draw_curves(curves, kind.title)) for directory, curves in drawn if curves]
