"""A study or a model that somebody hostile has made: it is read without running anything, and written within itself."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import os
import pickle
import re
import shutil
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from socket import SocketKind
from typing import Any

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.embeddings import embed_titles
from data.errors import InputError
from data.text_model import find_text_model
from results.study import Study
from search.cli import run
from search.pruning import prune
from search.suggesting import restored_search
from search.sweep import reopened
from tests.search_tests.conftest import Launch, Sweep
from tests.search_tests.golden_study import GOLDEN
from tests.search_tests.laws import check_interrupted
from tests.search_tests.processes import ROOT, SLOW, WORKER, segments
from tests.search_tests.test_faults import sweep_arguments
from trainables.checkpoint import CheckpointError, MemberSource, load_model, read_members

PACKAGES = ("data", "spaces", "trainables", "results", "search")
RUNS_CODE = {"pickle", "dill", "cloudpickle", "shelve", "marshal", "yaml"}
LOADS = {
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen", "runpy.run_path", "numpy.load", "torch.load"),
    *("torch.jit.load", "torch.hub.load", "torch.package.PackageImporter", "joblib.load", "joblib.Memory"),
    *("pandas.read_pickle", "pandas.read_hdf"),
}


@pytest.fixture
def study(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return Path(shutil.copytree(GOLDEN / "study", tmp_path / "home" / "study"))


class Bomb:
    """Unpickling it leaves a trace."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, (str(self.path),)


def sources() -> list[tuple[str, ast.Module]]:
    paths = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    assert len(paths) > 60
    return [(path.name, ast.parse(path.read_text())) for path in paths]


def named(tree: ast.Module) -> dict[str, str]:
    """What each imported name stands for, in full."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.asname or alias.name.split(".")[0]: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def called(tree: ast.Module) -> list[tuple[str, ast.Call]]:
    """Every call, by the full name of what is called where that can be told."""
    names, calls = named(tree), [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    words = [(ast.unparse(call.func).partition("."), call) for call in calls]
    return [(names.get(first, first) + dot + rest, call) for (first, dot, rest), call in words]


def dangers(tree: ast.Module) -> list[str]:
    """What unpickles, or runs a text as code."""
    found = [name for name in named(tree).values() if name.split(".")[0] in RUNS_CODE or name in LOADS]
    for name, call in called(tree):
        keywords = {keyword.arg for keyword in call.keywords}
        if (
            name in LOADS
            or name.rpartition(".")[2] == "read_pickle"
            or keywords & {"allow_pickle", "trust_remote_code"}
        ):
            found.append(ast.unparse(call))
    return found


def test_no_code_of_ours_loads_what_runs_code() -> None:
    assert [(name, danger) for name, tree in sources() for danger in dangers(tree)] == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from pickle import loads",
        "import cloudpickle.cloudpickle as c",
        "import torch\ntorch.load(x)",
        "from torch import load",
        "import numpy as n\nn.load(x)",
        "import numpy\nnumpy.lib.format.read_array(x, allow_pickle=True)",
        "frame.read_pickle(x)",
        "eval(x)",
        "SentenceTransformer(x, trust_remote_code=True)",
    ],
)
def test_such_code_would_be_found(text: str) -> None:
    assert dangers(ast.parse(text))


def test_every_table_of_ours_is_written_where_cells_are_neutralised() -> None:
    writers = {(file, name.rpartition(".")[2]) for file, tree in sources() for name, _ in called(tree)}
    assert {(file, name) for file, name in writers if name in ("to_csv", "to_excel", "writer", "DictWriter")} == {
        ("exports.py", "to_csv")
    }
    keywords = [keyword for _, tree in sources() for _, call in called(tree) for keyword in call.keywords]
    assert not any(keyword.arg == "escape" for keyword in keywords), "HTML and Markdown of user text"


WATCHED = """
import json, os, sys

def watch(event, arguments):
    if event == "pickle.find_class":
        os.write(2, f"unpickled: {arguments}".encode())
        os._exit(77)

