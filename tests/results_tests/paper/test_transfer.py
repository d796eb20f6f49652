from __future__ import annotations

import math
from pathlib import Path

import pytest

from data.errors import InputError
from results import load_transfer
from results.paper.study_group import read_studies
from results.paper.transfer import epochs_saved, final_scores, load_transfer_pairs, quantile, transfer_runs
from tests.support.staged import staged

NEVER = math.inf
CURVES = {
    ("transfer", "transfer", 1): [0.6, 0.6, 0.7],
    ("transfer", "scratch", 1): [0.1, 0.6, 0.8],
    ("transfer", "transfer", 2): [0.1, 0.2, 0.6],
    ("transfer", "scratch", 2): [0.6, 0.5, 0.4],
    ("transfer", "transfer", 3): [0.6, 0.1, 0.1],
    ("transfer", "scratch", 3): [0.1, 0.1, 0.1],
    ("transfer", "transfer", 4): [0.1, 0.1, 0.1],
    ("transfer", "scratch", 4): [0.1, 0.1, 0.1],
}


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return staged(tmp_path / "s", curves=CURVES)


def test_a_run_that_never_gets_there_makes_its_variant_slower(study: Path) -> None:
    frame = load_transfer([study], [0.6, 0.75]).set_index(["accuracy", "variant"])
    columns = ["median", "low", "high", "reached", "runs"]
    # epochs 1, 3, 1, never against 2, 1, never, never
    assert frame.loc[(0.6, "transfer"), columns].tolist() == [1, 1, 3, 3, 4]
    assert frame.loc[(0.6, "scratch"), columns].tolist() == [2, 1, NEVER, 2, 4]
    assert frame.loc[(0.75, "transfer"), columns].tolist() == [NEVER, NEVER, NEVER, 0, 4]


def test_pairs_share_study_and_seed(study: Path) -> None:
    pairs = load_transfer_pairs([study], [0.6])
    assert pairs["seed"].tolist() == [1, 2, 3, 4]
    assert pairs["saved"].tolist()[:3] == [1, -2, NEVER]
    assert math.isnan(pairs["saved"].iloc[3])
    (total,) = epochs_saved(pairs).to_dict("records")
    assert (total["median"], total["low"], total["high"]) == (1, -2, NEVER)
    assert [total[name] for name in ("sooner", "alike", "later", "neither")] == [2, 0, 1, 1]


def test_usual_accuracies_are_shares_of_what_scratch_reaches_on_its_split(tmp_path: Path) -> None:
    studies = [
        staged(
            tmp_path / split,
            curves={("transfer", name, 1): [value] for name in ("transfer", "scratch")},
            split=split,
            seed=1,
        )
        for split, value in (("random", 0.6), ("album", 0.5))
    ]
    frame = load_transfer(studies)
    found = {split: sorted(set(own["accuracy"])) for split, own in frame.groupby("split")}
    assert found == {"random": [0.54, 0.57, 0.594], "album": [0.45, 0.475, 0.495]}


def test_accuracies_that_fall_together_are_one(tmp_path: Path) -> None:
    curves = {("transfer", name, 1): [0.002] for name in ("transfer", "scratch")}
    frame = load_transfer([staged(tmp_path / "s", curves=curves)])
    assert not frame.duplicated(["split", "accuracy", "variant"]).any()
    assert sorted(set(frame["accuracy"])) == [0.002]


def test_final_scores_and_how_far_transfer_is_ahead_in_pairs(study: Path) -> None:
    frame = final_scores(transfer_runs(read_studies([study]))).set_index("variant")
    assert frame.loc["transfer", "best"] == pytest.approx((0.7 + 0.6 + 0.6 + 0.1) / 4)
    assert frame.loc["scratch", "last"] == pytest.approx((0.8 + 0.4 + 0.1 + 0.1) / 4)
    assert frame.loc["transfer", "ahead"] == pytest.approx((-0.1 + 0.0 + 0.5 + 0.0) / 4)
    assert math.isnan(frame.loc["scratch", "ahead"])


def test_a_study_without_transfer_has_no_rows(tmp_path: Path) -> None:
    assert load_transfer([staged(tmp_path / "s", [("simple", "simple", 0.5, None)])]).empty


@pytest.mark.parametrize("accuracy", [0.0, -0.1, 1.5, math.nan])
def test_an_accuracy_that_is_none(study: Path, accuracy: float) -> None:
    with pytest.raises(InputError, match="above 0 and at most 1"):
        load_transfer([study], [accuracy])


def test_quantiles_are_values_that_occur() -> None:
    assert [quantile([4, 1, 3, 2], share) for share in (0.25, 0.5, 0.75)] == [1, 2, 3]
    assert quantile([NEVER, 5, NEVER], 0.5) == NEVER
    assert math.isnan(quantile([], 0.5))
