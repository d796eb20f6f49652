from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from data.errors import InputError
from results import load_transfer, scorecard
from results.page.files import write_report
from results.paper.published import OURS, PAPER_CHOICES
from results.paper.report import baseline_grid, build_report, splits_side_by_side
from results.record.records import GridScore, Tuning
from results.record.settings import StageSettings
from search.cli.texts.report import report_tables
from spaces import load_space
from tests.support.staged import staged

GRID = "best of the grid, audio"
WIDE = replace(load_space("paper"), name="wide")
FUSED = "audio + text, its own sweep of paper"


def sweep(directory: Path, accuracy: float, **settings: Any) -> Path:
    return staged(directory, [("sweep", "incumbent", accuracy, None)], **{"stages": None, **settings})


def test_every_sweep_has_the_row_of_its_own_features_and_space(tmp_path: Path) -> None:
    studies = [sweep(tmp_path / f"audio-{seed}", 0.5 + seed / 10, seed=seed) for seed in (1, 2)]
    studies += [sweep(tmp_path / f"fusion-{seed}", 0.6 + seed / 10, seed=seed, features="fusion") for seed in (1, 2)]
    studies.append(sweep(tmp_path / "wide", 0.9, seed=1, features="fusion", space=WIDE))
    studies.append(sweep(tmp_path / "text", 0.3, seed=1, features="text"))
    card = scorecard(studies)
    accuracy = card[card["score"] == "accuracy"].set_index("model")
    assert accuracy["validation"].to_dict() == pytest.approx(
        {GRID: 0.65, FUSED: 0.75, "audio + text, its own sweep of wide": 0.9, "text, its own sweep of paper": 0.3}
    )
    assert accuracy.loc[[GRID, FUSED], "seeds"].tolist() == [2, 2]
    assert accuracy.loc[GRID, "spread"] == pytest.approx(0.1 / 2**0.5)
    assert accuracy.loc[GRID, "difference"] == pytest.approx(0.65 - 0.574662)
    assert accuracy.drop(GRID)["paper"].isna().all()
    assert (accuracy.drop(GRID)["section"] == OURS).all()


def test_a_sweep_of_another_space_is_not_called_the_grids_best(tmp_path: Path) -> None:
    card = scorecard([sweep(tmp_path / "a", 0.5, space=WIDE)])
    assert set(card["model"]) == {"best of wide, audio"}


DIFFERENT: list[tuple[str, dict[str, Any]]] = [
    ("holdout: 0.0 in .*, 0.2 in ", {"holdout": 0.2}),
    ("data: train.csv in .*, other.csv in ", {"data": {"source": "/tables/other.csv"}}),
    ("synthetic: False in .*, True in ", {"data": {"synthetic": True}}),
    ("rows: 21428 in .*, 99 in ", {"data": {"rows": 99}}),
    ("genres: ", {"data": {"genres": ["a", "c"]}}),
    ("stages: epochs: 100 in .*, 7 in ", {"stages": StageSettings(epochs=7)}),
    ("stages: freeze: ", {"stages": StageSettings(freeze=True)}),
    ("space: paper in .*, wide in ", {"space": WIDE}),
    ("scheduler: asha in .*, none in ", {"scheduler": "none"}),
    ("epochs: 20 in .*, 9 in ", {"epochs": 9}),
    ("features: audio in .*, fusion in ", {"features": "fusion"}),
]


@pytest.mark.parametrize(("said", "other"), DIFFERENT, ids=[said.split(":")[0] for said, _ in DIFFERENT])
@pytest.mark.parametrize("reader", [scorecard, load_transfer])
def test_studies_that_differ_are_not_averaged(tmp_path: Path, said: str, other: dict[str, Any], reader: Any) -> None:
    scores = [("simple", "simple", 0.5, None)]
    usual = {"scheduler": "asha", "epochs": 20, "holdout": 0.0}
    first = staged(tmp_path / "a", scores, seed=1, **usual)
    second = staged(tmp_path / "b", scores, **{"seed": 2, **usual, **other})
    with pytest.raises(InputError, match=said):
        reader([first, second])


def test_a_seed_or_a_study_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    first, again = (sweep(tmp_path / name, 0.5, seed=1) for name in "ab")
    with pytest.raises(InputError, match="seed 1 stands there twice"):
        scorecard([first, again])
    with pytest.raises(InputError, match="named twice"):
        scorecard([first, tmp_path / "x" / ".." / "a"])


def test_sweeps_on_other_features_stand_beside_runs(tmp_path: Path) -> None:
    run = staged(tmp_path / "run", [("fusion", "scratch", 0.6, 0.5), ("sweep", "incumbent", 0.55, 0.5)], seed=1)
    fusion = sweep(tmp_path / "fusion", 0.7, seed=1, features="fusion", scheduler="none")
    card = scorecard([run, fusion])
    assert set(card["model"]) == {GRID, "audio + text, from scratch", FUSED}


