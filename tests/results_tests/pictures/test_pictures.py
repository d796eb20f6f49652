"""Every picture of every kind of study: a figure that can be shown, with the numbers of its data."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import plotly.graph_objects as go
import pytest

import results
from data.errors import InputError
from results.analysis.ablation import ablation
from results.analysis.importance import importances
from results.analysis.rows import TooFewError, read_rows
from results.analysis.rungs import rung_ladder
from results.record.study import Study
from tests.results_tests.analysis.test_importance import SPACE, write
from tests.support.recorded import KINDS, record

PLOTS = (
    *(results.plot_rungs, results.plot_importances, results.plot_main_effects, results.plot_interaction),
    *(results.plot_budget_correlation, results.plot_ablation, results.plot_timeline, results.plot_best_so_far),
)


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("studies")
    return {kind: record(folder / kind, kind) for kind in KINDS}


def sentence(figure: go.Figure) -> str:
    """What a figure without data says."""
    assert not figure.data
    (note,) = figure.layout.annotations
    return str(note.text)


@pytest.mark.parametrize("plot", PLOTS, ids=lambda plot: plot.__name__)
@pytest.mark.parametrize("kind", KINDS)
def test_every_picture_of_every_kind_of_study(
    studies: dict[str, Path], kind: str, plot: Callable[..., go.Figure]
) -> None:
    rows = read_rows(studies[kind])
    figure = plot(rows)
    layout = figure.layout
    assert layout.paper_bgcolor == layout.plot_bgcolor == "rgba(0,0,0,0)"
    assert layout.width is None and layout.title.text is None
    json.loads(figure.to_json())
    empty = kind == "nothing" or (kind == "exhaustive" and plot is results.plot_rungs)
    assert bool(figure.data) != empty
    if empty:
        assert sentence(figure).endswith(".")
    else:
        titles = [axis.title.text for axis in figure.select_xaxes()] + [
            axis.title.text for axis in figure.select_yaxes()
        ]
        assert any(titles)


def test_a_directory_an_open_study_and_its_rows_give_the_same_figure(studies: dict[str, Path]) -> None:
    directory = studies["asha"]
    with Study.open(directory) as study:
        figures = [results.plot_rungs(given) for given in (directory, str(directory), study, read_rows(study))]
    assert all(figure == figures[0] for figure in figures)


def test_what_is_no_study_is_an_error_and_no_figure(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a study"):
        results.plot_rungs(tmp_path)


def test_too_few_is_an_error_of_the_data_and_a_sentence_of_the_figure(studies: dict[str, Path]) -> None:
    for data in (rung_ladder, importances, ablation):
        with pytest.raises(TooFewError, match="nothing: "):
            data(studies["nothing"])
    assert sentence(results.plot_rungs(studies["exhaustive"])).startswith("Nothing was stopped early")
    assert "nothing" not in sentence(results.plot_importances(studies["nothing"]))


def test_the_bars_of_the_ladder_are_its_counts(studies: dict[str, Path]) -> None:
    ladder, figure = rung_ladder(studies["asha"]), results.plot_rungs(studies["asha"])
    bars = {trace.name: list(trace.y) for trace in figure.data if trace.type == "bar"}
    assert bars["went on"][:-1] == ladder.rungs["promoted"].tolist()
    assert bars["stopped"][:-1] == ladder.rungs["stopped"].tolist()
    assert bars["finished"][-1] == ladder.finished
    (line,) = [trace for trace in figure.data if trace.type == "scatter"]
    assert [y for y in line.y if y is not None] == ladder.rungs["cutoff"].dropna().tolist()


def test_both_importances_are_named(studies: dict[str, Path]) -> None:
    found, figure = importances(studies["asha"]), results.plot_importances(studies["asha"])
    by_name = {trace.name.partition(":")[0]: trace for trace in figure.data}
    assert by_name.keys() == {"fANOVA", "PED-ANOVA"}
    for name, column in (("fANOVA", "fanova"), ("PED-ANOVA", "ped_anova")):
        bars = by_name[name]
        assert list(bars.y)[::-1] == found.parameters["parameter"].tolist()
        assert list(bars.x)[::-1] == found.parameters[column].tolist()


def test_survivors_are_said_to_be_survivors(studies: dict[str, Path]) -> None:
    (note,) = results.plot_budget_correlation(studies["asha"]).layout.annotations
    assert "survivors" in note.text
    assert not results.plot_budget_correlation(studies["exhaustive"]).layout.annotations


def test_the_axis_of_the_way_says_whether_it_is_of_the_record(studies: dict[str, Path]) -> None:
    assert results.plot_ablation(studies["exhaustive"]).layout.xaxis.title.text == "validation accuracy, as recorded"
    assert "random forest" in results.plot_ablation(studies["asha"]).layout.xaxis.title.text


def test_a_space_of_one_parameter_has_no_interaction(tmp_path: Path) -> None:
    space = type(SPACE)("one", {"hidden_layers": type(SPACE.parameters["dropout"])(((8,), (9,), (10,), (11,)))})
    assert sentence(results.plot_interaction(write(tmp_path / "s", space))) == "The space has one parameter."


def test_markup_in_a_worker_and_its_error_is_shown_as_text(tmp_path: Path) -> None:
    directory = record(tmp_path / "s", "asha")
    with Study.open_for_writing(directory) as study, study.transaction():
        one = study.segments()[0]
        hostile = type(one)(**{**vars(one), "segment_id": "999999", "host": "<a href=x>", "error": "a\n<b>bold</b>"})
        study.add_segment(hostile)
    text = results.plot_timeline(directory).to_json()
    shown = json.dumps(json.loads(text), ensure_ascii=False)
    assert "<a href" not in shown and "<b>" not in shown and "&lt;b&gt;bold" in shown


def test_importing_results_imports_no_plotly_and_no_forest() -> None:
    probe = "import results, sys; print(*[n for n in ('plotly', 'torch', 'optuna', 'sklearn') if n in sys.modules])"
    found = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []
