"""The command line: what it says of wrong input, and that nothing is left behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from search.cli.main import run
from spaces import load_space
from tests.support.simulated import create_study, paper_trials
from tests.support.small import GOOD, SPACE, contents, write_space
from tests.support.tables import edited, table, write_csv


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
    create_study(folder / "study", paper_trials(3), space=load_space("paper")).close()


SWEEP = "sweep --data wrong.csv --out study"


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
    Wrong(
        "a number without a square",
        SWEEP,
        ("'tempo'", "too large to be standardised"),
        _table(lambda frame: frame.assign(tempo=["1e200", "-1e200"] * 60)),
    ),
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
    before = contents(folder)
    code = run(wrong.arguments.split())
    said = capsys.readouterr()
    assert code == 2, said.err
    assert said.out == ""
    for word in wrong.words:
        assert word in said.err, said.err
    assert "Traceback" not in said.err
    assert len(said.err.strip().splitlines()) <= 12, said.err
    assert contents(folder) == before, "something is left behind"
