"""Configurations as tables for the terminal: what tells them apart, and no id or result cut short."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from search.display import cell_text
from spaces.configuration import DEFAULTS

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
}
_OCCASIONAL = (
    *("activation", "weight_decay", "momentum", "label_smoothing", "schedule", "schedule_epochs", "patience"),
    "encoding",
)
"""Not worth a word where all are at their defaults: the paper's grid has one value of each."""
_OUTCOMES = {"seed": "seed", "state": "state", "epochs": "epochs", "best_epoch": "best", "val_accuracy": "accuracy"}
_MEANS = {
    **{"scored": "scored", "mean": "mean", "spread": "spread", "lowest": "low", "highest": "high"},
    **{"mean_rank": "rank", "rank_spread": "± rank"},
}
_ALWAYS = {"config_id", "val_accuracy", *_MEANS} - {"scored"}
_TOGETHER = "hyperparameters"
_PLENTY = Console(width=10_000)


def trials_table(trials: pd.DataFrame, title: str, width: int) -> Table:
    """Rows of ``results.load_trials`` in so many letters; ``best`` is the epoch of the best accuracy."""
    return _table(trials, _OUTCOMES, title, width)


def repeats_table(repeats: pd.DataFrame, title: str, width: int) -> Table:
    """Rows of ``results.load_repeats`` in so many letters."""
    rounded = repeats.round({name: 1 if "rank" in name else 4 for name in _MEANS})
    return _table(rounded, _MEANS, title, width)


def _table(frame: pd.DataFrame, outcomes: dict[str, str], title: str, width: int) -> Table:
    """What is the same in all rows stands beneath; hyperparameters that are too wide side by side share a column."""
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
    own = {headings[name]: columns.pop(headings[name]) for name in shown if name in _HYPERPARAMETERS}
    if not own:
        return table
    together = [" ".join(map("=".join, zip(own, row, strict=True))) for row in zip(*own.values(), strict=True)]
    configuration = {"configuration": columns.pop("configuration"), _TOGETHER: together}
    return _drawn(configuration | columns, right, title, caption)


def _drawn(columns: dict[str, list[str]], right: Collection[str], title: str, caption: str | None) -> Table:
    """A table in which ``_TOGETHER`` alone wraps."""
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
