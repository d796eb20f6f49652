"""Configurations in the terminal: what is the same is said once, and nothing that matters is cut short."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from results.dataframes.frames import load_trials
from results.dataframes.repeats import load_repeats
from search.cli.texts.tables import cell_text, repeats_table, trials_table
from spaces import load_space
from tests.support.simulated import World, create_study, paper_trials, train_in, trial


def printed(table: object, width: int) -> list[str]:
    text = io.StringIO()
    Console(file=text, width=width, soft_wrap=True).print(table)
    return text.getvalue().splitlines()


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    points = load_space("wide").sample(6, 3)
    directory = tmp_path_factory.mktemp("wide") / "s"
    rows = [trial(point, place) for place, point in enumerate(points)]
    wide = {"space": load_space("wide"), "search": "random", "trials": 6}
    with create_study(directory, rows, **wide, scheduler="asha", epochs=8) as study:
        train_in(study, World(score=lambda key, epoch: epoch / 7 + int(key.config_id[:4], 16) / 9e6))
    return directory


@pytest.mark.parametrize("width", [80, 100, 120])
def test_ids_results_and_values_of_a_wide_space_are_whole(wide: Path, width: int) -> None:
    trials, repeats = load_trials(wide), load_repeats(wide)
    for lines, column in (
        (printed(trials_table(trials, "t", width), width), "val_accuracy"),
        (printed(repeats_table(repeats, "t", width), width), "mean"),
    ):
        text = "\n".join(lines)
        assert "…" not in text and max(map(len, lines[2:-2])) <= width
        for row in trials.itertuples():
            assert row.config_id in text and f"lr={row.learning_rate:.4g}" in text
        assert all(
            f"{score:.4g}" in text for score in pd.Series((repeats if column == "mean" else trials)[column]).round(4)
        )


def test_what_all_have_in_common_stands_beneath(tmp_path: Path) -> None:
    points = [row.configuration for row in paper_trials(192, epochs=4)]
    chosen = [p for p in points if p.hidden_layers == (128, 16) and p.optimizer == "sgd" and p.batch_size == 16][:5]
    with create_study(
        tmp_path / "s", [trial(p, n, 4) for n, p in enumerate(chosen)], scheduler="none", epochs=4
    ) as study:
        train_in(study, World())
        trials = load_trials(study)
    lines = printed(trials_table(trials, "t", 100), 100)
    heading, common = lines[2], lines[-1]
    assert common.startswith("the same for all: ")
    for told in ("hidden 128-16", "optim sgd", "batch 16", "seed 42", "state finished", "epochs 4"):
        assert told in common and told.partition(" ")[0] not in heading
    assert "lr" in heading and "lr" not in common and "activation" not in "".join(lines), "usual, and so not told"
    alone = printed(trials_table(trials.head(1), "t", 120), 120)
    assert "hidden" in alone[2] and "the same" not in "".join(alone), "one row has nothing in common"


def test_repeats_are_told_apart_by_their_seeds(tmp_path: Path) -> None:
    rows = [replace(row, key=replace(row.key, seed=seed)) for row in paper_trials(2) for seed in (42, 43)]
    with create_study(tmp_path / "s", rows, repeats=2) as study:
        trials = load_trials(study)
    assert "seed" in printed(trials_table(trials, "t", 100), 100)[2]


def test_a_cell_that_is_no_name_is_cut() -> None:
    """Rich would lay out ten million letters for a minute."""
    assert cell_text("x" * 10_000_000) == "x" * 197 + "..."
    assert cell_text("x" * 200) == "x" * 200
