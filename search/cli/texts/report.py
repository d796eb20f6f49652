"""A description and a report as they are read in a terminal of 100 columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich.table import Table

from results.paper.description import Description
from results.paper.report import (
    Report,
    readable_epochs,
    readable_saved,
    readable_scorecard,
    splits_side_by_side,
    transfer_notes,
)
from results.paper.scorecard import statistics_beside_paper, statistics_line
from search.cli.console import OUT
from search.cli.texts.tables import frame_table

_BAR = 40


def print_report(report: Report) -> None:
    """Print the tables, and notes on how to read them."""
    for table in report_tables(report):
        OUT.print(table)
    lines = [*transfer_notes(report), *([statistics_line(report.statistics)] if len(report.statistics) else [])]
    for line in lines:
        OUT.print(line, markup=False)


def print_written(paths: Sequence[Path]) -> None:
    """Print the paths of the written files."""
    OUT.print("written: " + ", ".join(str(path) for path in paths), markup=False)


def report_tables(report: Report) -> list[Table]:
    """Return each split's scorecard, the splits side by side, transfer against scratch, and the hyperparameters."""
    card = readable_scorecard(report)
    tables = [_scorecard_table(card[card["split"] == split], split) for split in report.splits]
    if len(report.splits) > 1:
        wide = splits_side_by_side(report.card)
        tables.append(frame_table(wide, "accuracy by split, on validation rows and on held-out ones", decimals=4))
    found = [
        ("transfer against scratch: final accuracy", _final(report.final)),
        ("transfer against scratch: epochs to a validation accuracy", readable_epochs(report.epochs)),
        ("transfer against scratch: pairs of one seed", readable_saved(report.pairs)),
        ("hyperparameters", report.choices.drop(columns="section")),
    ]
    return [*tables, *(frame_table(_once(frame), title, decimals=4) for title, frame in found if len(frame))]


def _scorecard_table(card: pd.DataFrame, split: str) -> Table:
    shown = card.drop(columns=["section", "split"]).rename(columns={"difference": "differs"})
    title = f"scorecard, split {split} (ours: on the validation rows that chose the model, as in the paper)"
    return frame_table(_once(shown), title, decimals=4)


def _final(final: pd.DataFrame) -> pd.DataFrame:
    """Return the final scores with spreads beside their means."""
    if final.empty:
        return final
    shown = final[["split", "variant"]].copy()
    for name in ("best", "last", "ahead"):
        shown[name] = [_with_spread(*pair) for pair in zip(final[name], final[f"{name} spread"], strict=True)]
    return shown.rename(columns={"ahead": "ahead (pairs)"}).assign(runs=final["runs"])


def _with_spread(mean: float, spread: float) -> str:
    if pd.isna(mean):
        return ""
    return f"{mean:.4f}" if pd.isna(spread) else f"{mean:.4f} ± {spread:.4f}"


def _once(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with each model named in the first of its rows only."""
    if "model" not in frame:
        return frame
    return frame.assign(model=frame["model"].where(frame["model"] != frame["model"].shift(), ""))


def print_description(description: Description) -> None:
    """Print Table 1, the genres with bars, Table 2 and its distance from the paper's, and the correlations."""
    OUT.print(frame_table(description.variables, "variables (Table 1)"))
    if len(description.genres):
        OUT.print(frame_table(genres_with_bars(description.genres), "genres"))
    upright = description.statistics.set_index("statistic").T.rename_axis("variable").reset_index()
    OUT.print(frame_table(upright, "statistics (Table 2)", decimals=2))
    OUT.print(statistics_line(statistics_beside_paper(description.statistics)), markup=False)
    OUT.print(frame_table(correlation_triangle(description.correlations), "correlations (Pearson)"))


def genres_with_bars(genres: pd.DataFrame) -> pd.DataFrame:
    """Return ``Description.genres`` with its shares as bars, the longest for the largest."""
    largest = genres["share"].max()
    bars = ["█" * max(round(_BAR * share / largest), 1) for share in genres["share"]]
    return genres.assign(share=genres["share"].map("{:.1%}".format)).assign(**{"": bars})


def correlation_triangle(correlations: pd.DataFrame) -> pd.DataFrame:
    """Return the half below the diagonal, as text; columns are headed by the numbers before the rows' names."""
    names = list(correlations["variable"])
    values = correlations[names].to_numpy()
    frame = pd.DataFrame({"variable": [f"{number} {name}" for number, name in enumerate(names, start=1)]})
    for column in range(len(names) - 1):
        frame[str(column + 1)] = [_cell(values[row, column]) if row > column else "" for row in range(len(names))]
    return frame


def _cell(value: float) -> str:
    """Return a number with two decimals, without the zero before the point."""
    return "–" if pd.isna(value) else f"{value:.2f}".replace("0.", ".", 1)
