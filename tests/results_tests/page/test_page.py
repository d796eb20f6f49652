from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import results
from data.errors import InputError
from results import load_trials
from results.judging.ensemble import ENSEMBLE, Ensemble, EnsembleMember
from results.judging.measures import judge
from results.page.assets import SCRIPTS
from results.page.context import Context
from results.page.files import write_report
from results.page.page import frozen_page, live_page
from results.page.payload import Explorer, Page, Table
from results.page.sections import page_of
from results.paper.report import build_report
from results.record.study import Study
from spaces import load_space
from tests.support.made_studies import made_study
from tests.support.staged import staged

Made = Callable[..., Path]


def explorer(page: Page) -> Explorer:
    (found,) = [block for section in page.sections for block in section.blocks if isinstance(block, Explorer)]
    return found


def facts(page: Page) -> dict[str, str]:
    return {fact.label: fact.value for block in page.sections[0].blocks for fact in getattr(block, "items", ())}


def test_every_configuration_is_a_row_a_line_and_a_curve(tmp_path: Path) -> None:
    study = made_study(tmp_path / "s", count=40, stopping=True)
    shown, trials = explorer(page_of(Context.read([study]))), load_trials(study)
    assert len(shown.rows) == len(shown.parallel.positions) == len(shown.curves) == len(trials) == 40
    columns = [column.name for column in shown.columns]
    rows = pd.DataFrame(list(shown.rows), columns=columns).set_index("config_id")
    own = trials.set_index("config_id").loc[rows.index]
    assert rows["val_accuracy"].tolist() == own["val_accuracy"].tolist()
    assert rows["val_accuracy"].is_monotonic_decreasing and rows["rank"].tolist() == list(range(1, 41))
    assert [len(curve) for curve in shown.curves] == own["epochs"].tolist()
    assert rows["state"].tolist() == own["state"].tolist()


def test_a_parameter_that_does_not_apply_is_a_gap_and_an_empty_cell(tmp_path: Path) -> None:
    study = made_study(tmp_path / "s", load_space("wide"), count=30)
    shown = explorer(page_of(Context.read([study])))
    at = [axis.name for axis in shown.parallel.axes].index("momentum")
    columns = [column.name for column in shown.columns]
    for row, positions in zip(shown.rows, shown.parallel.positions, strict=True):
        sgd = row[columns.index("optimizer")] == "sgd"
        assert (not math.isnan(positions[at])) == (row[columns.index("momentum")] is not None) == sgd


def test_what_came_out_is_that_of_the_record(tmp_path: Path) -> None:
    study = made_study(tmp_path / "s", stopping=True)
    found, trials = facts(page_of(Context.read([study]))), load_trials(study)
    assert found["best accuracy"] == f"{trials['val_accuracy'].max():.4f}"
    assert found["configurations"] == "192"
    stopped = trials[trials["state"] == "stopped"]
    assert found["epochs saved by stopping"] == f"{(stopped['budget'] - stopped['epochs']).sum():,}"
    best = trials.loc[trials["val_accuracy"].idxmax()]
    assert found["hidden_layers"] == best["hidden_layers"] and found["dropout"] == f"{best['dropout']:g}"


def test_an_ensemble_stands_beside_the_best_network_with_its_members(tmp_path: Path) -> None:
    study = made_study(tmp_path / "s", count=6)
    assert "ensemble" not in [section.id for section in page_of(Context.read([study])).sections]
    ids = load_trials(study)["config_id"].tolist()[:2]
    members = tuple(
        EnsembleMember(study="s", config_id=one, seed=42, epoch=3, share=share)
        for one, share in zip(ids, (0.75, 0.25), strict=True)
    )
    labels = np.array([0, 1, 1])
    judgements = [
        judge(model, "holdout", ("pop", "rap"), np.array([[p, 1 - p], [1 - p, p], [0.6, 0.4]]), labels)
        for model, p in (("best", 0.7), (ENSEMBLE, 0.8))
    ]
    with Study.open_for_writing(study) as opened, opened.transaction():
        opened.add_ensemble(
            Ensemble(members=members, candidates=6, left_out=(), digests=("d",), sha256="ab"), judgements
        )
    (section,) = [section for section in page_of(Context.read([study])).sections if section.id == "ensemble"]
    beside, own = (block for block in section.blocks if isinstance(block, Table))
    assert [row[0] for row in beside.rows] == ["best network", "ensemble"]
    assert [row[3] for row in beside.rows] == [f"{one.log_loss:.4f}" for one in judgements]
    assert [row[:2] for row in own.rows] == [("0.7500", ids[0]), ("0.2500", ids[1])]
    assert "hidden_layers" in own.columns


