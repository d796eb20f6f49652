"""Studies whose checkpoints and copies of the record lie in a shared folder or an object store."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

import search.cluster.storage_check
import search.snapshots.copies
import search.studies.sweep
from data.errors import InputError
from data.object_stores import delete_file, join, list_files, parent, read_file, write_file
from results.dataframes.frames import load_curves, load_trials
from results.record.study import Study, StudyError
from search import run_sweep
from search.cli.main import run
from search.scheduling.coordinator import Coordinator, Outcome
from search.scheduling.listener import Listener
from search.snapshots.copies import check_owner, fetch, reserve, snapshots
from search.studies.pruning import prune
from search.studies.recovery import clear_leftovers
from tests.search_tests.conftest import Launch, Sweep
from tests.search_tests.faults.test_commands import sweep_arguments
from tests.support.laws import check_same
from tests.support.made_studies import made_study
from tests.support.processes import segments
from tests.support.s3 import check_no_secret
from tests.support.simulated import begin, die
from tests.support.small import HALVING
from trainables.checkpoint import load_model

Place = Callable[[], str]


class Interrupts(Listener):
    """Ctrl-C after so many segments."""

    def __init__(self, after: int) -> None:
        self.left = after

    def segment(self, coordinator: Coordinator, outcome: Outcome) -> None:
        self.left -= 1
        if self.left == 0:
            signal.raise_signal(signal.SIGINT)


@pytest.fixture(params=["folder", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new place, by path and by URI."""
    return request.getfixturevalue("s3").prefix() if request.param == "s3" else str(tmp_path / "shared")


def records(storage: str) -> list[str]:
    """Copies of the record, the newest first."""
    return sorted(list_files(join(storage, "record")), reverse=True)


