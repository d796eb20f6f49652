"""The list: what is in it, and how seldom a study is read for it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from results.page import context, sections
from results.record.facts import Fact
from results.record.study import Study
from search.dashboard import pages as pages_module
from search.dashboard import studies as module
from search.dashboard.pages import Pages
from search.dashboard.studies import UNREADABLE, Studies, read_row
from tests.support.made_studies import made_study
from tests.support.simulated import World, create_study, die, paper_trials, train_in

HOSTILE = "<b>&%2F.."


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def no_work() -> float:
    """Stand for the processor's clock, so that a slow machine waits no longer than a fast one."""
    return 0.0


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    made_study(tmp_path / "runs" / "first", count=5)
    return tmp_path / "runs"


def test_each_study_has_a_row(runs: Path) -> None:
    made_study(runs / HOSTILE, count=4, unfinished=1)
    (runs / "nothing").mkdir()
    (runs / "file").write_text("")
    first, second = sorted(Studies(runs).rows(), key=lambda row: row.total, reverse=True)
    assert (first.name, first.state, first.ended, first.total) == ("first", "finished", 5, 5)
    assert (second.name, second.state, second.ended) == (HOSTILE, "interrupted", 3)
    assert first.best == pytest.approx(Study.open(runs / "first").best_accuracy())


def test_a_damaged_study_says_so_in_its_row(runs: Path) -> None:
    made_study(runs / "damaged", count=3)
    (runs / "damaged" / "study.db").write_bytes(b"SQLite format 3\0" + bytes(2000))
    (runs / "older").mkdir()
    (runs / "older" / "manifest.json").write_text("{")
    found = {row.name: row for row in Studies(runs).rows()}
    assert found["first"].state == "finished"
    for name in ("damaged", "older"):
        assert found[name].state == UNREADABLE and name in found[name].message


def test_names_are_those_of_the_list_alone(runs: Path, tmp_path: Path) -> None:
    outside = made_study(tmp_path / "outside", count=3)
    shutil.copytree(outside, runs / ".hidden")
    (runs / "link").symlink_to(outside)
    (runs / "inner").mkdir()
    for name in ("manifest.json", "study.db"):
        (runs / "inner" / name).symlink_to(outside / name)
    (runs / "same").symlink_to("first")
    (runs / "circle").symlink_to("circle")
    studies = Studies(runs)
    assert [path.name for path in studies.paths()] == ["first", "same"]
    assert studies.find("first") == runs.resolve() / "first"
    for name in ("..", ".", "", "../outside", str(outside), "first/", ".hidden", "link", "inner", "first\0"):
        assert studies.find(name) is None


def test_a_study_is_read_again_only_once_it_has_changed(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    monkeypatch.setattr(module, "read_row", lambda path: read.append(path.name) or read_row(path))
    clock = Clock()
    studies = Studies(runs, clock, no_work)
    with create_study(runs / "grows", paper_trials(8), epochs=8) as study:
        train_in(study, World(), 2)
        studies.rows()
        assert read == ["first", "grows"]
        studies.rows()
        assert read == ["first", "grows"]
        train_in(study, World(), 2)
        clock.now += 3
        before = studies.rows()[1]
        assert read == ["first", "grows", "grows"] and before.state == "running"
        die(study)
    clock.now += 60
    assert studies.rows()[1].state == "interrupted"
    shutil.rmtree(runs / "grows")
    assert [row.name for row in studies.rows()] == ["first"]


def test_what_takes_long_to_make_is_made_seldom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, worked, read = Clock(), iter(range(0, 1000, 2)), []  # each look and each page takes two seconds
    monkeypatch.setattr(module, "read_row", lambda path: read.append(clock.now) or read_row(path))
    studies = Studies(tmp_path, clock, lambda: next(worked))
    pages, tags = Pages(clock, lambda: next(worked)), []
    with create_study(tmp_path / "s", paper_trials(8), epochs=8) as study:
        for seconds in (0, 10, 10, 50):
            clock.now += seconds
            train_in(study, World(), 1)
            studies.rows()
            tags.append(pages.answer(tmp_path / "s", "running").tag)
    assert read == [1000.0, 1070.0], "a pause of thirty times as long"
    assert tags[0] == tags[1] != tags[2] != tags[3], "a pause of eight times as long"


def test_a_folder_that_is_gone_has_no_studies(tmp_path: Path) -> None:
    assert Studies(tmp_path / "none").rows() == []


def test_while_a_sweep_trains_its_stages_are_read_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[float] = []
    clock = Clock()
    pages, real = Pages(clock, no_work), context.read_report
    tables: list[float] = []
    made = sections.titled_tables  # read by the scorecard and the description of the data
    monkeypatch.setattr(sections, "titled_tables", lambda report: tables.append(clock.now) or made(report))
    for place in (context, pages_module):
        monkeypatch.setattr(place, "read_report", lambda directories: read.append(clock.now) or real(directories))
    with create_study(tmp_path / "s", paper_trials(8), epochs=8) as study:
        for seconds in (0, 4, 4, 4):  # the clock of the first answer is 1000
            clock.now += seconds
            train_in(study, World(), 1)
            pages.answer(tmp_path / "s", "running")
        assert read == [1000.0, 1012.0]
        assert len(tables) == 2 * len(read), "sections of stages, though they are empty, go with the report"
        train_in(study, World(), 1000)
        for _ in range(2):
            clock.now += 4
            with study.transaction():
                study.add_facts({Fact.STAGE_PROGRESS: str(clock.now)})
            pages.answer(tmp_path / "s", "running")
        assert read[2:] == [1016.0, 1020.0], "all are trained: now it is the stages that move"


def test_a_page_is_made_anew_only_once_its_record_has_changed_and_some_time_has_passed(tmp_path: Path) -> None:
    clock = Clock()
    pages = Pages(clock, no_work)
    with create_study(tmp_path / "s", paper_trials(8), epochs=8) as study:
        train_in(study, World(), 2)
        first = pages.answer(tmp_path / "s", "running")
        assert b"Drawn once the study has ended" in first.body
        clock.now += 20
        assert pages.answer(tmp_path / "s", "running") is first
        train_in(study, World(), 2)
        second = pages.answer(tmp_path / "s", "running")
        assert second.tag != first.tag
        train_in(study, World(), 2)
        assert pages.answer(tmp_path / "s", "running") is second
        clock.now += 600
        third = pages.answer(tmp_path / "s", "running")
        assert b"Drawn once" not in third.body and b'"state":"running"' in third.body
    clock.now += 600
    ended = pages.answer(tmp_path / "s", "interrupted")
    assert b'"state":"interrupted"' in ended.body
    assert Pages().answer(tmp_path / "s", "interrupted").tag == ended.tag
