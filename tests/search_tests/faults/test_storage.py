"""Disks that are full, read-only or damaged, and a clock that jumps back."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from results.dataframes.frames import load_trials
from results.record.study import Study
from search import resume_sweep
from search.cli.main import run
from search.planning.settings import study_settings
from search.studies.draft import Draft
from tests.search_tests.conftest import Launch, Sweep
from tests.search_tests.faults.test_commands import finish, sweep_arguments
from tests.support.laws import SLOTS, check_broken_off, check_same, check_tidy, check_words
from tests.support.processes import SLOW, Ended, segments
from tests.support.small import HALVING

Mount = Callable[[str], Path]


def _mount(*arguments: str) -> bool:
    return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0


def _unmount(place: Path) -> None:
    subprocess.run(["umount", "--lazy", str(place)], capture_output=True, check=False)


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """A small file system of its own, of so many bytes; where that is not allowed the test is skipped."""
    place = tmp_path / "disk"
    place.mkdir()

    def make(size: str) -> Path:
        if os.geteuid() != 0 or not _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)):
            pytest.skip("file systems cannot be mounted here")
        return place

    yield make
    _unmount(place)


@pytest.mark.faults
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("free", [160, 320])
def test_full_disk(free: int, mount: Mount, launch: Launch, sweep: Sweep, small: Path, tmp_path: Path) -> None:
    """So little room that the sweep cannot end; once there is more, it goes on."""
    disk = mount("4m")
    study = disk / "study"
    first = sweep_arguments(small, study, "halving")
    filler = disk / "filler"
    filler.write_bytes(b"x" * (2**22 - free * 1024))
    ended = launch(*first).wait()
    assert ended.code == 1, ended.err
    assert "No space left on device" in ended.err or "disk is full" in ended.err or "disk I/O error" in ended.err
    check_words(ended)
    filler.unlink()
    finish(launch, study, first)
    check_same(study, sweep(**HALVING, stack_size=16))


def fill(disk: Path) -> Path:
    """Take all the room there is, and give back that for a page or two."""
    filler = disk / "filler"
    with contextlib.suppress(OSError), filler.open("ab", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    os.truncate(filler, filler.stat().st_size - 4096)
    return filler


@pytest.mark.faults
@pytest.mark.timeout(7200)
def test_no_room_for_the_record(mount: Mount, launch: Launch, sweep: Sweep, small: Path, tmp_path: Path) -> None:
    """Checkpoints have a disk of their own; that of the database fills up while the sweep trains."""
    disk = mount("8m")
    study = disk / "study"
    settings = {"stack_size": 1, **HALVING}
    draft = Draft.check(study_settings(small / "tracks.csv", small / "space.toml", **settings), study)
    draft.create(draft.prepare()).close()
    assert _mount("-t", "tmpfs", "-o", "size=64m", "tmpfs", str(study / "checkpoints"))
    try:
        go_on = ("resume", study, "--cpus", SLOTS)
        command = launch(*go_on, plan={"worker": SLOW})
        command.until(lambda: segments(study) >= 2)
        filler = fill(disk)
        check_full(command.wait(), study)
        refused = launch(*go_on).wait()
        assert refused.code in (1, 2)
        assert "database or disk is full" in refused.err, refused.err
        check_words(refused)
        filler.unlink()
        finish(launch, study, go_on)
        check_same(study, sweep(**HALVING, stack_size=16))
    finally:
        _unmount(study / "checkpoints")


@pytest.mark.faults
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("commit", [1, 5])
def test_a_record_that_cannot_grow(commit: int, launch: Launch, sweep: Sweep, small: Path, tmp_path: Path) -> None:
    """The same without a disk: a limit on the size of the driver's files, Tune's too, from one commit on."""
    study = tmp_path / "study"
    first = sweep_arguments(small, study, "halving")
    check_full(launch(*first, plan={"full": commit}).wait(), study)
    finish(launch, study, first)
    check_same(study, sweep(**HALVING, stack_size=16))


def check_full(ended: Ended, study: Path) -> None:
    """Code 1 with the database's words, and nothing half committed."""
    assert ended.code == 1, ended.err
    assert re.search("study.db cannot be written: (database or disk is full|disk I/O error)", ended.err), ended.err
    check_broken_off(ended, study)


