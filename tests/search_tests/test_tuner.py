"""What the searcher tells Tune, without Tune."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

from search.coordinator import Coordinator
from search.costs import CostModel
from search.rungs import NoRungs
from search.segments import SegmentQueue
from search.tuner import SegmentSearcher
from tests.search_tests.simulated import create_study, paper_trials
from trainables.sweep_trainable import PAUSE


def _searcher(tmp_path: Path, configurations: int) -> SegmentSearcher:
    study = create_study(tmp_path / "s", paper_trials(configurations), scheduler="none", epochs=8)
    coordinator = Coordinator(study.trials(), NoRungs(), SegmentQueue((), 1, CostModel(100, {"standardised": 3}, 2)))
    coordinator.start([], {})
    return SegmentSearcher(coordinator, study, 2, lambda *_: None)


def test_one_segment_more_than_workers_is_handed_out(tmp_path: Path) -> None:
    searcher = _searcher(tmp_path, configurations=6)
    found = [searcher.suggest(str(trial)) for trial in range(5)]
    segments = [json.loads(suggestion["segment"]) for suggestion in found if isinstance(suggestion, dict)]
    assert len(segments) == 3
    assert found[3:] == [None, None]
    assert len({member["config_id"] for segment in segments for member in segment["members"]}) == 3


def test_a_worker_with_nothing_to_do_is_parked_and_not_let_go(tmp_path: Path) -> None:
    searcher = _searcher(tmp_path, configurations=1)
    first, second, third = (searcher.suggest(trial) for trial in "abc")
    assert isinstance(first, dict) and json.loads(first["segment"])["members"]
    assert second == {"segment": PAUSE}
    assert third is None
    searcher.on_trial_complete("b", {"done": True})
    assert searcher.suggest("d") == {"segment": PAUSE}


def test_nothing_of_the_study_goes_into_tunes_pickle(tmp_path: Path) -> None:
    assert pickle.loads(pickle.dumps(_searcher(tmp_path, configurations=1))).__dict__ == {}
