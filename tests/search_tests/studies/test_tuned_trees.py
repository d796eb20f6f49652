"""Trees tuned beside a sweep: recorded at their cost, judged on the same rows, and shown beside the networks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from data.errors import InputError
from results.dataframes.ensembles import load_judgements
from results.judging.trees import XGBOOST, TunedTrees
from results.record.study import Study
from search.cli.main import run
from search.planning.prepared_data import prepare
from search.studies.tuned_trees import sweep_core_seconds, tune_beside
from tests.search_tests.conftest import Sweep
from tests.support.simulated import create_study, paper_trials

HELD = {"stack_size": 5, "holdout": 0.25}


@pytest.fixture
def study(sweep: Sweep, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sweep(**HELD), tmp_path / "study"))


def test_they_are_recorded_and_judged_on_the_rows_of_the_networks(study: Path) -> None:
    found = tune_beside(study, seconds=0)
    assert found.points == 1 and found.core_seconds > 0
    with Study.open(study) as opened:
        assert opened.trees == found == TunedTrees.from_json(json.loads(json.dumps(found.to_json())))
        features = prepare(opened.settings).features
    judged = load_judgements(study).set_index(["model", "side"])
    for side, y in (("validation", features.y_val), ("holdout", features.y_holdout)):
        assert judged.loc[(XGBOOST, side), "rows"] == judged.loc[("best", side), "rows"] == len(y)
    assert set(judged.index.get_level_values("model")) == {"best", "ensemble", XGBOOST}


def test_a_search_takes_as_many_core_seconds_as_the_segments(study: Path) -> None:
    with Study.open(study) as opened:
        asked = sweep_core_seconds(opened)
        assert asked == pytest.approx(sum(segment.ended - segment.started for segment in opened.segments()))
    told: list[tuple[int, int, str]] = []
    found = tune_beside(study, told=lambda *said: told.append(said))
    assert found.core_seconds >= asked or found.points == 1
    assert len(told) == found.points and "points of XGBoost, best 0." in told[-1][2]


def test_the_command_says_what_they_reach(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["trees", str(study), "--seconds", "0"]) == 0
    said = capsys.readouterr().out
    assert "XGBoost, the most accurate of 1 random point in" in said
    assert "held-out rows: accuracy" in said and "the incumbent's" in said
    assert run(["trees", str(study), "--seconds", "0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["points"] == 1
    assert run(["report", str(study), "--to", str(study / "shown")]) == 0
    assert "most accurate on the validation rows of 1 random point, " in (study / "shown" / "report.html").read_text()


def test_a_study_that_trained_nothing_has_no_cost_to_match(tmp_path: Path) -> None:
    refused = pytest.raises(InputError, match="has trained nothing yet")
    with create_study(tmp_path / "s", paper_trials(4), epochs=2) as study, refused:
        sweep_core_seconds(study)
