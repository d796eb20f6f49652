from __future__ import annotations

import math
from pathlib import Path

import pytest
from scipy.stats import kendalltau, spearmanr

from results.analysis.budget import budget_correlation
from results.analysis.rows import TooFewError
from results.dataframes.frames import load_curves
from results.record.records import State
from tests.results_tests.analysis.test_importance import SPACE, write
from tests.support.recorded import record

ORDER = {point.config_id: place for place, point in enumerate(SPACE.configurations())}


@pytest.mark.parametrize("kind", ["exhaustive", "asha"])
def test_correlations_are_those_of_the_curves(tmp_path: Path, kind: str) -> None:
    directory = record(tmp_path / "s", kind)
    found = budget_correlation(directory).epochs
    wide = load_curves(directory).pivot(index="config_id", columns="epoch", values="val_accuracy")
    assert found["epoch"].tolist() == list(range(1, 9))
    for epoch, row in found.set_index("epoch").iterrows():
        both = wide[[epoch, 8]].dropna()
        both.columns = ["here", "last"]
        assert row["configurations"] == len(both) and row["reached"] == wide[epoch].count()
        assert row["spearman"] == pytest.approx(spearmanr(both["here"], both["last"]).statistic)
        assert row["kendall"] == pytest.approx(kendalltau(both["here"], both["last"]).statistic)
        assert row["biased"] == (wide[epoch].count() > len(both))
    assert found["biased"].any() == (kind == "asha")
    assert found[["spearman", "kendall", "kept"]].iloc[-1].tolist() == [pytest.approx(1.0)] * 3


def test_an_order_turned_round_and_an_order_kept(tmp_path: Path) -> None:
    def score(point: object, epoch: int) -> float:
        place = ORDER[point.config_id]  # type: ignore[attr-defined]
        return {1: -place, 2: 0, 3: place, 4: place}[epoch] / 100 + 0.5

    found = budget_correlation(write(tmp_path / "s", score=score))
    assert found.epochs["spearman"].tolist() == [pytest.approx(-1), pytest.approx(math.nan, nan_ok=True), 1, 1]
    assert found.epochs["kept"].tolist() == [0.0, 0.0, 1.0, 1.0]
    assert (found.last, found.top, found.stopped) == (4, 2, 0)


def test_the_last_epoch_is_one_that_three_have_reached(tmp_path: Path) -> None:
    endings = dict.fromkeys(range(10), (State.STOPPED, 2))
    found = budget_correlation(write(tmp_path / "s", endings=endings))
    assert found.last == 2 and found.stopped == 10
    assert found.epochs["configurations"].tolist() == [12, 12] and not found.epochs["biased"].any()


def test_repeats_count_once_by_their_mean(tmp_path: Path) -> None:
    one = budget_correlation(write(tmp_path / "one"))
    three = budget_correlation(write(tmp_path / "three", repeats=3))
    assert one.epochs["configurations"].tolist() == three.epochs["configurations"].tolist() == [12] * 4


def test_too_few(tmp_path: Path) -> None:
    endings = dict.fromkeys(range(10), (State.PENDING, 0))
    with pytest.raises(TooFewError, match="fewer than 3"):
        budget_correlation(write(tmp_path / "s", endings=endings))
