from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from results.record.records import State
from results.record.study import Study
from tests.results_tests.record.test_study import manifest, row, some_trials


def begun(directory: Path, *, data: str = "synthetic") -> Study:
    base = manifest()
    return Study.create(directory, replace(base, settings=replace(base.settings, data=data)), some_trials())


def test_a_notebook_shows_state_counts_and_the_best(tmp_path: Path) -> None:
    trials = some_trials()
    with begun(tmp_path / "mine") as study:
        assert "being written by process" in study._repr_html_() and "3 pending" in study._repr_html_()
        with study.transaction():
            study.add_curves(row(trials[1].key, epoch, 0.5 + epoch / 100) for epoch in (1, 2))
            study.update_trials([replace(trials[1], state=State.FINISHED, epoch=2)])
    with Study.open(tmp_path / "mine") as study:
        shown = study._repr_html_()
    assert f"0.5200 by {trials[1].key.config_id}" in shown and "<caption>mine</caption>" in shown
    assert "2 pending, 1 finished" in shown and "genresweep resume" in shown
    assert "closed" in study._repr_html_()


def test_a_hostile_path_stays_text(tmp_path: Path) -> None:
    with begun(tmp_path / "<b>mine", data="<script>alert(1)</script>") as study:
        shown = study._repr_html_()
    assert "<script" not in shown and "<b>" not in shown and "&lt;script&gt;" in shown
