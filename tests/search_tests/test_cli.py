"""The command line: its words, its exit codes, and what it says of wrong input."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pandas as pd
import pytest
import typer

from search.cli import app, run
from spaces import load_space
from tests.data_tests.tables import edited, table, write_csv
from tests.search_tests.processes import ROOT
from tests.search_tests.simulated import World, create_study, paper_trials, train_in
from tests.search_tests.small import CONFIGURATIONS, SPACE, write_space, write_tracks

COMMANDS = {
    "compare": ["--curves", "--debug", "--figure", "--to", "studies"],
    "describe": ["--data", "--debug", "--mapping", "--to"],
    "export": ["--debug", "--to", "study"],
    "importance": ["--debug", "--epochs", "--figure", "--pairs", "--to", "study"],
    "predict": ["--debug", "--mapping", "--out", "-o", "model", "tracks"],
    "prune": ["--debug", "--finished", "study"],
    "replay": [
        *(
            "--debug",
            "--grace-period",
            "--judge",
            "--orders",
            "--reduction-factor",
            "--scheduler",
            "--seed",
            "--stack-size",
        ),
        *("--to", "--tolerance", "--workers", "studies"),
    ],
    "report": ["--accuracy", "--debug", "--to", "studies"],
    "resume": [
        *("--address", "--cpus", "--debug", "--epochs", "--gpus-per-segment", "--json", "--out", "--quiet"),
        *("--resources-per-segment", "study"),
    ],
    "run": [
        *("--address", "--cpus", "--data", "--debug", "--device", "--epochs", "--freeze", "--gpus-per-segment"),
        *("--grace-period", "--holdout", "--mapping", "--name", "--out", "--patience", "--quiet"),
        *("--reduction-factor", "--repeats", "--resources-per-segment", "--sampler", "--scheduler", "--search"),
        *("--seed", "--space", "--split"),
        *("--stack-size", "--stage-epochs", "--storage", "--text-model", "--transfer-data", "--transfer-epochs"),
        *("--transfer-seeds", "--trials"),
    ],
    "status": ["--debug", "--json", "study"],
    "sweep": [
        *("--address", "--cpus", "--data", "--debug", "--device", "--dry-run", "--epochs", "--features"),
        *("--gpus-per-segment", "--grace-period", "--holdout", "--json", "--mapping", "--name", "--out", "--quiet"),
        *("--reduction-factor", "--repeats", "--resources-per-segment", "--sampler", "--scheduler", "--search"),
        *("--seed", "--space", "--split", "--stack-size", "--storage", "--text-model", "--trials"),
    ],
    "trials": ["--curves", "--debug", "--repeats", "--to", "--top", "study"],
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


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place to work in, with sound tracks and a sound space."""
    write_tracks(tmp_path / "tracks.csv", rows=120)
    write_space(tmp_path / "space.toml")
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


@dataclass(frozen=True)
class Wrong:
    """Something wrong: what makes it so, the command line, and words of the message that name it and the fix."""

    name: str
    arguments: str
    words: tuple[str, ...]
    prepare: Callable[[Path], object] = lambda folder: None


def _bytes(content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / "wrong.csv").write_bytes(content)


def _table(change: Callable[[pd.DataFrame], pd.DataFrame], rows: int = 120) -> Callable[[Path], object]:
    return lambda folder: write_csv(change(table(rows)), folder / "wrong.csv")


def _space(text: str) -> Callable[[Path], object]:
    return lambda folder: write_space(folder / "wrong.toml", text)


def _study(folder: Path) -> None:
    create_study(folder / "study", paper_trials(3), space=load_space("paper").to_toml()).close()


SWEEP = "sweep --data wrong.csv --out study"
GOOD = "sweep --data tracks.csv --space space.toml --out study"


def _a_folder_of_others(folder: Path) -> None:
    (folder / "study").mkdir()
    (folder / "study" / "note.txt").write_text("mine")