from search import cli
import results.frames, results.report, results.predictions, results.importance, results.optuna_trials, search.display
sys.addaudithook(watch)
print(json.dumps([cli.run(words) for words in json.loads(sys.argv[1])]), file=sys.stderr)
"""
"""Every unpickling of a class or a function, by whatever library, ends the process."""


def test_reading_a_study_unpickles_nothing(sweep: Sweep, small: Path, tmp_path: Path) -> None:
    study = str(shutil.copytree(sweep(stack_size=16), tmp_path / "study"))
    words = [[name, study] for name in ("status", "trials", "report", "importance", "compare", "replay")]
    words += [["predict", f"{study}/best", str(small / "tracks.csv"), "-o", str(tmp_path / "p.csv")]]
    words += [["export", study, "--to", str(tmp_path / "o.db")], ["prune", study]]
    program = [sys.executable, "-c", WATCHED, json.dumps(words)]
    ended = subprocess.run(program, capture_output=True, text=True, check=False, cwd=ROOT)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stderr.splitlines()[-1]) == [0] * len(words), ended.stderr


def test_a_sentence_model_that_a_card_names_runs_nothing(tiny_model: Path, sweep: Sweep, tmp_path: Path) -> None:
    """Its folder may lie in the model's own: neither code nor pickled weights in it are loaded."""
    trace, evil = tmp_path / "ran", Path(shutil.copytree(tiny_model, tmp_path / "evil"))
    (evil / "evil.py").write_text(f"import os\nos.mkdir({str(trace)!r})\nclass Evil: pass\n")
    modules = json.loads((evil / "modules.json").read_text())
    for kind, files in {"evil.Evil": [], "sentence_transformers.models.Dense": ["pytorch_model.bin"]}.items():
        for name in files:
            (evil / "dense").mkdir()
            (evil / "dense" / name).write_bytes(pickle.dumps(Bomb(trace)))
            config = {"in_features": 6, "out_features": 6, "activation_function": "torch.nn.modules.linear.Identity"}
            (evil / "dense" / "config.json").write_text(json.dumps(config))
        more = {"idx": 1, "name": "1", "path": "dense" if files else "", "type": kind}
        (evil / "modules.json").write_text(json.dumps([*modules, more]))
        with pytest.raises(InputError, match="sentence-transformers cannot read"):
            embed_titles(["a"], ["b"], model=find_text_model(str(evil)))
        assert not trace.exists()


