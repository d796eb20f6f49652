"""What must hold of a study directory, whatever has happened to the commands that wrote it."""

from __future__ import annotations

import re
import signal
from collections import defaultdict
from pathlib import Path

from pandas.testing import assert_frame_equal

from results.dataframes.frames import load_curves, load_trials
from results.judging.ensemble import ENSEMBLE
from results.record.records import State
from results.record.study import Study
from tests.support.processes import Ended
from tests.support.small import CONFIGURATIONS, check_record, curves, outcome, verdicts
from trainables.checkpoint import load_model
from trainables.ensemble import load_members

SLOTS = 2


def check_same(study: Path, undisturbed: Path, *, lost: bool = False) -> None:
    """Ended as if nothing had happened, but for times, hosts and attempts; without repeats where no file was lost."""
    check_record(study)
    assert_frame_equal(curves(study), curves(undisturbed), check_exact=True)
    assert_frame_equal(outcome(study), outcome(undisturbed), check_exact=True)
    assert verdicts(study) == verdicts(undisturbed)
    if not lost:  # a network whose file is lost is left out, and said
        assert mixture(study) == mixture(undisturbed)
    check_ended(study, lost=lost)


def mixture(study: Path) -> dict[str, tuple[float, bytes]]:
    """Share and weights of each member of a study's ensemble, by its name; none where it has no ensemble."""
    with Study.open(study) as opened:
        found = opened.ensemble
    members = {f"{one.config_id}-{one.seed}": one.share for one in found.members} if found else {}
    assert len(load_members(study / ENSEMBLE) if members else ()) == len(members)
    folder = study / ENSEMBLE / "members"
    files = {name: next(folder.glob(f"{name}-*")) / "model.safetensors" for name in members}
    return {name: (share, files[name].read_bytes()) for name, share in members.items()}


def check_prefixes(study: Path, exhaustive: Path, *, lost: bool = False) -> None:
    """Ended, and under ASHA, where the order of arrival decides, every curve is the beginning of its whole one."""
    check_record(study)
    whole = curves(exhaustive).set_index(["config_id", "epoch"])
    found = curves(study).set_index(["config_id", "epoch"])
    assert_frame_equal(found, whole.loc[found.index], check_exact=True)
    check_ended(study, lost=lost)


def check_ended(study: Path, *, lost: bool = False) -> None:
    """Every configuration has ended, the incumbent is promoted, nothing is left lying about."""
    assert all(State(state).is_final for state in load_trials(study)["state"])
    network, card = load_model(study / "best")
    best = load_trials(study)["val_accuracy"].max()
    assert card.provenance.metrics["val_accuracy"] == best and not network.training
    check_segments(study, once=not lost)
    check_tidy(study)


def check_segments(study: Path, *, once: bool = True) -> None:
    """The committed segments hold every epoch of the record, each in one of them."""
    with Study.open(study) as opened:
        segments = [segment for segment in opened.segments() if segment.error is None]
    trained: dict[str, list[int]] = defaultdict(list)
    for segment in segments:
        for key in segment.keys:
            trained[key.config_id] += range(segment.first_epoch, segment.last_epoch + 1)
    trials = load_trials(study)
    for config_id, epochs, state in zip(trials["config_id"], trials["epochs"], trials["state"], strict=True):
        found = sorted(trained[config_id])
        if once:
            assert len(found) == len(set(found)), f"{config_id} was trained twice in {found}"
        early = state in (State.EARLY_STOPPED, State.DIVERGED)
        wanted = list(range(1, epochs + 1))
        assert sorted(set(found))[:epochs] == wanted and (early or sorted(set(found)) == wanted)


def check_tidy(study: Path) -> None:
    """No half-written file, no study half made, no checkpoint of nobody, no log of the database, no driver."""
    assert [path.name for path in study.parent.glob(f".{study.name}.*.tmp")] == []
    assert [path.name for path in study.rglob(".*")] == []
    assert sorted(path.name for path in study.glob("study.db*")) == ["study.db"]
    assert unclaimed(study) == set()
    with Study.open(study) as opened:
        assert not opened.driver


def unclaimed(study: Path) -> set[str]:
    """Checkpoints that no committed segment names."""
    with Study.open(study) as opened:
        named = opened.checkpoints_recorded()
    return {path.name for path in (study / "checkpoints").iterdir()} - named


def check_interrupted(ended: Ended, study: Path) -> None:
    """Ctrl-C or ``SIGTERM`` while it trained: code 130, the way on, an orderly record."""
    assert ended.code == 130, ended.err
    assert f"genresweep resume {study}" in ended.err
    check_words(ended)
    check_tidy(study)
    with Study.open(study) as opened:
        states = {trial.state for trial in opened.trials()}
        assert State.PENDING in states and State.RUNNING not in states


def check_broken_off(ended: Ended, study: Path, *, drivers: int = 1) -> None:
    """However it ended: the right words, a whole record, and no more is lost than was in flight.

    With two ``drivers`` the workers of an earlier one may have outlived it.
    """
    if ended.code != -signal.SIGKILL:
        assert ended.code in (0, 1, 130), ended.err
        check_words(ended)
        if ended.code and study.exists():
            assert f"genresweep resume {study}" in ended.err
    if not study.exists():
        return
    trials, rows = load_trials(study), load_curves(study)
    assert len(trials) == CONFIGURATIONS
    check_segments(study, once=False)
    for config_id, epochs in zip(trials["config_id"], trials["epochs"], strict=True):
        assert rows.loc[rows["config_id"] == config_id, "epoch"].tolist() == list(range(1, epochs + 1))
    assert len([name for name in unclaimed(study) if not name.startswith(".")]) <= drivers * (SLOTS + 1)


def check_no_temporary_files(ended: Ended, study: Path) -> None:
    """None where it ended in order; what was killed in the middle of a file leaves it for ``resume`` to delete."""
    if ended.code in (0, 130) and study.exists():
        assert [path.name for path in study.rglob(".*")] == []


def check_words(ended: Ended) -> None:
    """A message of a few lines, and no traceback."""
    said = re.sub(r"\[[0-9;?]*[A-Za-z]|\x1b", "", ended.err)
    assert "Traceback" not in ended.err + ended.out, ended.err
    lines = [line for line in said.strip().splitlines() if not _PROGRESS.match(line)]
    assert len(lines) <= 12, ended.err


_PROGRESS = re.compile(r"stage: \w+$|\w+: \d+ s$|training, \d+ at once|[\d,]+ of [\d,]+ ")
"""What a command says of how far it is, where it has no terminal."""
