"""A search that suggests its configurations, killed for real: it goes on as if nothing had happened."""

from __future__ import annotations

import signal
from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from results.record.study import Study
from tests.search_tests.conftest import Launch
from tests.support.laws import check_segments, check_tidy
from tests.support.processes import SLOWER, segments
from tests.support.small import EPOCHS, curves, outcome

TRIALS = 8


def search_arguments(small: Path, study: Path) -> tuple[object, ...]:
    """One place, so that nothing depends on which of two segments arrives first."""
    return (
        *("sweep", "--data", small / "tracks.csv", "--space", small / "space.toml", "--out", study),
        *("--search", "optuna", "--trials", TRIALS, "--seed", 7, "--scheduler", "none", "--epochs", EPOCHS),
        *("--stack-size", 2, "--cpus", 1, "--quiet"),
    )


def suggestions(study: Path) -> pd.DataFrame:
    """Every suggestion in the order in which Optuna made it."""
    with Study.open(study) as opened:
        rows = [(t.position, t.key.config_id, t.state) for t in opened.trials()]
    return pd.DataFrame(sorted(rows), columns=["position", "config_id", "state"])


@pytest.mark.faults
@pytest.mark.timeout(1800)
def test_a_killed_search_ends_as_an_undisturbed_one(launch: Launch, small: Path, tmp_path: Path) -> None:
    undisturbed, study = tmp_path / "undisturbed", tmp_path / "study"
    ended = launch(*search_arguments(small, undisturbed)).wait()
    assert ended.code == 0, ended.err
    first: tuple[object, ...] = search_arguments(small, study)
    for count in (1, 3):
        command = launch(*first, plan={"worker": SLOWER})
        command.until(lambda: segments(study) >= count)  # noqa: B023
        command.interrupt(signal.SIGKILL)
        assert command.wait().code == -signal.SIGKILL
        first = ("resume", study, "--cpus", 1, "--quiet")
    ended = launch(*first).wait()
    assert ended.code == 0, ended.err
    assert len(suggestions(study)) == TRIALS
    assert_frame_equal(suggestions(study), suggestions(undisturbed))
    assert_frame_equal(curves(study), curves(undisturbed), check_exact=True)
    assert_frame_equal(outcome(study), outcome(undisturbed), check_exact=True)
    check_segments(study)
    check_tidy(study)
