"""A study or a model that somebody hostile has made: it is read without running anything, and written within itself."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import os
import pickle
import shutil
import sqlite3
import struct
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import InputError
from results.frames import load_curves, load_trials
from results.study import Study
from search.cli import run
from search.pruning import prune
from tests.search_tests.conftest import Sweep
from tests.search_tests.golden_study import GOLDEN
from tests.search_tests.processes import ROOT
from trainables.checkpoint import CheckpointError, MemberSource, load_model, read_members

PACKAGES = ("data", "spaces", "trainables", "results", "search")
RUNS_CODE = {"pickle", "dill", "cloudpickle", "shelve", "marshal", "yaml"}
CALLS = {
    "eval",
    "exec",
    "joblib.load",
    "joblib.Memory",
    "torch.load",
    "pd.read_pickle",
    "pandas.read_pickle",
    "np.load",
    "numpy.load",
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


def test_no_code_of_ours_loads_what_runs_code() -> None:
    found = []
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found += [f"{path.name}: {name}" for name in names if name.split(".")[0] in RUNS_CODE]
            if isinstance(node, ast.Call) and ast.unparse(node.func) in CALLS:
                safe = ast.unparse(node.func) in ("np.load",) and "allow_pickle=True" not in ast.unparse(node)
                found += [] if safe else [f"{path.name}: {ast.unparse(node)}"]
    assert found == []


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
    ],
)
def test_a_database_that_does_things_by_itself_is_refused(
    statement: str, study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _sql(study, statement)
    for words in (["status"], ["trials"], ["resume"], ["prune"]):
        assert run([*words, str(study)]) == 2
        assert "triggers or views" in capsys.readouterr().err


def _sql(study: Path, statement: str, *values: str) -> None:
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


def test_names_are_no_formulas_in_a_table(study: Path, tmp_path: Path) -> None:
    _sql(study, "UPDATE trials SET reason = ?", "=HYPERLINK(1)")
    assert run(["trials", str(study), "--to", str(tmp_path / "t.csv")]) == 0
    text = (tmp_path / "t.csv").read_text()
    assert "'=HYPERLINK(1)" in text and '"=HYPERLINK' not in text


@settings(max_examples=25, deadline=None)
@given(
    table=st.sampled_from(["trials", "curves", "segments", "decisions", "facts"]),
    column=st.integers(0, 11),
    value=st.one_of(
        st.none(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(max_size=9), st.binary(max_size=9)
    ),
)
def test_any_value_in_the_record_is_read_or_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, table: str, column: int, value: object
) -> None:
    folder = tmp_path_factory.mktemp("value")
    study = Path(shutil.copytree(GOLDEN / "study", folder / "study"))
    with contextlib.closing(sqlite3.connect(study / "study.db")) as connection:
        names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        with contextlib.suppress(sqlite3.Error), connection:
            connection.execute(f"UPDATE OR IGNORE {table} SET {names[column % len(names)]} = ?", (value,))
    for words in (["status"], ["trials"], ["trials", "--curves"]):
        assert run([words[0], str(study), *words[1:]]) in (0, 2)
    shutil.rmtree(folder)


def test_a_running_sweep_listens_on_this_machine_alone(sweep: Sweep) -> None:
    """Ray would listen on every interface, and whoever reaches its ports can run code."""
    study = sweep(stack_size=16)
    assert len(load_trials(study)) and len(load_curves(study))
    addresses = set()
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            addresses |= {c.laddr.ip for c in process.net_connections("inet") if c.status == psutil.CONN_LISTEN}
    assert addresses, "Ray is running"
    assert addresses <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
