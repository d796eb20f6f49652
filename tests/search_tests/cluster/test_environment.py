from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from search.cluster.connection import stage_code
from search.cluster.environment import PACKAGES, settle, settle_access

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("name", ["data.py", "spaces/__init__.py"])
def test_what_hides_a_package_is_named(tmp_path: Path, name: str) -> None:
    hiding = tmp_path / name
    hiding.parent.mkdir(exist_ok=True)
    hiding.write_text("")
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]; import search"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert ended.returncode == 1
    assert f"is hidden by {hiding}" in ended.stderr
    assert "rename that" in ended.stderr


def test_workers_get_the_packages_and_nothing_else(tmp_path: Path) -> None:
    stage_code(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(PACKAGES)
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".py", ".pyi", ".json"}
    assert (tmp_path / "data" / "tables" / "synthetic_twin.json").is_file()


def _in_a_process_of_its_own(code: str, **variables: str) -> str:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "TUNE_"))}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=plain | variables, capture_output=True, text=True, check=True).stdout.strip()


def test_importing_us_sets_no_variable() -> None:
    code = "import os; before = dict(os.environ); import search, search.cli.main; print(dict(os.environ) == before)"
    assert _in_a_process_of_its_own(code) == "True"


@pytest.mark.parametrize("first", ["import ray", "pass"])
@pytest.mark.parametrize(
    ("variables", "open_to_all"), [({}, False), ({"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1"}, True)]
)
def test_a_ray_of_ours_listens_on_loopback_though_ray_was_imported_before(
    first: str, variables: dict[str, str], open_to_all: bool
) -> None:
    code = f"{first}; from search.cluster.environment import settle; settle(); from ray._private import ray_constants"
    said = _in_a_process_of_its_own(f"{code}; print(ray_constants.ENABLE_RAY_CLUSTER)", **variables)
    assert said == str(open_to_all)


def test_tune_reads_as_many_pending_trials_as_we_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the start of a run, from the variable that `settle` sets."""
    from ray.tune.execution.tune_controller import _get_max_pending_trials

    monkeypatch.delenv("TUNE_MAX_PENDING_TRIALS_PG", raising=False)
    settle()
    assert _get_max_pending_trials(object()) == 1_000_000  # type: ignore[arg-type]


@pytest.mark.parametrize("address", ["local", "auto", "127.0.0.1:6379"])
def test_a_ray_on_this_machine_has_a_token_and_a_cluster_its_own_ways(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    settle_access(address)
    assert "RAY_AUTH_MODE" not in os.environ
    assert len(os.environ.get("RAY_AUTH_TOKEN", "")) == (64 if address == "local" else 0)
