from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from results import load_curves, load_trials
from results.pictures.configurations import Configurations, fifths
from results.pictures.learning_curves import draw_learning_curves, learning_curves, plot_learning_curves
from results.pictures.parallel_coordinates import Axis, parallel_coordinates, plot_parallel_coordinates
from spaces import load_space
from tests.support.made_studies import made_study


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_study(tmp_path_factory.mktemp("wide") / "s", load_space("wide"), count=60, stopping=True)


def test_positions_are_those_of_the_values(wide: Path) -> None:
    study = Configurations.read(wide)
    data = parallel_coordinates([study])
    trials = load_trials(wide).set_index("config_id").loc[study.trials["config_id"]]
    for at, axis in enumerate(data.axes):
        own = data.positions[:, at]
        applies = np.array([axis.name in point or axis.name == "val_accuracy" for point in study.values])
        assert (np.isnan(own) == ~applies).all(), axis.name
        if axis.levels and axis.name in trials:
            found = [axis.levels[int(share * len(axis.levels))] for share in own]
            assert [text.lower() for text in trials[axis.name].map(_text)] == found
        elif axis.name in trials:
            assert [axis.value(share) for share in own[applies]] == pytest.approx(trials[axis.name][applies].tolist())


def _text(value: object) -> str:
    return "none" if value != value else f"{value:g}" if isinstance(value, float) else str(value)


def test_every_line_of_a_level_has_a_height_of_its_own(tmp_path: Path) -> None:
    data = parallel_coordinates([Configurations.read(made_study(tmp_path / "s"))])
    for at in range(len(data.axes)):
        assert len(np.unique(data.positions[:, at])) == 192


def test_an_axis_without_width_and_one_that_is_upside_down() -> None:
    assert Axis(name="a", low=2, high=2).positions(np.array([2.0, np.nan])).tolist()[0] == 0.5
    with pytest.raises(ValueError, match="low <= high"):
        Axis(name="a", low=1, high=0)


def test_fifths_are_alike_in_size_and_equal_scores_share_theirs() -> None:
    assert fifths(np.array([np.nan, *np.arange(10.0)])).tolist() == [-1, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert len(set(fifths(np.ones(10)).tolist())) == 1


def test_curves_are_those_of_the_record_and_thinned_ones_keep_both_ends(wide: Path) -> None:
    study = Configurations.read(wide)
    rows = load_curves(wide).groupby("config_id")["val_accuracy"].apply(list)
    assert [curve.tolist() for curve in study.curves] == rows.loc[study.trials["config_id"]].tolist()
    assert learning_curves([study]).note == ""
    few = learning_curves([study], most=7)
    assert few.shown.sum() == 7 and few.shown[0] and few.shown[-1]
    assert few.note.startswith("7 of 60 curves")
    assert few.note in [note.text for note in draw_learning_curves(few).layout.annotations]


def test_the_figures_show_every_configuration_once(wide: Path) -> None:
    for figure in (plot_parallel_coordinates(wide), plot_learning_curves(wide)):
        lines = sum(list(trace.x).count(None) for trace in figure.data)
        assert lines == 60
        assert figure.data[-1].name == "the best"
