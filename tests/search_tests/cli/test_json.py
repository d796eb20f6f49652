"""Every command that prints something prints JSON where it is asked to, and nothing beside it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from results.dataframes.frames import load_trials
from search.cli.main import app, run
from tests.search_tests.conftest import Sweep
from tests.support.golden_study import GOLDEN

ASKED = "--json"


def parsed(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    assert run([*map(str, arguments), ASKED]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def test_every_command_has_the_option() -> None:
    without = [
        command.callback.__name__
        for command in app.registered_commands
        if command.callback and "as_json" not in command.callback.__annotations__
    ]
    assert without == []


def test_trials(capsys: pytest.CaptureFixture[str]) -> None:
    rows, curves = (parsed(capsys, "trials", GOLDEN / "study", *more) for more in ((), ("--curves",)))
    assert {row["config_id"] for row in rows} == set(load_trials(GOLDEN / "study")["config_id"])
    assert {"epoch", "val_accuracy"} <= curves[0].keys() and "curve" not in rows[0]


def test_describe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = parsed(capsys, "describe", "--data", "synthetic:300", "--to", tmp_path / "d")
    assert found["rows"] == 300 and found["genres"] and len(found["written"]) == 6


def test_prune_and_export(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exported = parsed(capsys, "export", study, "--to", tmp_path / "o.db")
    assert exported["trials"] == len(load_trials(study)) and (tmp_path / "o.db").exists()
    assert parsed(capsys, "prune", study).keys() == {"files", "megabytes"}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_compares_and_reports(
    sweep: Sweep, small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = shutil.copytree(sweep(stack_size=16), tmp_path / "study")
    arms = parsed(capsys, "compare", study, "--to", tmp_path / "arms.csv")
    assert arms["arms"][0]["studies"] == 1 and (tmp_path / "arms.csv").exists()
    assert {row["parameter"] for row in parsed(capsys, "importance", study)["effects"]} >= {"learning_rate"}
    assert {row["scheduler"] for row in parsed(capsys, "replay", study, "--orders", 2)} >= {"asha", "halving"}
    predicted = parsed(capsys, "predict", study / "best", small / "tracks.csv", "-o", tmp_path / "p.csv")
    assert predicted == {"rows": 400, "written": [str(tmp_path / "p.csv")]}
    assert all(Path(path).exists() for path in parsed(capsys, "report", study)["written"])


def test_two_kinds_of_json_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sweep", ASKED, "--json-events", "--out", "nowhere"]) == 2
    assert "--json and --json-events exclude each other" in capsys.readouterr().err