@pytest.mark.faults
@pytest.mark.timeout(7200)
def test_read_only_disk(
    mount: Mount, launch: Launch, sweep: Sweep, small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a killed driver left can be read there; it can be gone on with once it is writable."""
    disk = mount("32m")
    study = disk / "study"
    first = sweep_arguments(small, study, "halving")
    command = launch(*first)
    command.until(lambda: segments(study) >= 3)
    command.kill()
    assert command.left_behind(120) == []
    (study / "study.db-shm").unlink(missing_ok=True)
    committed = segments(study)
    assert _mount("-o", "remount,ro", str(disk))
    assert run(["status", str(study)]) == run(["trials", str(study)]) == 0
    with Study.open(study) as opened:
        assert sum(segment.error is None for segment in opened.segments()) >= committed
    capsys.readouterr()
    assert run(["resume", str(study)]) == 2
    assert "cannot be opened for writing" in capsys.readouterr().err
    assert run(["sweep", "--data", str(small / "tracks.csv"), "--out", str(disk / "other")]) == 2
    assert "cannot be created" in capsys.readouterr().err
    assert _mount("-o", "remount,rw", str(disk))
    finish(launch, study, first)
    check_same(study, sweep(**HALVING, stack_size=16))


@pytest.mark.faults
@pytest.mark.timeout(7200)
def test_a_clock_that_jumps_back(launch: Launch, sweep: Sweep, small: Path, tmp_path: Path) -> None:
    study = tmp_path / "study"
    first = sweep_arguments(small, study, "halving")
    plan = {"clock": -3600.0, "point": "search.cluster.tune_bridge:commit", "call": 5, "signal": signal.SIGKILL}
    assert launch(*first, plan=plan).wait().code == -signal.SIGKILL
    assert launch("resume", study, plan={"clock": -86400.0}).wait().code == 0
    check_same(study, sweep(**HALVING, stack_size=16))


def copied(study: Path, folder: Path) -> Path:
    return Path(shutil.copytree(study, folder / "study"))


DAMAGES: dict[str, Callable[[Path, bytes], object]] = {
    "cut short": lambda path, other: path.write_bytes(path.read_bytes()[:-9]),
    "emptied": lambda path, other: path.write_bytes(b""),
    "another's": lambda path, other: path.write_bytes(other),
    "deleted": lambda path, other: path.unlink(),
}


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["another's", *(pytest.param(d, marks=pytest.mark.faults) for d in DAMAGES)])
def test_a_lost_checkpoint_of_the_incumbent(damage: str, sweep: Sweep, tmp_path: Path) -> None:
    """It had ended, and is trained again, to the same numbers, to be promoted."""
    whole = sweep(**HALVING, stack_size=1)
    study = copied(whole, tmp_path)
    with Study.open(study) as opened:
        incumbent = opened.incumbent
        (trial,) = [trial for trial in opened.trials() if trial.key.config_id == incumbent]
        files = {t.checkpoint.file for t in opened.trials() if t.checkpoint is not None}
    assert trial.checkpoint is not None
    other = study / "checkpoints" / min(files - {trial.checkpoint.file})
    DAMAGES[damage](study / "checkpoints" / trial.checkpoint.file, other.read_bytes())
    result = resume_sweep(study)
    assert result.complete and result.incumbent is not None and result.incumbent.key == trial.key
    check_same(study, whole, lost=True)


@pytest.mark.faults
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("damage", DAMAGES)
def test_lost_checkpoints_in_the_middle(damage: str, launch: Launch, sweep: Sweep, small: Path, tmp_path: Path) -> None:
    study = tmp_path / "study"
    first = sweep_arguments(small, study, "halving")
    launch(*first, plan={"point": "search.cluster.tune_bridge:commit", "call": 16, "signal": signal.SIGKILL}).wait()
    files = sorted((study / "checkpoints").glob("*.safetensors"))
    assert len(files) > 8
    other = files[0].read_bytes()
    for path in files[1::2]:
        DAMAGES[damage](path, other)
    finish(launch, study, first)
    check_same(study, sweep(**HALVING, stack_size=16), lost=True)


@pytest.mark.slow
@pytest.mark.parametrize("content", ["noise", "zeros"])
def test_a_damaged_page_of_the_database_is_noticed(
    content: str, sweep: Sweep, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every page in turn: either the study is what it was, or one message says that it is damaged."""
    study = copied(sweep(**HALVING, stack_size=16), tmp_path)
    database, rng = study / "study.db", np.random.default_rng(1)
    sound, expected = database.read_bytes(), load_trials(study)
    noticed = 0
    for start in range(0, len(sound), 4096):
        page = bytes(4096) if content == "zeros" else rng.bytes(4096)
        database.write_bytes(sound[:start] + page + sound[start + 4096 :])
        codes = {run([*words, str(study)]) for words in (["status"], ["trials"], ["resume"])}
        said = capsys.readouterr().err
        assert codes in ({0}, {2}), said
        assert "Traceback" not in said
        if codes == {2}:
            noticed += 1
            assert "is damaged" in said and "study.db" in said
        else:
            assert load_trials(study).equals(expected)
    assert noticed >= len(sound) // 4096 - 2
    database.write_bytes(sound)
    assert load_trials(study).equals(expected)
    check_tidy(study)
