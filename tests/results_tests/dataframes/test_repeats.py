from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from results import load_repeats, load_trials, seed_agreement
from results.dataframes.frames import ranked
from results.record.records import TrialKey
from results.record.study import Study
from tests.results_tests.dataframes.test_frames import write
from tests.results_tests.record.test_study import manifest, some_trials

NAN = float("nan")


def repeated(directory: Path, scores: list[list[float | None]]) -> Study:
    """Three configurations, a score of each for each seed; ``None`` where it has none yet."""
    rows = [
        replace(trial, key=TrialKey(trial.key.config_id, 42 + seed), position=3 * trial.position + seed)
        for trial, own in zip(some_trials(), scores, strict=True)
        for seed in range(len(own))
    ]
    study = Study.create(directory, manifest(), rows)
    found = iter([score for own in scores for score in own])
    write(study, {row.key: [score] for row in rows if (score := next(found)) is not None})
    return study


def test_mean_spread_and_ranks_by_hand(tmp_path: Path) -> None:
    with repeated(tmp_path / "s", [[0.5, 0.7, 0.6], [0.6, 0.6, 0.6], [0.7, 0.8, 0.9]]) as study:
        repeats, agreement = load_repeats(study), seed_agreement(study)
    ids = [trial.key.config_id for trial in some_trials()]
    assert repeats["config_id"].tolist() == [ids[2], ids[0], ids[1]] or repeats["mean"].iloc[1] == 0.6
    by_id = repeats.set_index("config_id")
    assert by_id["mean"].to_dict() == pytest.approx({ids[0]: 0.6, ids[1]: 0.6, ids[2]: 0.8})
    assert by_id["spread"].to_dict() == pytest.approx({ids[0]: 0.1, ids[1]: 0.0, ids[2]: 0.1})
    assert by_id.loc[ids[0], ["lowest", "highest"]].tolist() == [0.5, 0.7]
    assert (by_id["repeats"] == 3).all() and (by_id["scored"] == 3).all()
    assert by_id["mean_rank"].to_dict() == pytest.approx({ids[0]: 7.5 / 3, ids[1]: 7.5 / 3, ids[2]: 1.0})
    assert by_id.loc[ids[2], "rank_spread"] == 0
    pairs = agreement.set_index(["seed", "other"])
    assert list(pairs.index) == [(42, 43), (42, 44), (43, 44)]
    assert pairs.loc[(42, 43), "spearman"] == pytest.approx(0.5)
    assert pairs.loc[(42, 43), "kendall"] == pytest.approx(1 / 3)
    assert pairs.loc[(42, 43), "configurations"] == 3


def test_the_mean_chooses_and_its_best_repeat_is_first(tmp_path: Path) -> None:
    """The best single row belongs to a configuration whose other repeats are weak."""
    with repeated(tmp_path / "s", [[0.9, 0.2], [0.6, 0.7], [0.5, 0.5]]) as study:
        order = ranked(load_trials(study))
        first = load_repeats(study)["config_id"].iloc[0]
    ids = [trial.key.config_id for trial in some_trials()]
    assert order["val_accuracy"].tolist() == [0.7, 0.6, 0.9, 0.2, 0.5, 0.5]
    assert first == ids[1]


def test_of_equal_means_the_first_is_what_is_promoted(tmp_path: Path) -> None:
    """The one with the better repeat, as among the trials."""
    with repeated(tmp_path / "s", [[0.5, 0.5], [0.25, 0.75], [0.25, 0.25]]) as study:
        promoted, repeats = ranked(load_trials(study))["config_id"].iloc[0], load_repeats(study)
    assert repeats["config_id"].iloc[0] == promoted == some_trials()[1].key.config_id
    assert repeats["mean"].tolist() == [0.5, 0.5, 0.25]


@pytest.mark.parametrize("missing", [None, NAN])
def test_those_with_a_repeat_that_has_no_score_come_last(tmp_path: Path, missing: float | None) -> None:
    with repeated(tmp_path / "s", [[0.9, missing], [0.3, 0.4], [missing, missing]]) as study:
        repeats, order = load_repeats(study), ranked(load_trials(study))
        agreement = seed_agreement(study)
    assert repeats["scored"].tolist() == [2, 1, 0]
    assert repeats["mean"].tolist()[:2] == [pytest.approx(0.35), 0.9]
    assert order["val_accuracy"].tolist()[:3] == [0.4, 0.3, 0.9]
    assert agreement["configurations"].tolist() == [1]
    assert agreement[["spearman", "kendall"]].isna().all(axis=None)


def test_without_repeats_there_is_no_spread_and_no_pair(tmp_path: Path) -> None:
    with repeated(tmp_path / "s", [[0.5], [0.6], [None]]) as study:
        repeats, agreement = load_repeats(study), seed_agreement(study)
    assert repeats["spread"].isna().all() and repeats["mean_rank"].tolist()[:2] == [1.0, 2.0]
    assert agreement.empty
    assert {str(kind) for kind in repeats.dtypes[["repeats", "scored"]]} == {"Int64"}
    assert isinstance(repeats, pd.DataFrame) and len(repeats) == 3