WRONG = [
    Wrong("missing file", "sweep --data track.csv --out study", ("no such file", "did you mean 'tracks.csv'")),
    Wrong("folder", "sweep --data . --out study", ("is a directory", "expected")),
    Wrong("empty file", SWEEP, ("wrong.csv is empty", "expected"), _bytes(b"")),
    Wrong("blank file", SWEEP, ("wrong.csv is empty", "expected"), _bytes(b"\n \n")),
    Wrong("binary file", SWEEP, ("binary", "expected"), _bytes(bytes(range(256)) * 20)),
    Wrong("workbook", SWEEP, ("Excel", "export"), _bytes(b"PK\x03\x04 and more")),
    Wrong("Parquet cut short", SWEEP, ("begins like Parquet",), _bytes(b"PAR1 and no more")),
    Wrong("Latin-1", SWEEP, ("not UTF-8", "save it as UTF-8"), _bytes("a,b\né,1\n".encode("latin-1"))),
    Wrong("semicolons", SWEEP, ("semicolons",), _bytes(b"a;b\n1;2\n")),
    Wrong("only a header", SWEEP, ("row",), _table(lambda frame: frame.head(0))),
    Wrong("missing column", SWEEP, ("'tempo'", "missing", "mapping"), _table(lambda f: f.drop(columns="tempo"))),
    Wrong(
        "two columns misnamed",
        SWEEP,
        ("'energy'", "'enrgy'", "'playlist_genre'"),
        _table(lambda frame: frame.rename(columns={"energy": "enrgy", "playlist_genre": "playlist_genr"})),
    ),
    Wrong(
        "text in a number column",
        SWEEP,
        ("'energy'", "row 4: 'loud'", "no finite number"),
        _table(lambda frame: edited(frame, energy={3: "loud"})),
    ),
    Wrong("NaN", SWEEP, ("'valence'", "row 2: 'nan'"), _table(lambda frame: edited(frame, valence={1: "nan"}))),
    Wrong("infinity", SWEEP, ("'valence'", "row 2: 'inf'"), _table(lambda frame: edited(frame, valence={1: "inf"}))),
    Wrong("an empty number", SWEEP, ("'tempo'", "row 1: empty"), _table(lambda frame: edited(frame, tempo={0: ""}))),
    Wrong("one genre", SWEEP, ("1 genre", "at least 2"), _table(lambda frame: frame.assign(playlist_genre="pop"))),
    Wrong("fewer rows than a batch", SWEEP, ("batch of 32", "24", "smaller batches"), _table(lambda f: f, rows=30)),
    Wrong(
        "a genre with one row",
        SWEEP,
        ("too few rows", "polka 1"),
        _table(lambda f: edited(f, playlist_genre={0: "polka"})),
    ),
    Wrong("an existing study", GOOD, ("study exists already", "genresweep resume study"), _study),
    Wrong("an existing folder", GOOD, ("study exists already and holds no study", "--out"), _a_folder_of_others),
    Wrong("no such space", "sweep --data tracks.csv --space papr --out study", ("did you mean 'paper'",)),
    Wrong("no such space file", "sweep --data tracks.csv --space no.toml --out study", ("no.toml", "cannot be read")),
    *[
        Wrong(f"space: {name}", "sweep --data tracks.csv --space wrong.toml --out study", words, _space(text))
        for name, words, text in (
            ("no TOML", ("wrong.toml is not valid TOML",), "[parameters\n"),
            ("nothing", ("[parameters]",), ""),
            ("misnamed", ("'droput'", "did you mean 'dropout'"), SPACE.replace("batch_norm", "droput")),
            (
                "wrong values",
                ("optimizer must be one of", "'adem'", "clip_norm > 0"),
                SPACE.replace('"adam"', '"adem"').replace('"none"', "-1"),
            ),
            ("too many epochs", ("epochs must be from 1 to 100,000",), SPACE + "epochs = 100001\n"),
            (
                "continuous",
                ("--search random --trials N",),
                SPACE.replace("[1e-2, 1e-3, 1e38]", "{low = 1e-4, high = 1e-2}"),
            ),
        )
    ],
    Wrong("unknown scheduler", f"{GOOD} --scheduler ashaa", ("--scheduler", "'ashaa'", "asha")),
    Wrong("unknown split", f"{GOOD} --split artist", ("--split", "'artist'", "album")),
    Wrong("unknown option", f"{GOOD} --schedular none", ("--schedular", "--scheduler")),
    Wrong("unknown command", "sweeep", ("sweeep",)),
    Wrong("no epochs", f"{GOOD} --epochs 0", ("--epochs", "greater than or equal to 1")),
    Wrong("no number", f"{GOOD} --epochs many", ("--epochs", "valid integer")),
    Wrong("stack size", f"{GOOD} --stack-size 0", ("--stack-size", "auto", "'0'")),
    Wrong("random without a count", f"{GOOD} --search random", ("--search random needs --trials",)),
    Wrong("a count without random", f"{GOOD} --trials 5", ("--trials goes with --search random",)),
    Wrong("optuna without a count", f"{GOOD} --search optuna", ("--search optuna needs --trials",)),
    Wrong("optuna and halving", f"{GOOD} --search optuna --trials 5 --scheduler halving", ("asha or none",)),
    Wrong(
        "CMA-ES without numbers",
        f"{GOOD} --search optuna --trials 5 --sampler cmaes",
        ("hidden_layers", "optimizer", "--sampler tpe"),
    ),
    Wrong("a sampler of a grid", f"{GOOD} --sampler gp", ("--sampler goes with --search optuna",)),
    Wrong("no repeats", f"{GOOD} --repeats 0", ("--repeats", "greater than or equal to 1")),
    Wrong("two views at once", "trials study --curves --repeats", ("exclude each other",), _study),
    Wrong("more than there are", f"{GOOD} --search random --trials 500", ("12 points", "500")),
    Wrong("a seed too large", f"{GOOD} --seed 99999999999", ("seed", "99999999999")),
    Wrong("too many epochs", f"{GOOD} --epochs 99999999999999999999", ("--epochs", "100,000")),
    Wrong("too many repeats", f"{GOOD} --repeats 99999999", ("99,999,999 times", "1,000,000", "--repeats")),
    Wrong(
        "too many trials",
        "sweep --data tracks.csv --space wide --search random --trials 99999999999 --out study",
        ("99,999,999,999 configurations", "1,000,000", "--trials"),
    ),
    Wrong("too many synthetic rows", "sweep --data synthetic:99999999999 --out study", ("10,000,000",)),
    Wrong("synthetic rows without end", f"sweep --data synthetic:{'9' * 5000} --out study", ("10,000,000",)),
    Wrong("no synthetic rows", "sweep --data synthetic:many --out study", ("synthetic:20000",)),
    Wrong("a text model without text", f"{GOOD} --text-model .", ("--text-model goes with --features text",)),
    Wrong(
        "no such text model",
        f"{GOOD} --features text --text-model no/such/model",
        ("'no/such/model'", "no such folder", "all-MiniLM-L6-v2"),
    ),
    Wrong("a folder without a text model", f"{GOOD} --features fusion --text-model .", ("no model files in",)),
    Wrong("no mapping", f"{GOOD} --mapping no.toml", ("no.toml",)),
    Wrong("resume what is not there", "resume study", ("study is not a study", "manifest.json")),
    Wrong("prune what is not there", "prune study", ("study is not a study",)),
    Wrong("status of what is not there", "status study", ("study is not a study",)),
    Wrong("status of nothing", "status", ("no studies in runs", "genresweep sweep")),
    Wrong("replay of what is not there", "replay study", ("study is not a study",)),
    Wrong("replay of ASHA", "replay study", ("stopped configurations early", "--scheduler none"), _study),
    Wrong("replay to an unknown kind of file", "replay study --to t.xls", (".csv", ".parquet"), _study),
    Wrong("compare nothing yet", "compare study", ("no score yet",), _study),
    Wrong("compare a study with itself", "compare study ./study", ("named twice",), _study),
    Wrong("curves to nowhere", "compare study --curves", ("--to FILE",), _study),
    Wrong("a page that is called a picture", "compare study --figure f.png", ("f.png", ".html"), _study),
    Wrong("another one", "importance study --figure f.json", ("f.json", ".html"), _study),
    Wrong("importance of nothing yet", "importance study", ("0 configurations can be counted",), _study),
    Wrong("export over a file", "export study --to space.toml", ("exists already",), _study),
    Wrong("export to a name without end", f"export study --to {'9' * 5000}.db", ("too long for a file",), _study),
    Wrong("export to a table", "export study --to t.csv", (".db",), _study),
    Wrong("trials to an unknown kind of file", "trials study --to trials.xls", (".csv", ".parquet", ".json"), _study),
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.name)
def test_wrong_input_gives_code_2_and_one_message_with_the_fix(
    wrong: Wrong, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong.prepare(folder)
    before = _contents(folder)
    code = run(wrong.arguments.split())
    said = capsys.readouterr()
    assert code == 2, said.err
    assert said.out == ""
    for word in wrong.words:
        assert word in said.err, said.err
    assert "Traceback" not in said.err
    assert len(said.err.strip().splitlines()) <= 12, said.err
    assert _contents(folder) == before, "something is left behind"


def _contents(folder: Path) -> set[str]:
    """Files and folders here, the temporary ones among them."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


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

    monkeypatch.setattr("search.display.study_summary", fail)
    assert run(["status", "study"]) == 1
    assert capsys.readouterr().err == "genresweep: OSError: the disk is gone\n"


def test_dry_run_says_what_would_run_and_runs_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = _contents(folder)
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
    assert _contents(folder) == before


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
        space = load_space("paper").to_toml()
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
