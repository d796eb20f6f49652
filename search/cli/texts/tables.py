"""Configurations as tables for the terminal: their differences, and no id or result cut short."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import pandas as pd
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from results.rendering.exports import plain_number
from spaces.configuration import DEFAULTS

_LONGEST = 200
"""Letters that a cell shows: a longer text is no name, and takes a terminal minutes to lay out."""


def cell_text(value: Any) -> str:
    """Return a value as the text of a table's cell."""
    if pd.isna(value):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def frame_table(frame: pd.DataFrame, title: str, decimals: int | None = None) -> Table:
    """Return a dataframe as a table; floats with four digits, or with ``decimals``; missing cells empty."""
    table = Table(title=title, title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
    for name in frame.columns:
        numeric = pd.api.types.is_numeric_dtype(frame[name])
        table.add_column(str(name), justify="right" if numeric else "left", overflow="fold")
    for row in frame.itertuples(index=False):
        table.add_row(*("" if pd.isna(value) else _rounded(value, decimals) for value in row))
    return table


def _rounded(value: Any, decimals: int | None) -> str:
    return plain_number(value, decimals) if decimals is not None and isinstance(value, float) else cell_text(value)


def stages_table(stages: pd.DataFrame) -> Table:
    """Return a table of each stage's costs."""
    shown = stages.assign(seconds=stages["seconds"].round(1), peak_megabytes=stages["peak_megabytes"].round())
    return frame_table(shown.rename(columns={"peak_megabytes": "peak MB"}), "stages")


_HYPERPARAMETERS = {
    "hidden_layers": "hidden",
    "batch_norm": "BN",
    "dropout": "drop",
    "learning_rate": "lr",
    "batch_size": "batch",
    "optimizer": "optim",
    "clip_norm": "clip",
    "activation": "activation",
    "weight_decay": "decay",
    "momentum": "mom",
    "label_smoothing": "smooth",
    "schedule": "schedule",
    "schedule_epochs": "over",
    "patience": "patience",
    "encoding": "encoding",
    "ema_decay": "ema",
}
_OCCASIONAL = (
    *("activation", "weight_decay", "momentum", "label_smoothing", "schedule", "schedule_epochs", "patience"),
    *("encoding", "ema_decay"),
)
"""Hyperparameters left out where all are at their defaults: the paper's grid has one value of each."""
_OUTCOMES = {"seed": "seed", "state": "state", "epochs": "epochs", "best_epoch": "best", "val_accuracy": "accuracy"}
_MEANS = {
    **{"scored": "scored", "mean": "mean", "spread": "spread", "lowest": "low", "highest": "high"},
    **{"mean_rank": "rank", "rank_spread": "± rank"},
}
_CURVE = "curve"
_ALWAYS = {"config_id", "val_accuracy", _CURVE, *_MEANS} - {"scored"}
_TOGETHER = "hyperparameters"
_PLENTY = Console(width=10_000)


def trials_table(trials: pd.DataFrame, title: str, width: int, curves: Sequence[str] | None = None) -> Table:
    """Return ``results.load_trials`` as a table of ``width`` letters; ``best`` is the epoch of the best accuracy.

    ``curves`` are the sparklines of its rows, left out where the width does not suffice.
    """
    if curves is None or not any(curves):
        return _table(trials, _OUTCOMES, title, width)
    return _table(trials.assign(curve=curves), {**_OUTCOMES, _CURVE: _CURVE}, title, width)


def repeats_table(repeats: pd.DataFrame, title: str, width: int) -> Table:
    """Return rows of ``results.load_repeats`` as a table of ``width`` letters."""
    rounded = repeats.round({name: 1 if "rank" in name else 4 for name in _MEANS})
    return _table(rounded, _MEANS, title, width)


def _table(frame: pd.DataFrame, outcomes: dict[str, str], title: str, width: int) -> Table:
    """Return a table with values common to all rows beneath it; hyperparameters too wide for columns share one."""
    headings = {"config_id": "configuration", **_HYPERPARAMETERS, **outcomes}
    cells = {name: [cell_text(value) for value in frame[name]] for name in headings}
    shared = [name for name in headings if name not in _ALWAYS and len(frame) > 1 and len(set(cells[name])) == 1]
    usual = [name for name in _OCCASIONAL if set(cells[name]) <= {cell_text(DEFAULTS[name])}]
    shown = [name for name in headings if name not in (*shared, *usual)]
    said = ", ".join(f"{headings[name]} {cells[name][0]}" for name in shared if name not in usual)
    caption = f"the same for all: {said}" if said else None
    columns = {headings[name]: cells[name] for name in shown}
    right = [headings[name] for name in shown if name != "batch_norm" and pd.api.types.is_numeric_dtype(frame[name])]
    table = _drawn(columns, right, title, caption)
    if _PLENTY.measure(table).maximum <= width:
        return table
    if columns.pop(_CURVE, None) is not None:
        return _table(frame, {name: heading for name, heading in outcomes.items() if name != _CURVE}, title, width)
    own = {headings[name]: columns.pop(headings[name]) for name in shown if name in _HYPERPARAMETERS}
    if not own:
        return table
    together = [" ".join(map("=".join, zip(own, row, strict=True))) for row in zip(*own.values(), strict=True)]
    configuration = {"configuration": columns.pop("configuration"), _TOGETHER: together}
    return _drawn(configuration | columns, right, title, caption)


def _drawn(columns: dict[str, list[str]], right: Collection[str], title: str, caption: str | None) -> Table:
    """Return a table in which ``_TOGETHER`` alone wraps."""
    table = Table(title=title, caption=caption, box=SIMPLE, padding=(0, 0, 0, 1), pad_edge=False)
    table.title_justify = table.caption_justify = "left"
    for heading, cells in columns.items():
        widest = max(map(len, [heading, *cells]))
        wraps = heading == _TOGETHER
        table.add_column(
            heading,
            justify="right" if heading in right else "left",
            no_wrap=not wraps,
            min_width=None if wraps else widest,
            overflow="fold",
        )
    for row in zip(*columns.values(), strict=True):
        table.add_row(*row)
    return table


def replay_text(table: pd.DataFrame) -> pd.DataFrame:
    """Return columns of text for ``frame_table``; a star marks settings unbeaten in both epochs and regret."""
    return pd.DataFrame(
        {
            "scheduler": table["scheduler"],
            "factor": table["reduction_factor"].astype("string"),
            "grace": table["grace_period"].astype("string"),
            "epochs": _with_spread(table, "epochs", 0),
            "saved": table["saved"].map("{:.0%}".format),
            "regret": _with_spread(table, "regret", 4),
            "rank": _with_spread(table, "rank", 1),
            "best found": table["found"].map("{:.0%}".format),
            "seconds": _with_spread(table, "seconds", 1),
            "": table["best_trade"].map({True: "*", False: ""}),
        }
    )


def judged_text(table: pd.DataFrame) -> pd.DataFrame:
    """Return `replay.judged` as text: each figure on the studies chosen on, then on those judged on."""
    text = {
        "scheduler": table["scheduler"],
        "factor": table["reduction_factor"].astype("string"),
        "grace": table["grace_period"].astype("string"),
    }
    for end, word in (("", ""), ("_judged", " (judged)")):
        text |= {
            f"epochs{word}": _with_spread(table, "epochs", 0, end),
            f"saved{word}": table[f"saved{end}"].map("{:.0%}".format),
            f"regret{word}": _with_spread(table, "regret", 4, end),
            f"rank{word}": _number(table[f"rank{end}"], 1),
            f"best found{word}": table[f"found{end}"].map("{:.0%}".format),
        }
    return pd.DataFrame(text | {"": table["best_trade"].map({True: "*", False: ""})})


def arms_text(arms: pd.DataFrame) -> pd.DataFrame:
    """Return columns of text for ``frame_table``; to 1%: until within 1% of the exhaustive best, and how many did.

    Where configurations have repeats, their means are compared, and the heading says so.
    """
    best = "best mean" if (arms["repeats"] > 1).any() else "best"
    near = arms["near"].astype(str) + " of " + arms["studies"].astype(str)
    return pd.DataFrame(
        {
            "arm": arms["arm"],
            "studies": arms["studies"],
            best: _with_spread(arms, "best", 4),
            "regret": _with_spread(arms, "regret", 4),
            "epochs": _number(arms["epochs"], 0),
            "seconds": _number(arms["seconds"], 1),
            "epochs to 1%": _number(arms["epochs_to_near"], 0),
            "seconds to 1%": _number(arms["seconds_to_near"], 1),
            "came there": near.where(arms["regret"].notna(), ""),
        }
    )


def _with_spread(frame: pd.DataFrame, name: str, decimals: int, end: str = "") -> pd.Series:
    spread = _number(frame[f"{name}_spread{end}"], decimals)
    return _number(frame[f"{name}{end}"], decimals) + (" ± " + spread).where(spread != "", "")


def _number(values: pd.Series, decimals: int) -> pd.Series:
    return values.map(lambda value: "" if pd.isna(value) else f"{value:,.{decimals}f}")
