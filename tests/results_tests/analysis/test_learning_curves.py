from __future__ import annotations

from pathlib import Path

import pytest

from results.analysis.learning_curves import FIGURES, draw_curves, stage_curves
from results.page.files import write_report
from results.paper.report import build_report
from results.record.stage_records import load_stage_curves
from tests.support.staged import staged

NAN = float("nan")
KINDS = {kind.name: kind for kind in FIGURES}
CURVES = {
    ("fusion", "text", 42): [0.1, 0.3, 0.3],
    ("fusion", "scratch", 42): [0.2, NAN, 0.6, 0.5],
    ("fusion", "warm", 42): [0.4, 0.3],
    **{("transfer", name, seed): [0.1 * seed, 0.5] for name in ("transfer", "scratch") for seed in (1, 2, 3)},
    ("simple", "simple", 42): [NAN, NAN],
}


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return staged(tmp_path / "s", [("fusion", "text", 0.3, None)], CURVES)


def test_each_figure_has_its_own_networks_and_their_earliest_best_epoch(study: Path) -> None:
    curves = load_stage_curves(study)
    found = {name: [(c.variant, c.seed, c.best_epoch) for c in stage_curves(curves, k)] for name, k in KINDS.items()}
    assert found["figure-4a"] == [("text", 42, 2)]
    assert found["figure-4b"] == [("scratch", 42, 3), ("warm", 42, 1)]
    assert [entry[:2] for entry in found["transfer"][:3]] == [("transfer", 1), ("transfer", 2), ("transfer", 3)]
    assert found["simple"] == []


def test_the_marks_stand_on_the_best_epoch_of_accuracy_and_loss(study: Path) -> None:
    curves = stage_curves(load_stage_curves(study), KINDS["figure-4b"])
    figure = draw_curves(curves, "t")
    marks = [trace for trace in figure.data if trace.mode == "markers"]
    assert [(mark.x, mark.y) for mark in marks if mark.yaxis == "y"] == [((3,), (0.6,)), ((1,), (0.4,))]
    losses = [mark for mark in marks if mark.yaxis == "y2"]
    assert [(mark.x[0], mark.y[0]) for mark in losses] == [
        (curve.best_epoch, curve.val_loss[curve.best_epoch - 1]) for curve in curves
    ]
    lines = [trace for trace in figure.data if trace.mode == "lines"]
    assert [tuple(line.y) for line in lines[:3]][1:] == [curves[0].train_loss, curves[0].val_loss]
    assert lines[1].y != lines[2].y


def test_a_variant_is_once_in_the_legend_and_has_one_colour(study: Path) -> None:
    figure = draw_curves(stage_curves(load_stage_curves(study), KINDS["transfer"]), "t")
    shown = [trace for trace in figure.data if trace.showlegend is not False]
    assert [trace.name for trace in shown] == ["transfer", "scratch"]
    colours = {trace.legendgroup: set() for trace in figure.data}
    for trace in figure.data:
        colours[trace.legendgroup].add(trace.line.color if trace.mode == "lines" else trace.marker.color)
    assert [len(found) for found in colours.values()] == [1, 1]
    assert colours["transfer"] != colours["scratch"]


def test_the_figures_are_files_of_the_study(study: Path) -> None:
    write_report(build_report([study]), study)
    assert {path.name for path in (study / "figures").iterdir()} == {
        *("search.html", "figure-4a.html", "figure-4b.html", "transfer.html")
    }
    text = (study / "figures" / "figure-4a.html").read_text()
    assert "Figure 4a: text only" in text
    assert "plotly.js v" in text