@pytest.mark.parametrize("rows", [21_428, 21_427])
def test_the_papers_figures_stand_beside_its_own_table_alone(tmp_path: Path, rows: int) -> None:
    scores = [("sweep", "incumbent", 0.5, None)]
    study = staged(tmp_path / "s", scores, data={"rows": rows}, stages=None)
    report = build_report([study])
    tables = [block for section in page_of(Context.read([study], report)).sections for block in section.blocks]
    assert report.papers == (rows == 21_428)
    for title in ("Scorecard", "Hyperparameters"):
        shown = next(table for table in tables if isinstance(table, Table) and table.title.startswith(title))
        assert report.papers == ("paper" in shown.columns) == ("difference" in shown.columns)


@pytest.mark.parametrize(("unfinished", "state"), [(0, "finished"), (50, "interrupted")])
def test_a_study_without_its_end_has_a_page_that_says_so(tmp_path: Path, unfinished: int, state: str) -> None:
    study = made_study(tmp_path / "s", unfinished=unfinished)
    page = page_of(Context.read([study]))
    assert page.state == state
    assert sum(len(curve) > 0 for curve in explorer(page).curves) == 192 - unfinished
    paths = {path.name for path in write_report(build_report([study]), study)}
    assert "report.html" in paths


def test_a_study_that_has_trained_nothing_has_no_report_and_a_page_of_what_is_planned(tmp_path: Path) -> None:
    study = made_study(tmp_path / "s", unfinished=192)
    with pytest.raises(InputError, match="nothing to report yet"):
        build_report([study])
    page = page_of(Context.read([study]))
    assert page.state == "interrupted" and "best accuracy" not in facts(page)
    assert not any(map(len, explorer(page).curves)) and set(explorer(page).fifths) == {0}
    assert frozen_page(page)


def test_several_studies_have_an_axis_of_their_own(tmp_path: Path) -> None:
    studies = [made_study(tmp_path / f"seed-{seed}", count=10, seed=seed) for seed in (1, 2, 3)]
    shown = explorer(page_of(Context.read(studies)))
    first, accuracy = shown.parallel.axes[0], shown.parallel.accuracy
    assert first.name == "study" and first.levels == ("seed-1", "seed-2", "seed-3")
    assert len(shown.rows) == 30 and sorted(accuracy, reverse=True) == list(accuracy)
    column = [column.name for column in shown.columns].index("val_accuracy")
    assert [row[column] for row in shown.rows] == list(accuracy)


def test_nothing_in_the_content_ends_its_script_and_nothing_is_no_json(tmp_path: Path) -> None:
    study = made_study(tmp_path / "s", count=5)
    page = replace(page_of(Context.read([study])), title="</script><script>alert(1)</script>", subtitle="\udc80")
    text = frozen_page(page)
    assert "<script>alert" not in text and "&lt;/script&gt;" in text
    (content,) = re.findall(r'id="payload">(.*?)</script>', text)
    assert json.loads(content)["title"] == page.title
    cells: dict[str, Any] = {"a": [math.nan, math.inf], "b": ["<b>", None]}
    assert Table.of("t", pd.DataFrame(cells)).rows == (("–", "<b>"), ("inf", "–"))


def test_a_page_asks_no_other_place_and_a_live_one_only_its_own() -> None:
    page = Page(title="t", subtitle="", state="finished")
    own = frozen_page(page)
    assert not re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="(?!data:)', own.split("</style>")[-1])
    live = live_page('a"b', "/static", '/data?study="x"')
    assert 'src="/static/plotly.js"' in live and 'data-live="/data?study=&quot;x&quot;"' in live
    assert '"datatables": "/static/datatables.js"' in live and "a&quot;b" in live


def test_the_own_script_of_the_page_and_of_the_dashboard_stays_small_and_readable() -> None:
    root = Path(results.__file__).parents[1]
    rooms = ("data", "spaces", "trainables", "results", "search")
    own = [file for room in rooms for file in (root / room).rglob("*.js")]
    assert sorted(file.name for file in own) == sorted(SCRIPTS)
    lines = [line for file in own for line in file.read_text(encoding="utf-8").splitlines()]
    assert len(lines) <= 300 and max(map(len, lines)) <= 140