def test_planted_pickles_are_never_loaded(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = tmp_path / "ran"
    bomb = pickle.dumps(Bomb(trace))
    pickle.loads(bomb)
    trace.rmdir()
    (study / "best").mkdir()
    for name in ("tuner.pkl", "searcher.pickle", "best/model.pkl", "best/pytorch_model.bin", "checkpoints/x.pt"):
        (study / name).write_bytes(bomb)
    assert run(["status", str(study)]) == run(["trials", str(study)]) == 0
    for name in ("best/model.json", "best/model.safetensors", "manifest.json", "study.db"):
        (study / name).write_bytes(bomb)
        for words in (["status"], ["trials"], ["report"], ["resume"], ["prune"]):
            run([*words, str(study)])
        with pytest.raises(InputError):
            load_model(study / "best")
    for path in (study / "checkpoints").iterdir():
        path.write_bytes(bomb)
        with pytest.raises(CheckpointError):
            read_members([MemberSource(str(path), hashlib.sha256(bomb).hexdigest(), 0)])
    assert not trace.exists()


@pytest.mark.parametrize("name", ["../../x", "/etc/passwd", "..", ".", ".x.tmp", "a/../b", "checkpoints/../../x"])
def test_a_checkpoint_is_a_plain_name(name: str, study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _sql(study, "UPDATE trials SET checkpoint = ?, checkpoint_sha256 = 'a', checkpoint_row = 0", name)
    with Study.open(study) as opened, pytest.raises(InputError, match="must be a plain name"):
        opened.trials()
    for words in (["status"], ["prune"]):
        assert run([*words, str(study)]) == 2
        assert "must be a plain name" in capsys.readouterr().err


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER UPDATE ON facts BEGIN DELETE FROM trials; END",
        "CREATE VIEW v AS SELECT 1",
        "CREATE VIRTUAL TABLE v USING fts5(a)",
    ],
)
def test_a_database_that_does_things_by_itself_is_refused(
    statement: str, study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _sql(study, statement)
    for words in (["status"], ["trials"], ["resume"], ["prune"]):
        assert run([*words, str(study)]) == 2
        assert "triggers or views" in capsys.readouterr().err


@pytest.mark.timeout(60)
@pytest.mark.parametrize("table", ["facts", "trials", "curves"])
def test_a_view_in_the_place_of_a_table_is_never_read(
    table: str, study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It could take for ever, and Ctrl-C does not reach into SQLite."""
    _sql(study, f"DROP TABLE {table}")
    forever = "WITH RECURSIVE r(name, value) AS (SELECT 'a', 'b' UNION ALL SELECT name, value FROM r) SELECT * FROM r"
    _sql(study, f"CREATE VIEW {table} AS {forever}")
    for words in (["status"], ["trials"], ["resume"], ["prune"]):
        assert run([*words, str(study)]) == 2
        assert "triggers or views" in capsys.readouterr().err
    _sql(study, f"DROP VIEW {table}")
    assert run(["status", str(study)]) == 2
    assert f"no such table: {table}" in capsys.readouterr().err


def hot_journal(study: Path, names: Path | None) -> Path:
    """What a process leaves that was killed in a transaction; ``names`` as if that had spanned a second database."""
    content = (study / "study.db").read_bytes()
    page, journal = int.from_bytes(content[16:18], "big"), study / "study.db-journal"
    header = bytes.fromhex("d9d505f920a163d7") + struct.pack(">5I", 0, 0, len(content) // page, 512, page)
    tail = b""
    if names is not None:
        name = str(names).encode()
        tail = struct.pack(">I", 2**30 // page + 1) + name
        tail += struct.pack(">2I", len(name), sum(name)) + header[:8]
    journal.write_bytes(header.ljust(512, b"\0") + tail)
    return journal


@pytest.mark.parametrize("command", ["status", "trials", "resume", "prune"])
def test_a_journal_that_names_another_file_deletes_nothing(
    command: str, study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """SQLite deletes the file that it names, once it has rolled back."""
    precious = tmp_path / "precious.txt"
    precious.write_text("mine")
    journal = hot_journal(study, precious)
    copy = shutil.copytree(study, tmp_path / "copy")
    assert run([command, str(study)]) == 2
    assert f"{journal} names another file" in capsys.readouterr().err
    assert precious.read_text() == "mine"
    _sql(Path(copy), "SELECT count(*) FROM facts")
    assert not precious.exists(), "the journal is none that SQLite would follow"


def test_a_journal_of_a_killed_driver_is_rolled_back_by_who_may_write(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = hot_journal(study, None)
    assert run(["status", str(study)]) == 2
    assert f"genresweep resume {study}" in capsys.readouterr().err
    with Study.open_for_writing(study) as opened:
        assert len(opened.trials()) > 0
    assert not journal.exists()
    assert run(["status", str(study)]) == 0


def _sql(study: Path, statement: str, *values: str | bytes) -> None:
    with contextlib.closing(sqlite3.connect(study / "study.db")) as connection, connection:
        connection.execute(statement, values)


@pytest.mark.parametrize("link", ["checkpoints", "best", "log.txt", "study.db", "stages/fusion"])
def test_no_link_leads_writing_out_of_the_directory(
    link: str, study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious.safetensors").write_text("mine")
    place = study / link
    place.parent.mkdir(exist_ok=True)
    if place.is_dir():
        shutil.rmtree(place)
    if link == "study.db":
        target = place.rename(outside / "study.db")
    else:
        target = outside / "precious.safetensors" if link == "log.txt" else outside
    place.symlink_to(target)
    before = {path.name: path.read_bytes() for path in outside.iterdir()}
    for words in (["resume"], ["prune"]):
        assert run([*words, str(study)]) == 2
        assert "is a link to" in capsys.readouterr().err
    with pytest.raises(InputError, match="is a link to"):
        prune(study)
    assert {path.name: path.read_bytes() for path in outside.iterdir()} == before


@pytest.mark.parametrize("name", ["manifest.json", "study.db", "best/model.json", "best/model.safetensors"])
def test_a_device_in_the_place_of_a_file_is_not_read_for_ever(name: str, study: Path) -> None:
    (study / "best").mkdir()
    (study / "best" / "model.json").write_text(json.dumps({"format": 1}))
    (study / name).unlink(missing_ok=True)
    (study / name).symlink_to("/dev/zero")
    with pytest.raises(InputError):
        load_model(study / "best")
    if "best" not in name:
        with pytest.raises(InputError):
            Study.open(study)


_HEADERS = st.one_of(
    st.binary(max_size=200),
    st.builds(
        lambda length, header, rest: struct.pack("<Q", length) + header + rest,
        st.integers(0, 2**64 - 1),
        st.binary(max_size=60),
        st.binary(max_size=60),
    ),
    st.builds(
        lambda shape, dtype, offsets, rest: _file(
            {"parameters": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}, rest
        ),
        st.lists(st.integers(-1, 2**63), max_size=3),
        st.sampled_from(["F32", "F64", "I64", "BOOL", "U8", "../x", ""]),
        st.lists(st.integers(-1, 2**63), min_size=2, max_size=2),
        st.binary(max_size=60),
    ),
)


def _file(header: dict[str, object], rest: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + rest


@settings(max_examples=200)
@given(_HEADERS)
def test_any_bytes_for_a_checkpoint_are_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "hostile.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError):
        read_members([MemberSource(str(path), hashlib.sha256(content).hexdigest(), 0)])


@pytest.fixture(scope="module")
def model(sweep: Sweep, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(sweep(stack_size=16) / "best", tmp_path_factory.mktemp("hostile") / "model"))


@settings(max_examples=200)
@given(_HEADERS)
def test_any_bytes_for_a_models_weights_are_refused_in_words(model: Path, content: bytes) -> None:
    """The card names their hash: whoever made the one made the other."""
    card = json.loads((model / "model.json").read_text())
    card["weights_sha256"] = hashlib.sha256(content).hexdigest()
    (model / "model.json").write_text(json.dumps(card))
    (model / "model.safetensors").write_bytes(content)
    with pytest.raises(InputError, match=re.escape(str(model))):
        load_model(model)


class _Tags(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_names_are_text_in_a_report_and_in_a_terminal(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hostile = '"><img src=x onerror=alert(1)><[red]>'
    study = study.rename(study.with_name(hostile))
    stage = "</script><script>alert(2)</script>[/bold]"
    _sql(study, "INSERT INTO stages VALUES (?, 1.0, 1.0, ?)", stage, hostile)
    values = "1, 1, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 1.0"
    _sql(study, f"INSERT INTO stage_curves VALUES (?, ?, {values})", stage, hostile)
    _sql(study, "INSERT INTO stage_scores VALUES ('sweep', 'incumbent', 1, 'validation', 1, 0.5, 0.5, 0.5, 0.5, '{}')")
    for words in (["status"], ["trials"], ["report"]):
        assert run([*words, str(study)]) == 0, capsys.readouterr().err
        assert "onerror=alert(1)><[red]>" in capsys.readouterr().out.replace("\n", "")
    tags = _Tags()
    tags.feed((study / "report.html").read_text())
    assert not any("onerror" in attributes or tag == "img" for tag, attributes in tags.found)
    assert "<script>alert(2)" not in (study / "report.html").read_text()
    assert "<script>alert(2)" not in (study / "scorecard.md").read_text()


@pytest.mark.parametrize("start", ["", "\n", "\r", "\t", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_names_are_no_formulas_in_a_table(start: str, study: Path, tmp_path: Path) -> None:
    _sql(study, "UPDATE trials SET reason = ?", f"{start}=HYPERLINK(1)")
    assert run(["trials", str(study), "--to", str(tmp_path / "t.csv")]) == 0
    text = (tmp_path / "t.csv").read_bytes().decode()
    assert f"\"'{start}=HYPERLINK(1)" in text and f'"{start}=HYPERLINK' not in text


@pytest.mark.parametrize("command", ["status", "trials"])
def test_no_name_moves_the_cursor_of_a_terminal(command: str, study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = study.rename(study.with_name("a\x1b[2J"))
    _sql(study, "UPDATE facts SET value = ?", "\x1b[2J\x07\x9b2J\r")
    _sql(study, "UPDATE trials SET reason = ?", "\x1b[2J\x9b2J")
    assert run([command, str(study)]) == 0
    said = capsys.readouterr()
    assert not {"\x1b", "\x07", "\x9b", "\r"} & set(said.out + said.err)
    assert "\ufffd[2J" in said.out


_VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(max_size=9),
    st.binary(max_size=9),
    st.sampled_from(["[" * 100_000, "{", "[]", "{}", "[1]", '[["a", []]]', "../../x", "9" * 400, "\x1b[2J"]),
)
_TABLES = ["trials", "curves", "segments", "decisions", "facts", "stages", "stage_curves", "stage_scores"]
_COMMANDS = st.sampled_from(
    ["trials", "trials --curves", "report", "importance", "compare", "replay", "export --to o.db", "prune", "resume"]
)


def reads_and_goes_on_or_says_why(study: Path, command: str) -> None:
    """Code 0 or 2 of a command; of ``resume``, what it does before it trains."""
    shutil.copy(GOLDEN / "tracks.csv", study.parent)
    assert run(["status", str(study)]) in (0, 2)
    if command == "resume":
        with contextlib.suppress(InputError), reopened(study) as (opened, _):
            opened.scores(1)
            opened.best_accuracy()
            opened.last_segment_number()
            if opened.settings.search == "optuna":
                restored_search(opened)
    else:
        name, *words = command.replace("o.db", str(study.parent / "o.db")).split()
        assert run([name, str(study), *words]) in (0, 2)
    shutil.rmtree(study.parent)


def found_study(folder: Path, edit: Callable[[dict[str, Any]], object] = lambda manifest: None) -> Path:
    """A copy of the golden study that knows where its table is."""
    study = Path(shutil.copytree(GOLDEN / "study", folder / "study"))
    manifest = json.loads((study / "manifest.json").read_text())
    manifest["settings"]["data"] = manifest["data"]["source"] = str(folder / "tracks.csv")
    edit(manifest)
    (study / "manifest.json").write_text(json.dumps(manifest))
    _sql(study, "INSERT INTO facts VALUES ('answered', '[[1, \"a\"]]')")
    _sql(study, "INSERT INTO stages VALUES ('s', 1, 1, 'n')")
    _sql(study, "INSERT INTO stage_curves VALUES ('s', 'v', 1, 1, 1, 1, 1, 1, 1, 1, 1)")
    _sql(study, "INSERT INTO stage_scores VALUES ('sweep', 'incumbent', 1, 'validation', 1, 1, 1, 1, 1, '{}')")
    return study


@settings(max_examples=60, deadline=None)
@given(
    command=_COMMANDS, table=st.sampled_from(_TABLES), column=st.integers(0, 11), value=_VALUES, as_text=st.booleans()
)
def test_any_value_in_the_record_is_read_or_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, command: str, table: str, column: int, value: object, as_text: bool
) -> None:
    """As text, too, where the bytes are none."""
    study = found_study(tmp_path_factory.mktemp("value"))
    with contextlib.closing(sqlite3.connect(study / "study.db")) as connection:
        names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        with contextlib.suppress(sqlite3.Error), connection:
            mark = "CAST(? AS TEXT)" if as_text else "?"
            connection.execute(f"UPDATE OR IGNORE {table} SET {names[column % len(names)]} = {mark}", (value,))
    reads_and_goes_on_or_says_why(study, command)


_JSON = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=9),
    st.sampled_from([{}, [], [None], {"a": None}, {"stages": {"epochs": "x"}}, "s3://x", "/", "a.csv"]),
)


@settings(max_examples=40, deadline=None)
@given(command=_COMMANDS, place=st.sampled_from(["", "settings", "data"]), which=st.integers(0, 30), value=_JSON)
def test_any_value_in_a_manifest_is_read_or_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, command: str, place: str, which: int, value: object
) -> None:
    def edit(manifest: dict[str, Any]) -> None:
        part = manifest[place] if place else manifest
        names = sorted(part) + (["repeats", "sampler", "storage", "text_model"] if place == "settings" else [])
        part[names[which % len(names)]] = value

    reads_and_goes_on_or_says_why(found_study(tmp_path_factory.mktemp("value"), edit), command)


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        ("UPDATE trials SET reason = CAST(? AS TEXT)", b"\xff\xfe"),
        ("UPDATE facts SET value = CAST(? AS TEXT)", b"\xff\xfe"),
        ("UPDATE facts SET value = ? WHERE name = 'answered'", "{"),
        ("UPDATE trials SET configuration = ?", "[" * 100_000),
        ("UPDATE trials SET epoch = ?", "many"),
        ("UPDATE trials SET budget = ?", "many"),
    ],
)
def test_a_damaged_record_is_said_to_be_one(
    statement: str, value: str | bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = found_study(tmp_path)
    _sql(study, statement, value)
    assert run(["status", str(study)]) == 2
    assert f"{study / 'study.db'} is damaged" in capsys.readouterr().err


@pytest.mark.parametrize(("column", "value"), [("checkpoint", "../../x"), ("members", "{"), ("members", '[["a"]]')])
def test_a_damaged_segment_ends_no_resume_in_a_traceback(column: str, value: str, tmp_path: Path) -> None:
    study = found_study(tmp_path)
    shutil.copy(GOLDEN / "tracks.csv", tmp_path)
    _sql(study, f"UPDATE segments SET {column} = ? WHERE checkpoint IS NOT NULL", value)
    with pytest.raises(InputError, match="is damaged"), reopened(study):
        pass


def test_a_folder_that_is_called_like_a_leftover_stays(tmp_path: Path) -> None:
    study = found_study(tmp_path)
    shutil.copy(GOLDEN / "tracks.csv", tmp_path)
    (study / ".x.tmp").mkdir()
    (study / ".y.tmp").write_text("")
    with reopened(study):
        pass
    assert (study / ".x.tmp").is_dir() and not (study / ".y.tmp").exists()


@pytest.mark.parametrize(
    ("place", "name", "value", "words"),
    [
        ("settings", "scheduler", "foo", "asha, halving, none"),
        ("settings", "seed", "42", "seed must be int"),
        ("settings", "holdout", [], "holdout must be float"),
        ("settings", "space", 3, "space must be str"),
        ("", "data", None, "data must be dict"),
        ("", "data", [], "data must be dict"),
        ("", "data", {}, "data lacks"),
    ],
)
def test_a_damaged_manifest_is_said_to_be_one(
    place: str, name: str, value: object, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = found_study(tmp_path, lambda manifest: (manifest[place] if place else manifest).update({name: value}))
    assert run(["status", str(study)]) == 2
    said = capsys.readouterr().err
    assert f"{study / 'manifest.json'} is damaged" in said and words in said


def test_a_manifest_of_a_hundred_thousand_brackets(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (study / "manifest.json").write_text("[" * 100_000)
    assert run(["status", str(study)]) == 2
    assert "manifest.json is damaged" in capsys.readouterr().err


ASK = """
import ray, sys
from ray._raylet import GcsClient
print(len(GcsClient(address=sys.argv[1]).get_all_node_info()))
"""


def nodes_told(address: str, **variables: str) -> str:
    """What Ray's control store says to somebody who may have a token."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")} | variables
    asked = [sys.executable, "-c", ASK, address]
    return subprocess.run(asked, env=environment, capture_output=True, text=True, timeout=60, check=False).stdout


def test_a_running_sweep_takes_orders_from_itself_alone(launch: Launch, small: Path, tmp_path: Path) -> None:
    """Loopback is open to every user of the machine, and whoever Ray listens to can run code as the sweep's."""
    study = tmp_path / "study"
    command = launch(*sweep_arguments(small, study, "none"), plan={"worker": SLOW})
    command.until(lambda: segments(study) >= 1 and bool(command.started(WORKER)))
    raylet = command.started("raylet")[0]
    token = raylet.environ()["RAY_AUTH_TOKEN"]
    address = re.findall(r"--gcs-address=([\d.:]+)", " ".join(raylet.cmdline()))[0]
    session = re.findall(r"--session_dir=(\S+)", " ".join(raylet.cmdline()))[0]
    commands = [" ".join(process.cmdline()) for process in command.started()]
    answers = [nodes_told(address, RAY_AUTH_MODE="disabled")]
    answers += [nodes_told(address, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=t) for t in ("0" * 64, token)]
    command.interrupt()
    ended = command.wait()
    assert ended.code in (0, 130), ended.err
    assert answers == ["", "", "1\n"]
    assert len(token) == 64 and not any(token in text for text in (*commands, ended.out, ended.err))
    files = [path for folder in (study, Path(session)) for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 5 and [path for path in files if token.encode() in path.read_bytes()] == []


@pytest.mark.parametrize("address", ["", "local"])
def test_a_running_sweep_listens_on_this_machine_alone(
    address: str, launch: Launch, small: Path, tmp_path: Path
) -> None:
    """Ray would listen on every interface, and whoever reaches its ports can run code."""
    study = tmp_path / "study"
    command = launch(*sweep_arguments(small, study, "none"), plan={"worker": SLOW}, RAY_ADDRESS=address)
    command.until(lambda: segments(study) >= 1 and bool(command.started(WORKER)))
    found: dict[str, set[str]] = {}
    for process in (psutil.Process(command.process.pid), *command.started()):
        with contextlib.suppress(psutil.NoSuchProcess):
            sockets = process.net_connections("inet")
            bound = {s.laddr.ip for s in sockets if s.status == psutil.CONN_LISTEN or s.type is SocketKind.SOCK_DGRAM}
            found.setdefault(process.name(), set()).update(bound)
    command.interrupt()
    check_interrupted(command.wait(), study)
    assert all(found.get(name) for name in ("raylet", "gcs_server")), found
    assert any(name.startswith("ray::") and ips for name, ips in found.items()), found
    addresses = set().union(*found.values())
    assert addresses <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}, found
