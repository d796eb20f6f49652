from __future__ import annotations

from pathlib import Path

import pytest

from results.analysis.rows import TooFewError
from results.analysis.rungs import rung_ladder
from results.record.records import State
from results.record.study import Study
from tests.support.recorded import record


@pytest.mark.parametrize("kind", ["asha", "halving", "wide", "interrupted", "repeats"])
def test_counts_are_those_of_the_record(tmp_path: Path, kind: str) -> None:
    directory = record(tmp_path / "s", kind)
    ladder = rung_ladder(directory)
    with Study.open(directory) as study:
        decisions, trials = study.decisions(), study.trials()
    assert ladder.rungs["epoch"].tolist() == sorted({decision.epoch for decision in decisions})
    for row in ladder.rungs.to_dict("records"):
        own = [decision for decision in decisions if decision.epoch == row["epoch"]]
        assert (row["arrived"], row["promoted"]) == (len(own), sum(decision.promoted for decision in own))
        assert row["stopped"] == sum(not decision.promoted for decision in own)
        cutoffs = [decision.cutoff for decision in own if decision.cutoff is not None]
        assert (row["lowest_cutoff"], row["highest_cutoff"]) == (min(cutoffs), max(cutoffs))
        assert row["cutoff"] == own[-1].cutoff
    states = [trial.state for trial in trials]
    assert ladder.rungs["stopped"].sum() == states.count(State.STOPPED)
    assert ladder.finished == states.count(State.FINISHED) and ladder.configurations == len(trials)
    by_themselves = ladder.rungs["ended"].sum() + ladder.ended_after
    assert by_themselves == ladder.endings["count"].sum()
    assert by_themselves + ladder.rungs["stopped"].sum() + ladder.finished + ladder.unfinished == len(trials)


def test_who_ended_by_themselves_stand_before_the_rung_that_they_missed(tmp_path: Path) -> None:
    ladder = rung_ladder(record(tmp_path / "s", "asha"))
    assert {"diverged", "failed"} <= set(ladder.endings["state"])
    assert ladder.rungs["ended"].iloc[0] >= 1
    assert ladder.endings.dtypes.astype(str).to_dict() == {"state": "str", "epoch": "int64", "count": "int64"}


def test_without_rungs_there_is_no_ladder(tmp_path: Path) -> None:
    with pytest.raises(TooFewError, match="trains every configuration to its end"):
        rung_ladder(record(tmp_path / "s", "exhaustive"))
    with pytest.raises(TooFewError, match="no rung has decided yet"):
        rung_ladder(record(tmp_path / "t", "nothing"))
