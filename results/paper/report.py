"""The report of one or several studies: the paper's numbers beside ours, as tables, files and figures."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from results.analysis.learning_curves import FIGURES, FigureKind, draw_curves, stage_curves
from results.paper.scorecard import choices_of, detail_of, scorecard_of, statistics_line, statistics_of
from results.paper.study_group import Recorded, read_studies
from results.paper.transfer import ENOUGH_RUNS, epochs_saved, epochs_to_reach, final_scores, paired, transfer_runs
from results.rendering.exports import html_table, markdown_table, write_file, write_table
from results.rendering.figures import figure_html, page

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


def build_report(studies: Sequence[str | Path], accuracies: Sequence[float] | None = None) -> Report:
    """Read studies into a report; ``accuracies`` are those to which transfer and scratch are timed.

    Raises ``InputError`` where the studies cannot be compared, or none of them has a score.
    """
    found = read_studies(studies)
    runs = transfer_runs(found)
    return Report(
        studies=found,
        card=scorecard_of(found),
        choices=choices_of(found),
        statistics=statistics_of(found),
        final=final_scores(runs),
        epochs=epochs_to_reach(runs, accuracies),
        pairs=paired(runs, accuracies),
    )


def readable_scorecard(card: pd.DataFrame) -> pd.DataFrame:
    """Return the scorecard with a report's column names: every score's paper value, ours, and the others there are."""
    names = {"validation": "ours", "holdout": "held out"}
    order = ["section", "model", "score", "paper", "ours", "difference", "held out", "spread", "seeds", "split"]
    return card.rename(columns=names)[order]


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


def write_report(report: Report, directory: Path) -> tuple[Path, ...]:
    """Write the scorecard and its companions, ``report.html`` and ``figures/`` into a directory, and return the files.

    Raises ``InputError`` where the directory cannot be written to.
    """
    tables = {"scorecard": report.card, "choices": report.choices, "table-2": report.statistics}
    tables |= {"transfer-epochs": report.epochs, "transfer-pairs": report.pairs}
    drawn = [(kind, body) for kind in FIGURES if (body := _figures(report, kind))]
    title = f"genresweep: {report.studies[0].directory.name}"
    return (
        *(write_table(frame, directory / f"{name}.csv") for name, frame in tables.items() if len(frame)),
        write_file(directory / "scorecard.md", _markdown(report).encode()),
        write_file(directory / "report.html", page(title, [*_sections(report), *_together(drawn)]).encode()),
        *(
            write_file(directory / "figures" / f"{kind.name}.html", page(kind.title, body).encode())
            for kind, body in drawn
        ),
    )


def _tables(report: Report) -> list[tuple[str, pd.DataFrame, int, Sequence[str]]]:
    """Return each table's heading, data, decimals, and the sentences below it."""
    card = readable_scorecard(report.card)
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
        ("Hyperparameters", report.choices, 4, []),
        ("Table 2", report.statistics, 2, [statistics_line(report.statistics)]),
    ]
    return [entry for entry in found if len(entry[1])]


def _markdown(report: Report) -> str:
    parts = []
    for heading, frame, decimals, notes in _tables(report):
        parts.append("\n\n".join([f"## {heading}", markdown_table(frame, decimals).rstrip(), *notes]))
    return "\n\n".join(parts) + "\n"


def _sections(report: Report) -> list[tuple[str, str]]:
    sections = [
        (heading, html_table(frame, decimals) + "".join(f"<p>{note}</p>" for note in notes))
        for heading, frame, decimals, notes in _tables(report)
    ]
    for study in report.studies:
        sections.append((f"{study.directory.name}: stages", html_table(study.stages)))
        grid = baseline_grid(study)
        if len(grid):
            sections.append((f"{study.directory.name}: grids of the baselines", html_table(grid, 4)))
    return sections


def baseline_grid(study: Recorded) -> pd.DataFrame:
    """Return the cross-validated accuracy of every point of the baselines' grids.

    Columns: ``model``, ``point``, ``mean``, ``std``. An older study that kept only the chosen point gives no rows.
    """
    own = study.scores[(study.scores["stage"] == "baselines") & (study.scores["side"] == "validation")]
    rows = [
        (row["variant"], json.dumps(point.get("point"))[:_WIDE], point.get("mean"), point.get("std"))
        for _, row in own.iterrows()
        for point in detail_of(row["detail"]).get("grid") or []
        if isinstance(point, dict)
    ]
    return pd.DataFrame(rows, columns=["model", "point", "mean", "std"])


def _figures(report: Report, kind: FigureKind) -> list[tuple[str, str]]:
    """Return one figure of this kind for each study that has trained its networks."""
    found = []
    for number, study in enumerate(report.studies):
        curves = stage_curves(study.curves, kind)
        if curves:
            figure = draw_curves(curves, kind.title)
            found.append((str(study.directory), figure_html(figure, f"{kind.name}-{number}")))
    return found


def _together(drawn: Sequence[tuple[FigureKind, Sequence[tuple[str, str]]]]) -> list[tuple[str, str]]:
    return [(f"{kind.title}, {study}", body) for kind, bodies in drawn for study, body in bodies]
