"""The house: which room and which wing may import which, who may touch Ray and Typer, and what lies at the top."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Container, Iterator
from graphlib import CycleError, TopologicalSorter
from itertools import takewhile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = {
    "data": set(),
    "spaces": set(),
    "trainables": {"data", "spaces"},
    "results": {"data", "spaces"},
    "search": {"data", "spaces", "trainables", "results"},
}
"""What each may import beside itself."""
WINGS = {
    "search": (
        "cli",
        "dashboard",
        "studies",
        "suggestions",
        "cluster",
        "replay",
        "scheduling",
        "planning",
        "snapshots",
    ),
    "results": ("page", "paper", "pictures", "analysis", "handover", "rendering", "dataframes", "record", "judging"),
    "trainables": ("", "stack", "kernels"),
    "data": ("inputs", "titles", "tables", "machine", ""),
}
"""From the roof to the ground: a wing imports itself and those after it. "" stands for the room's own modules."""
ROOF = ("data/feature_store.py",)
"""Modules of a room itself that may import all its wings."""
GROUND = {"trainables.mlp"}
"""Modules of a room that every wing of it may import."""
ERRORS = "data.errors"
"""The one module that even ``spaces`` may import."""
HOMES = {
    "ray": ("search/cluster/", "trainables/sweep_trainable.py", "data/feature_store.py"),
    "typer": ("search/cli/",),
    "rich": ("search/cli/",),
    "optuna": ("search/suggestions/", "results/handover/", "results/analysis/"),
    "numba": ("trainables/kernels/",),
    "starlette": ("search/dashboard/",),
    "uvicorn": ("search/dashboard/",),
    "kaleido": ("results/rendering/",),
}
"""The only places in which a library is imported."""
SQL = ("results/record/", "data/titles/embedding_cache.py")
"""The only places that hold SQL: the record of a study, and the cache of the titles' embeddings."""
STATEMENT = r"(?i)\s*(select\s.+\sfrom|insert\s.*into|delete\s+from|update\s+\w+\s+set|create\s+table|pragma)\s"
"""The beginning of a statement in SQL, as a pattern."""
OF_ANYTHING = r"(?<!\.)\b(dict|Mapping)(\[str, Any\]|(?![\w.\[]))"
"""A type that says nothing of its keys and values, as a pattern; ``options.Mapping`` is another name."""
IN_JSON = r"\b(to_json|as_json|(to|from)_mapping|(\w+_)?from_json)$"
"""Names of functions that write plain values or read them, as a pattern."""
UNTYPED = {
    **dict.fromkeys(
        [f"trainables/sweep_trainable.py: SegmentTrainable.{part}" for part in ("setup", "reset_config", "step")]
        + ["trainables/sweep_trainable.py: SegmentTrainable.load_checkpoint"],
        "Ray's Trainable",
    ),
    "search/cluster/tune_bridge.py: SegmentSearcher.suggest": "Ray's Searcher",
    "search/cluster/tune_bridge.py: SegmentSearcher.on_trial_complete": "Ray's Searcher",
    "search/cluster/placement.py: Node": "as Ray describes a node",
    "search/suggestions/optuna_space.py: OptunaSpace.parameters": "parameters as Optuna holds them",
    "search/suggestions/optuna_space.py: Samplers.seeded": "parameters as Optuna holds them",
    "search/suggestions/optuna_space.py: shared_trial": "parameters as Optuna holds them",
    "spaces/toml.py: read_parameters": "a table of TOML, which is to be checked",
    "data/tables/synthetic.py: load_twin": "JSON, which only its own wing reads",
    "data/tables/synthetic_fit.py: fit_twin": "JSON, which only its own wing reads",
    "results/page/payload.py: Figure.figure": "JSON, as Plotly reads it",
    "results/page/nodes.py: Node": "elements as the page's script takes them",
    "results/page/views.py: Column.options": "options of DataTables, which are JSON",
    "results/rendering/exports.py: records_of": "rows of JSON",
    "search/scheduling/events.py: StudyStarted.progress": "JSON for --json-events",
    "search/scheduling/events.py: StudyFinished.result": "JSON for --json-events",
    "search/cli/console.py: frames_json": "JSON for --json",
    "search/cli/texts/status.py: study_summary": "JSON for --json",
    "search/cli/texts/status.py: summary_lines": "JSON for --json",
    "search/planning/settings.py: study_settings": "settings by their names, which are to be checked",
    "search/planning/settings.py: whole_settings": "settings by their names, which are to be checked",
    "search/studies/pipeline.py: run_study": "settings by their names, which are to be checked",
    "search/studies/sweep.py: run_sweep": "settings by their names, which are to be checked",
}
"""Public names that take or give a dict of anything, each with its reason."""
MOST_FILES = 14
"""That a folder of the house may hold: more cannot be taken in at a glance."""
TOP = {"search", "trainables", "spaces", "data", "results", "tests", "findings"} | {
    *("cluster.yaml", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"),
}
COPIED = "trainables/kernels/"
"""Imported from a copy elsewhere, its modules beside each other."""
HEAVY = ("ray", "torch", "sentence_transformers", "xgboost", "plotly", "matplotlib", "optuna")
FILES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
FOLDERS = sorted({path.parent for path in FILES})


def imports(path: Path) -> Iterator[str]:
    """Full names of all that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 or name(path).startswith(COPIED), f"{path}: relative import"
            room = "trainables.kernels." * node.level
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


@pytest.mark.parametrize("path", [path for path in FILES if path.name != "__init__.py"], ids=name)
def test_wings_import_only_those_below(path: Path) -> None:
    room, *inner = Path(name(path)).with_suffix("").parts
    wings = WINGS.get(room, ())
    if not wings or name(path) in ROOF:
        return
    own = inner[0] if len(inner) > 1 else ""
    above = set(takewhile(lambda wing: wing != own, wings))
    for module in imports(path):
        if module.startswith(f"{room}.") and module.rpartition(".")[0] not in GROUND | {room}:
            wing = wing_of(module, wings)
            assert wing not in above, f"{name(path)}, of {own or room!r}, imports {module}, of {wing or room!r}"


def wing_of(module: str, wings: Container[str]) -> str:
    """The wing in which an imported name lies; "" for a module of the room itself."""
    second = module.split(".")[1]
    return second if second in wings else ""


@pytest.mark.parametrize("room", WINGS)
def test_the_list_of_wings_is_that_of_the_folders(room: str) -> None:
    found = {path.relative_to(ROOT / room).parts[0] for path in FOLDERS if path.parent == ROOT / room}
    assert found == {*WINGS[room]} - {""}


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
def test_libraries_have_homes(path: Path) -> None:
    found = {module.split(".")[0] for module in imports(path)}
    for library, homes in HOMES.items():
        assert library not in found or name(path).startswith(homes), f"{name(path)} imports {library}"


@pytest.mark.parametrize("path", FILES, ids=name)
def test_sql_stands_in_the_record_alone(path: Path) -> None:
    if not name(path).startswith(SQL):
        assert "sqlite3" not in set(imports(path)), f"{name(path)} imports sqlite3"
        found = [text for text in strings(path) if re.match(STATEMENT, text)]
        assert not found, f"{name(path)} holds SQL: {found[0]!r}"


@pytest.mark.parametrize(
    ("text", "is_sql"),
    [("SELECT a FROM b", True), ("  insert or replace into t values", True), ("update the record", False)],
)
def test_sql_is_told_from_prose(text: str, is_sql: bool) -> None:
    assert bool(re.match(STATEMENT, text)) == is_sql


def strings(path: Path) -> Iterator[str]:
    """All texts written in a file, the fixed parts of f-strings too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_a_folder_can_be_taken_in_at_a_glance(folder: Path) -> None:
    assert len(list(folder.glob("*.py"))) <= MOST_FILES


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_a_folder_says_what_it_is(folder: Path) -> None:
    assert folder.name == "data" or ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))


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
        ("import data.tables.tracks, data.inputs.features, data.inputs.splits", HEAVY),
        ("from results import load_trials, load_curves, Study", HEAVY),
        ("import search, search.cli.main", HEAVY),
        ("import search.cli.progress.watch", (*HEAVY, "numpy", "pandas", "pyarrow")),
        ("import trainables.training", ("ray", "sentence_transformers", "xgboost", "plotly")),
    ],
)
def test_what_is_light_stays_light(code: str, heavy: tuple[str, ...]) -> None:
    """Reading a study and ``--help`` take no seconds of imports."""
    probe = f"{code}\nimport sys\nprint(*[name for name in {heavy!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.split() == []


