"""The house: which room may import which, who may touch Ray, and what lies at the top."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Container, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = {
    "data": set(),
    "spaces": set(),
    "trainables": {"data", "spaces"},
    "results": {"data", "spaces", "trainables"},
    "search": {"data", "spaces", "trainables", "results"},
}
"""What each may import beside itself."""
ERRORS = "data.errors"
"""The one module that even ``spaces`` may import."""
MAY_IMPORT_RAY = ("search/", "trainables/sweep_trainable.py", "data/store.py")
TOP = {"search", "trainables", "spaces", "data", "results", "tests", "findings"} | {
    *("cluster.yaml", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"),
}
COPIED = tuple(
    f"trainables/{name}.py" for name in ("hidden_layers", "kernels", "products", "softmax", "twister", "vectors")
)
"""Imported from a copy elsewhere, beside each other."""
HEAVY = ("ray", "torch", "sentence_transformers", "xgboost", "plotly", "matplotlib", "optuna")
FILES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Full names of all that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 or name(path) in COPIED, f"{path}: relative import"
            room = f"{path.parent.name}." * node.level
            yield from (f"{room}{node.module}.{alias.name}" for alias in node.names)


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_there_are_files_to_read() -> None:
    assert {path.parts[0] for path in map(Path, map(name, FILES))} == set(ROOMS)


@pytest.mark.parametrize("path", FILES, ids=name)
def test_imports_run_one_way(path: Path) -> None:
    room = name(path).split("/")[0]
    for module in imports(path):
        other = module.split(".")[0]
        assert other != "tests", f"{name(path)} imports {module}"
        if other in ROOMS and other != room and not module.startswith(ERRORS):
            assert other in ROOMS[room], f"{name(path)} imports {module}"


def test_no_two_modules_import_each_other() -> None:
    """Nor in a longer circle; imports for types alone, and those within functions, count too."""
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in FILES}
    graph = {
        module: {other for imported in imports(path) for other in _within(imported, modules)} - {module}
        for module, path in modules.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def _within(imported: str, modules: Container[str]) -> list[str]:
    """The module that an import names: ``a.b`` of ``from a import b``, of ``from a.b import c``, of ``import a.b``."""
    return [module for module in (imported, imported.rpartition(".")[0]) if module in modules][:1]


@pytest.mark.parametrize("path", FILES, ids=name)
def test_only_few_import_ray(path: Path) -> None:
    if not name(path).startswith(MAY_IMPORT_RAY):
        assert "ray" not in {module.split(".")[0] for module in imports(path)}


def test_the_top_level_holds_what_it_should() -> None:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    found = {line.split("/")[0] for line in listed.stdout.splitlines() if (ROOT / line).exists()}
    assert {entry for entry in found if not entry.startswith(".")} <= TOP


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        ("import data, spaces", HEAVY),
        ("import data.tracks, data.features, data.splits", HEAVY),
        ("from results import load_trials, load_curves, Study", HEAVY),
        ("import search, search.cli", HEAVY),
        ("import trainables.training", ("ray", "sentence_transformers", "xgboost", "plotly")),
    ],
)
def test_what_is_light_stays_light(code: str, heavy: tuple[str, ...]) -> None:
    """Reading a study and ``--help`` take no seconds of imports."""
    probe = f"{code}\nimport sys\nprint(*[name for name in {heavy!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.split() == []
