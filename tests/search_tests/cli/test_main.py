"""The command line: its words, its exit codes, and what it says of wrong input."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pandas as pd
import pytest
import typer

from search.cli.main import app, run
from spaces import load_space
from tests.support.processes import ROOT
from tests.support.simulated import World, create_study, paper_trials, train_in
from tests.support.small import CONFIGURATIONS, GOOD, contents

COMMANDS = {
    "compare": ["--curves", "--debug", "--figure", "--json", "--to", "studies"],
    "dashboard": ["--debug", "--json", "--open", "--port", "runs"],
    "describe": ["--data", "--debug", "--json", "--mapping", "--to"],
    "doctor": ["--debug", "--json"],
    "ensemble": ["--debug", "--json", "studies"],
    "export": ["--debug", "--json", "--to", "study"],
    "importance": ["--debug", "--epochs", "--figure", "--json", "--pairs", "--to", "study"],
    "predict": ["--debug", "--json", "--mapping", "--out", "-o", "model", "tracks"],
    "prune": ["--debug", "--finished", "--json", "study"],
    "replay": [
        "--debug",
        "--grace-period",
        "--json",
        "--judge",
        "--orders",
        "--reduction-factor",
        "--scheduler",
        "--seed",
        "--stack-size",
        "--to",
        "--tolerance",
        "--workers",
        "studies",
    ],
    "report": ["--accuracy", "--debug", "--json", "--svg", "--to", "studies"],
    "resume": [
        "--address",
        "--cpus",
        "--data",
        "--debug",
        "--epochs",
        "--gpus-per-segment",
        "--json",
        "--json-events",
        "--mapping",
        "--max-epochs-total",
        "--minutes",
        "--out",
        "--patience-trials",
        "--quiet",
        "--resources-per-segment",
        "--retry",
        "--space",
        "--target",
        "--text-model",
        "--transfer-data",
        "--trials",
        "study",
    ],
    "run": [
        "--address",
        "--cpus",
        "--data",
        "--debug",
        "--device",
        "--epochs",
        "--freeze",
        "--fusion-sweep",
        "--gpus-per-segment",
        "--grace-period",
        "--holdout",
        "--json",
        "--json-events",
        "--mapping",
        "--name",
        "--no-ensemble",
        "--no-fusion-sweep",
        "--out",
        "--patience",
        "--quiet",
        "--reduction-factor",
        "--repeats",
        "--resources-per-segment",
        "--sampler",
        "--scheduler",
        "--search",
        "--seed",
        "--space",
        "--split",
        "--stack-size",
        "--stage-epochs",
        "--storage",
        "--text-model",
        "--transfer-data",
        "--transfer-epochs",
        "--transfer-seeds",
        "--trials",
    ],
    "status": ["--debug", "--json", "study"],
    "sweep": [
        "--address",
        "--cpus",
        "--data",
        "--debug",
        "--device",
        "--dry-run",
        "--epochs",
        "--features",
        "--gpus-per-segment",
        "--grace-period",
        "--holdout",
        "--json",
        "--json-events",
        "--mapping",
        "--max-epochs-total",
        "--minutes",
        "--name",
        "--no-ensemble",
        "--out",
        "--patience-trials",
        "--quiet",
        "--reduction-factor",
        "--repeats",
        "--resources-per-segment",
        "--sampler",
        "--scheduler",
        "--search",
        "--seed",
        "--space",
        "--split",
        "--stack-size",
        "--storage",
        "--target",
        "--text-model",
        "--trials",
    ],
    "trees": ["--debug", "--json", "--quiet", "--seconds", "study"],
    "trials": ["--curves", "--debug", "--json", "--repeats", "--to", "--top", "study"],
    "watch": ["--debug", "--json", "study"],
}
"""What people have in their scripts: a name may be added here, and none may go."""


def test_commands_and_options_are_frozen() -> None:
    group = typer.main.get_command(app)
    found = {
        name: sorted(word for p in command.params for word in (*p.opts, *p.secondary_opts))
        for name, command in group.commands.items()  # type: ignore[attr-defined]
    }
    assert {name: [word for word in words if word != "--help"] for name, words in found.items()} == COMMANDS


def test_the_overview_cuts_no_sentence_short(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    assert "..." not in capsys.readouterr().out.partition("Commands:")[2]


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_help_explains_every_option(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command, "--help"]) == 0
    said = capsys.readouterr().out
    for word in COMMANDS[command[0]] if command else COMMANDS:
        assert word in said or word.upper() in said or word == "studies"


def test_as_a_process_too_and_a_traceback_where_asked_for(folder: Path) -> None:
    command = [sys.executable, "-m", "search.cli", "sweep", "--data", "no.csv", "--out", "study"]
    plain = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (plain.returncode, plain.stdout) == (2, "")
    assert plain.stderr.lstrip().startswith("genresweep: no such file: ") and "Traceback" not in plain.stderr
    assert not (ROOT / "study").exists()


def test_debug_shows_where(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sweep", "--data", "no.csv", "--out", "study", "--debug"]) == 2
    said = capsys.readouterr().err
    assert "Traceback" in said and said.count("genresweep: no such file") == 1


def test_a_failure_that_is_not_the_users_gives_code_1(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr("search.cli.texts.status.study_summary", fail)
    assert run(["status", "study"]) == 1
    assert capsys.readouterr().err == "genresweep: OSError: the disk is gone\n"


def test_dry_run_says_what_would_run_and_runs_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(folder)
    arguments = [*GOOD.split(), "--scheduler", "none", "--epochs", "4", "--dry-run"]
    assert run([*arguments, "--json"]) == 0
    estimate = json.loads(capsys.readouterr().out)
    assert estimate["configurations"] == CONFIGURATIONS and estimate["epochs"] == CONFIGURATIONS * 4
    assert estimate["segments"] == 2 and estimate["minutes"] > 0 and estimate["megabytes"] > 0
    assert run(arguments) == 0
    said = capsys.readouterr().out
    assert f"{CONFIGURATIONS} configurations in about 2 segments" in said
    assert "(12 s of them until Ray and its workers are up)" in said and estimate["minutes"] > 12 / 60
    assert run([*arguments, "--address", "auto"]) == run([*arguments, "--address", "auto", "--cpus", "3"]) == 0
    said = capsys.readouterr()
    assert said.err.count("asks no cluster") == 1 and "on 3 workers" in said.out
    assert run([*arguments, "--storage", "s3://key:secret@bucket/prefix"]) == 2
    assert "secret" not in capsys.readouterr().err
    assert contents(folder) == before


class TestReading:
    @pytest.fixture
    def study(self, folder: Path) -> Path:
        """A study in the middle of its work, whose driver has gone."""
        with create_study(folder / "runs" / "one", paper_trials(12), scheduler="asha", epochs=8, stack_size=4) as study:
            train_in(study, World(), 6)
        return Path("runs/one")

    def test_status_of_one_and_of_all(self, study: Path, capsys: pytest.CaptureFixture[str]) -> None:
        create_study(Path("runs/two"), paper_trials(3)).close()
        assert run(["status", str(study)]) == 0
        one = capsys.readouterr().out
        assert "of 12 configurations ended" in one and "genresweep resume runs/one" in one
        assert run(["status"]) == 0
        both = capsys.readouterr().out
        assert one in both and "runs/two: 0 of 3 configurations" in both
        assert run(["status", "--json"]) == 0
        summaries = json.loads(capsys.readouterr().out)
        assert [summary["study"] for summary in summaries] == ["runs/one", "runs/two"]
        assert summaries[0]["configurations"] == 12 and not summaries[0]["complete"]

    @pytest.mark.parametrize("suffix", ["csv", "parquet", "json"])
    def test_trials_to_a_file(self, study: Path, suffix: str, capsys: pytest.CaptureFixture[str]) -> None:
        readers = {"csv": pd.read_csv, "parquet": pd.read_parquet, "json": pd.read_json}
        assert run(["trials", str(study), "--top", "3", "--to", f"top.{suffix}"]) == 0
        assert "3 rows written to" in capsys.readouterr().out
        top = readers[suffix](f"top.{suffix}")
        assert len(top) == 3 and top["val_accuracy"].is_monotonic_decreasing
        assert run(["trials", str(study), "--curves", "--to", f"curves.{suffix}"]) == 0
        rows = readers[suffix](f"curves.{suffix}")
        assert {"config_id", "epoch", "val_accuracy"} <= set(rows.columns) and len(rows) > 3
        assert list(dict.fromkeys(rows["config_id"]))[:3] == list(top["config_id"]), "best first"

    def test_trials_and_curves_as_text(self, study: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(["trials", str(study), "--top", "2"]) == 0
        shown = capsys.readouterr().out
        ids = {trial.key.config_id for trial in paper_trials(12)}
        assert sum(config_id in shown for config_id in ids) == 2
        assert run(["trials", str(study), "--curves"]) == 0
        assert "val_accuracy" in capsys.readouterr().out

    def test_prune(self, study: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (study / "checkpoints" / "old.safetensors").write_bytes(b"1" * 100_000)
        assert run(["prune", str(study)]) == 0
        assert capsys.readouterr().out == "1 checkpoints deleted, 0.1 MB freed\n"


class TestViews:
    @pytest.fixture
    def studies(self, folder: Path) -> str:
        """An exhaustive study and one with ASHA, of the same made-up curves."""
        space = load_space("paper")
        for scheduler in ("none", "asha"):
            trials = paper_trials(12)
            with create_study(folder / scheduler, trials, scheduler=scheduler, epochs=8, space=space) as study:
                train_in(study, World())
        return "none asha"

    def test_replay(self, studies: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert (
            run(
                ["replay", "none", "--scheduler", "asha", "--reduction-factor", "2", "--orders", "5", "--to", "one.csv"]
            )
            == 0
        )
        assert "1 study, 5 orders" in capsys.readouterr().out
        (row,) = pd.read_csv("one.csv").to_dict("records")
        assert (row["scheduler"], row["reduction_factor"], row["grace_period"]) == ("asha", 2, 1)
        assert row["epochs"] < 96 and row["saved"] == pytest.approx(1 - row["epochs"] / 96)
        assert run(["replay", "none", "--orders", "2", "--tolerance", "1"]) == 0
        said = capsys.readouterr().out
        assert "hyperband" in said and "fewest epochs that lose at most 1 on average: --scheduler " in said
        assert " saved, " in said and ", rank " in said

    def test_a_choice_is_judged_on_other_studies(
        self, studies: str, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        trials = paper_trials(6)
        with create_study(folder / "other", trials, scheduler="none", epochs=8) as study:
            train_in(study, World())
        asked = ["replay", "none", "--judge", "other", "--orders", "2", "--tolerance", "1", "--to", "both.csv"]
        assert run(asked) == 0
        assert "judged on 1 study: " in capsys.readouterr().out
        table = pd.read_csv("both.csv")
        whole = table[table["scheduler"] == "none"].iloc[0]
        assert (whole["epochs"], whole["epochs_judged"]) == (96, 48)
        assert run(["replay", "none", "--judge", "none"]) == 2

    def test_compare(self, studies: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(["compare", *studies.split(), "--to", "arms.csv", "--figure", "figures.html"]) == 0
        assert "2 studies" in capsys.readouterr().out
        arms = pd.read_csv("arms.csv")
        assert arms["regret"].tolist()[0] == 0 and (arms["regret"] >= 0).all() and len(arms) == 2
        assert "best validation accuracy so far" in Path("figures.html").read_text()
        assert run(["compare", *studies.split(), "--curves", "--to", "curves.json"]) == 0
        assert pd.read_json("curves.json").groupby("study")["epochs"].max()["none"] == 96

    def test_importance(self, studies: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(["importance", "asha", "--to", "effects.csv", "--figure", "figures.html"]) == 0
        said = capsys.readouterr().out
        assert "12 of 12 configurations counted" in said and "the two strongest together" in said
        assert pd.read_csv("effects.csv")["parameter"].nunique() == 7
        assert run(["importance", "asha", "--pairs", "pairs.csv"]) == 0
        assert list(pd.read_csv("pairs.csv")) == ["first", "second", "count", "mean", "interaction"]
        assert Path("figures.html").stat().st_size > 1e6

    def test_export(self, studies: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(["export", "none", "--to", "new/optuna.db"]) == 0
        assert capsys.readouterr().out.startswith("12 trials written to new/optuna.db")
        assert [path.name for path in Path("new").iterdir()] == ["optuna.db"]


def test_predict_does_not_write_over_the_tracks_it_reads(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / "tracks.csv").read_bytes()
    assert run(["predict", "best", "tracks.csv", "-o", "./tracks.csv"]) == 2
    assert "is the table of tracks itself" in capsys.readouterr().err
    assert (folder / "tracks.csv").read_bytes() == before


def test_the_version_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"genresweep {metadata.version('genresweep')}\n"


@pytest.mark.parametrize("words", [["sweep", "x", "y" * 20_000], ["sweep", "--" + "z" * 20_000], ["q" * 20_000]])
def test_misuse_is_told_shortly_whatever_was_typed(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == 2
    said = capsys.readouterr().err
    assert said.strip()
    assert len(said) < 2000