def untyped(path: Path) -> Iterator[str]:
    """All public functions, methods, fields and names for types of a file that take or give a dict of anything."""
    for where, annotation in _annotations(ast.parse(path.read_text(encoding="utf-8")).body):
        if re.search(OF_ANYTHING, annotation) and not re.search(IN_JSON, where):
            yield f"{name(path)}: {where}"


def _annotations(body: list[ast.stmt], within: str = "") -> Iterator[tuple[str, str]]:
    for node in body:
        if isinstance(node, ast.If | ast.Try | ast.With):
            yield from _annotations(node.body, within)
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _annotations(node.body, f"{within}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            given = [node.returns, *(part.annotation for part in ast.walk(node.args) if isinstance(part, ast.arg))]
            yield from ((within + node.name, ast.unparse(annotation)) for annotation in given if annotation)
            if node.args.kwarg:
                yield within + node.name, f"dict[str, {ast.unparse(node.args.kwarg.annotation or ast.Name('Any'))}]"
        elif isinstance(node, ast.AnnAssign) and not ast.unparse(node.target).startswith("_"):
            yield within + ast.unparse(node.target), ast.unparse(node.annotation)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript | ast.BinOp):
            target = ast.unparse(node.targets[0])
            yield from [(within + target, ast.unparse(node.value))] if not target.startswith("_") else []


def test_records_are_typed() -> None:
    """No public name takes or gives a dict of anything, but for those that are listed with their reason."""
    assert {found for path in FILES for found in untyped(path)} == UNTYPED.keys()


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("def f(a: dict[str, Any] | None) -> int: ...", 1),
        ("def f(**settings: Any): ...", 1),
        ("class A:\n    facts: Mapping[str, Any]\n    def f(self) -> list[dict]: ...", 2),
        ("Facts = Mapping[str, Any]", 1),
        ("def _f(a: dict) -> None: ...\nclass _A:\n    facts: dict", 0),
        ("def to_json(self) -> dict[str, Any]: ...\ndef scaler_from_json(a: dict): ...", 0),
        ("def f(a: dict[str, int], **b: float) -> Mapping[str, float]: ...", 0),
    ],
)
def test_dicts_of_anything_are_found(text: str, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "module.py").write_text(text)
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    assert len(list(untyped(tmp_path / "module.py"))) == count