def test_splits_stand_side_by_side(tmp_path: Path) -> None:
    studies = [
        staged(tmp_path / split, [("fusion", "text", value, value - 0.1)], seed=1, split=split)
        for split, value in (("random", 0.5), ("album", 0.4))
    ]
    report = build_report(studies)
    assert report.splits == ["random", "album"]
    assert report.card[report.card["score"] == "precision"]["validation"].tolist() == pytest.approx([0.4, 0.3])
    (line,) = splits_side_by_side(report.card).to_dict("records")
    assert line == {
        "model": "text only",
        **{"random": 0.5, "random, held out": 0.4, "album": 0.4, "album, held out": pytest.approx(0.3)},
    }
    write_report(report, tmp_path / "out")
    text = (tmp_path / "out" / "scorecard.md").read_text()
    assert [f"## Scorecard, split {split}" in text for split in ("random", "album")] == [True, True]
    assert "## Accuracy by split" in text


def test_the_terminal_has_every_score_within_100_columns(tmp_path: Path) -> None:
    scores = [("fusion", "scratch", 0.6, 0.5), ("fusion", "warm", 0.61, 0.5), ("sweep", "incumbent", 0.5, 0.4)]
    scores += [("transfer", name, 0.55, 0.5) for name in ("transfer", "scratch")]
    curves = {("transfer", name, seed): [0.1, 0.5] for name in ("transfer", "scratch") for seed in range(2)}
    studies = [staged(tmp_path / str(seed), scores, curves, seed=seed) for seed in (1, 2)]
    studies.append(sweep(tmp_path / "fusion", 0.7, seed=1, features="fusion"))
    tables = report_tables(build_report(studies))
    assert len(tables) == 5
    console = Console(width=100)
    with console.capture() as capture:
        for table in tables:
            assert Console(width=1000).measure(table).maximum <= 100
            console.print(table)
    shown = capture.get()
    # paper, ours, difference, held out, spread, seeds
    assert ["f1", "0.6116", "0.4000", "-0.2116", "0.3000", "0.0000", "2"] in [
        line.split() for line in shown.splitlines()
    ]


def test_hyperparameters_beside_the_papers(tmp_path: Path) -> None:
    xgboost = PAPER_CHOICES[0].values
    studies = [
        staged(
            tmp_path / str(depth),
            [("baselines", "xgboost", 0.6, None)],
            seed=depth,
            tuning=Tuning({**xgboost, "max_depth": depth}),
        )
        for depth in (6, 10)
    ]
    choices = build_report(studies).choices
    own = choices[choices["model"] == PAPER_CHOICES[0].model].set_index("setting")
    assert own.loc["max_depth", ["paper", "ours", "difference", "agree", "studies"]].tolist() == [
        "10",
        "6, 10",
        -2,
        1,
        2,
    ]
    assert (own["agree"].drop("max_depth") == 2).all()
    table_4 = choices[choices["section"] == "4.3, Table 4"].set_index("setting")
    assert table_4.loc["hidden_layers", "paper"] == "[128, 16]"
    assert set(table_4.index) == set(PAPER_CHOICES[2].values)
    assert table_4.loc["dropout", ["paper", "ours", "difference", "agree"]].tolist() == ["0.3", "0.3", 0, 2]


def test_the_baselines_grids_are_shown_where_they_are_recorded(tmp_path: Path) -> None:
    scores = [("baselines", "xgboost", 0.6, 0.6)]
    grid = tuple(GridScore({"max_depth": depth}, depth / 20, 0.01) for depth in (6, 10))
    old = build_report([staged(tmp_path / "old", scores, tuning=Tuning({}))])
    new = build_report([staged(tmp_path / "new", scores, tuning=Tuning({}, grid))])
    assert baseline_grid(old.studies[0]).empty
    found = baseline_grid(new.studies[0])
    assert [json.loads(point) for point in found["point"]] == [{"max_depth": 6}, {"max_depth": 10}]
    assert found["mean"].tolist() == [0.3, 0.5]
    write_report(new, tmp_path / "out")
    assert '"0.5000"' in (tmp_path / "out" / "report.html").read_text()


def test_few_seeds_are_called_few_and_five_are_not(tmp_path: Path) -> None:
    for seeds in (4, 5):
        curves = {("transfer", name, seed): [0.5] for name in ("transfer", "scratch") for seed in range(seeds)}
        study = staged(tmp_path / str(seeds), [("transfer", "transfer", 0.5, None)], curves)
        write_report(build_report([study]), study)
        for name in ("scorecard.md", "report.html"):
            text = (study / name).read_text()
            assert ("too few to compare" in text) == (seeds < 5)
            assert "nothing was chosen by" in text
