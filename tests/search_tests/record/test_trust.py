"""A study or a model that somebody hostile has made: it is read without running anything, and written within itself."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import pickle
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import InputError
from data.titles.embeddings import embed_titles
from data.titles.text_model import find_text_model
from search.cli.main import run
from tests.search_tests.conftest import Sweep
from tests.support.examples import examples
from tests.support.golden_study import write_sql
from tests.support.processes import ROOT
from trainables.checkpoint import CheckpointError, MemberSource, load_model, read_members

PACKAGES = ("data", "spaces", "trainables", "results", "search")
RUNS_CODE = {"pickle", "dill", "cloudpickle", "shelve", "marshal", "yaml"}
LOADS = {
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen", "runpy.run_path", "numpy.load", "torch.load"),
    *("torch.jit.load", "torch.hub.load", "torch.package.PackageImporter", "joblib.load", "joblib.Memory"),
    *("pandas.read_pickle", "pandas.read_hdf"),
}


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

from search.cli import main as cli
import results.dataframes.frames, results.paper.report, trainables.inference
import results.analysis.importance, results.handover.optuna_export, search.cli.texts.status
sys.addaudithook(watch)
print(json.dumps([cli.run(words) for words in json.loads(sys.argv[1])]), file=sys.stderr)
"""
"""Every unpickling of a class or a function, by whatever library, ends the process."""


@pytest.mark.slow
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


@examples(50)
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


@examples(50)
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
    write_sql(study, "INSERT INTO stages VALUES (?, 1.0, 1.0, ?)", stage, hostile)
    values = "1, 1, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 1.0"
    write_sql(study, f"INSERT INTO stage_curves VALUES (?, ?, {values})", stage, hostile)
    write_sql(
        study, "INSERT INTO stage_scores VALUES ('sweep', 'incumbent', 1, 'validation', 1, 0.5, 0.5, 0.5, 0.5, '{}')"
    )
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
    write_sql(study, "UPDATE trials SET reason = ?", f"{start}=HYPERLINK(1)")
    assert run(["trials", str(study), "--to", str(tmp_path / "t.csv")]) == 0
    text = (tmp_path / "t.csv").read_bytes().decode()
    assert f"\"'{start}=HYPERLINK(1)" in text and f'"{start}=HYPERLINK' not in text


@pytest.mark.parametrize("command", ["status", "trials"])
def test_no_name_moves_the_cursor_of_a_terminal(command: str, study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = study.rename(study.with_name("a\x1b[2J"))
    write_sql(study, "UPDATE facts SET value = ?", "\x1b[2J\x07\x9b2J\r")
    write_sql(study, "UPDATE trials SET reason = ?", "\x1b[2J\x9b2J")
    assert run([command, str(study)]) == 0
    said = capsys.readouterr()
    assert not {"\x1b", "\x07", "\x9b", "\r"} & set(said.out + said.err)
    assert "\ufffd[2J" in said.out