def check_claimed(study: Path, storage: str) -> None:
    """The storage holds the checkpoints of committed segments, and nothing of the kind lies in the study."""
    with Study.open(study) as opened:
        named = opened.checkpoints_recorded()
    assert set(list_files(join(storage, "checkpoints"))) == named
    assert list_files(str(study / "checkpoints")) == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("storage", "lost"),
    [("s3", "nothing"), ("folder", "nothing"), ("folder", "the newest copy")],
    indirect=["storage"],
)
def test_a_sweep_goes_on_elsewhere_as_if_nothing_had_happened(
    storage: str,
    lost: str,
    sweep: Sweep,
    small: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With a copy of the record that is older than the checkpoints, too: those are cleared away and trained again."""
    undisturbed = sweep(**HALVING, stack_size=16)
    settings = {**HALVING, "stack_size": 1, "space": str(small / "space.toml"), "storage": storage}
    first = run_sweep(str(small / "tracks.csv"), out=tmp_path / "a" / "study", listener=Interrupts(5), **settings)
    assert not first.complete and first.epochs > 0
    place = join(storage, "study")
    check_claimed(tmp_path / "a" / "study", place)
    assert len(records(place)) == 2
    if lost == "the newest copy":
        newest = join(place, "record", records(place)[0])
        write_file(newest, read_file(newest)[:-100])
    (tmp_path / "a").rename(tmp_path / "gone")
    elsewhere = tmp_path / "b" / "again"
    assert run(["resume", place, "--out", str(elsewhere), "--quiet"]) == 0
    said = capfd.readouterr()
    assert ("was cut short" in caplog.text) == (lost == "the newest copy")
    check_same(elsewhere, undisturbed)
    check_claimed(elsewhere, place)
    again = Path(tmp_path / "c")
    fetch(place, again)
    assert load_trials(again).equals(load_trials(elsewhere)) and load_curves(again).equals(load_curves(elsewhere))
    assert load_model(again / "best")[1] == load_model(elsewhere / "best")[1]
    if storage.startswith("s3"):
        objects = [read_file(join(place, name)) for name in list_files(place)]
        local = [path.read_bytes() for path in elsewhere.rglob("*") if path.is_file()]
        check_no_secret(*objects, *local, said.out.encode(), said.err.encode())


@pytest.mark.faults
@pytest.mark.timeout(1800)
def test_a_head_that_is_killed_is_replaced(
    storage: str, launch: Launch, sweep: Sweep, small: Path, tmp_path: Path
) -> None:
    study, place = tmp_path / "study", join(storage, "study")
    command = launch(*sweep_arguments(small, study, "halving", "--storage", storage))
    command.until(lambda: segments(study) > 6)
    command.kill()
    study.rename(tmp_path / "gone")
    ended = launch("resume", place, "--out", tmp_path / "again", "--cpus", 2, "--quiet").wait()
    assert ended.code == 0, ended.err
    check_same(tmp_path / "again", sweep(**HALVING, stack_size=16))
    check_claimed(tmp_path / "again", place)


@pytest.fixture
def study(storage: str, tmp_path: Path) -> Iterator[Study]:
    """A study of made-up data with a storage, open for writing."""
    with begin(tmp_path / "study", storage) as created:
        yield created


def test_weights_are_copied_before_their_card(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    written, names = "", ("model.json", "model.safetensors")

    def write(path: str, content: bytes) -> None:
        nonlocal written
        written += path
        write_file(path, content)

    monkeypatch.setattr(search.snapshots.copies, "write_file", write)
    for name in names:
        write_file(study.directory / "best" / name, b"")
    with snapshots(study):
        assert 0 < written.index(names[1]) < written.index(names[0])


class TestTwoHeads:
    def test_the_one_that_is_behind_is_refused(self, study: Study, tmp_path: Path) -> None:
        place = str(study.settings.storage)
        with snapshots(study):
            study.set_fact("mark", "1")
        fetch(place, tmp_path / "other")
        check_owner(study)
        with Study.open_for_writing(tmp_path / "other") as other:
            assert other.fact("mark") == "1"
            with snapshots(other):
                other.set_fact("mark", "2")
            check_owner(other)
        with pytest.raises(InputError, match=r"has gone on with .*resume .* --out DIR"), snapshots(study):
            pass

    def test_a_copy_that_was_fetched_is_behind_once_the_first_goes_on(self, study: Study, tmp_path: Path) -> None:
        place = str(study.settings.storage)
        with snapshots(study):
            fetch(place, tmp_path / "other")
        with pytest.raises(InputError, match="has gone on with"):
            prune(tmp_path / "other")
        with snapshots(study):
            study.set_fact("mark", "hours of work")
        with (
            Study.open_for_writing(tmp_path / "other") as other,
            pytest.raises(InputError, match="has gone on with"),
            snapshots(other),
        ):
            pass

    def test_the_one_that_was_overtaken_clears_nothing_away(self, study: Study, tmp_path: Path) -> None:
        place = str(study.settings.storage)
        with snapshots(study):
            fetch(place, tmp_path / "other")
        with Study.open_for_writing(tmp_path / "other") as other, snapshots(other):
            write_file(join(place, "checkpoints", "2-new.safetensors"), b"new")
            with pytest.raises(InputError, match="has gone on with"):
                clear_leftovers(study)
        assert "2-new.safetensors" in list_files(join(place, "checkpoints"))

    def test_the_one_that_is_still_running_stops(
        self, study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(search.snapshots.copies, "_SECONDS", 0.01)
        monkeypatch.setattr(search.snapshots.copies, "_SHARE", 0)
        place = str(study.settings.storage)

        def write_until_refused() -> None:
            while True:
                study.set_fact("mark", "mine")

        with pytest.raises(StudyError, match="has gone on with"), snapshots(study):
            fetch(place, tmp_path / "other")
            with Study.open_for_writing(tmp_path / "other") as other, snapshots(other):
                write_until_refused()


class TestCopies:
    def test_a_failure_is_noted_and_the_last_one_counts(
        self, study: Study, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(search.snapshots.copies, "_SECONDS", 0.01)
        true, failures = search.snapshots.copies.write_file, []

        def fail(location: str, content: bytes) -> str:
            failures.append(location)
            raise OSError("the network is gone")

        with snapshots(study):
            monkeypatch.setattr(search.snapshots.copies, "write_file", fail)
            study.set_fact("mark", "1")
            while "will be tried again: the network is gone" not in caplog.text:
                pass
            monkeypatch.setattr(search.snapshots.copies, "write_file", true)
        assert failures
        with pytest.raises(StudyError, match="is whole, its storage is behind: the network is gone"), snapshots(study):
            study.set_fact("mark", "2")
            monkeypatch.setattr(search.snapshots.copies, "write_file", fail)
        monkeypatch.setattr(search.snapshots.copies, "write_file", true)
        with pytest.raises(KeyError, match="the cause"), snapshots(study):
            study.set_fact("mark", "3")
            monkeypatch.setattr(search.snapshots.copies, "write_file", fail)
            raise KeyError("the cause")

    def test_only_what_changed_is_copied_and_two_are_kept(self, study: Study) -> None:
        place = str(study.settings.storage)
        (study.directory / "best").mkdir()
        (study.directory / "best" / "model.json").write_text("1")
        for count in range(1, 4):
            with snapshots(study):
                pass
            found = [int(name[:8]) for name in records(place)]
            assert len(found) <= 2 and found == sorted(found, reverse=True)
            study.set_fact("mark", str(count))
        with snapshots(study):
            before = records(place)
        assert records(place) == before, "nothing had changed since the first copy"
        assert read_file(join(place, "models", "best", "model.json")) == b"1"

    def test_a_copy_holds_what_is_committed_and_nothing_else(self, study: Study, tmp_path: Path) -> None:
        place = str(study.settings.storage)
        copier = search.snapshots.copies._Copier(study, place)
        copier.claim()
        study.set_fact("one", "1")
        with study.transaction():
            study.add_facts({"two": "2"})
            copier.copy()
        copier._record.close()
        (tmp_path / "seen.db").write_bytes(read_file(join(place, "record", records(place)[0])))
        with closing(sqlite3.connect(tmp_path / "seen.db")) as seen:
            assert seen.execute("SELECT name FROM facts WHERE name IN ('one', 'two')").fetchall() == [("one",)]


class TestFetching:
    @pytest.fixture
    def place(self, study: Study) -> str:
        """A storage with two copies, whose head is gone."""
        with snapshots(study):
            study.set_fact("mark", "1")
        die(study)
        return str(study.settings.storage)

    def refused(self, place: str, out: Path, capsys: pytest.CaptureFixture[str]) -> str:
        before = set(out.parent.iterdir())
        assert run(["resume", place, "--out", str(out)]) == 2
        assert set(out.parent.iterdir()) == before, "something is left behind"
        return capsys.readouterr().err

    def test_what_is_missing_or_damaged_is_said(
        self, place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = tmp_path / "out"
        for name in records(place):
            write_file(join(place, "record", name), b"SQLite")
        assert "no whole copy of the record" in self.refused(place, out, capsys)
        write_file(join(place, "driver.json"), b"{")
        said = self.refused(place, out, capsys)
        assert "driver.json" in said and "is damaged" in said
        delete_file(join(place, "manifest.json"))
        said = self.refused(place, out, capsys)
        assert "cannot be fetched" in said and "manifest.json" in said

    def test_the_directory_itself_needs_no_out(
        self, place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert "goes with a study in a storage" in self.refused(str(tmp_path / "study"), tmp_path / "out", capsys)

    def test_an_existing_directory_is_not_written_over(
        self, place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "out").mkdir()
        assert "exists already" in self.refused(place, tmp_path / "out", capsys)

    def test_models_go_nowhere_else(self, place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        write_file(join(place, "models", "checkpoints", "x"), b"1")
        assert "do not trust it" in self.refused(place, tmp_path / "out", capsys)


def test_a_study_that_was_copied_is_not_taken_for_the_other(
    study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = str(study.settings.storage)
    with snapshots(study):
        pass
    copy = join(parent(place), "copy")
    for name in list_files(place):
        write_file(join(copy, name), read_file(join(place, name)))
    assert run(["resume", copy, "--out", str(tmp_path / "out")]) == 2
    assert "name it so" in capsys.readouterr().err


@pytest.mark.parametrize("moved", [False, True])
def test_of_lost_files_only_former_members_are_deleted(tmp_path: Path, moved: bool) -> None:
    """And none where the whole study was moved away under its command."""
    storage = str(tmp_path / "storage")
    study = made_study(tmp_path / "s", count=2, storage=storage)
    names = ["best/model.json", "ensemble/ensemble.json", "ensemble/members/a/model.json"]
    with Study.open_for_writing(study) as opened:
        reserve(storage, opened.manifest)
        for name in names:
            (study / name).parent.mkdir(parents=True, exist_ok=True)
            (study / name).write_text("{}")
        with snapshots(opened):
            for name in names if moved else [names[0], names[2]]:
                (study / name).unlink()
    assert set(list_files(join(storage, "models"))) == set(names if moved else names[:2])
