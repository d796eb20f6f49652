from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from search import environment
from search.cluster import stage_code
from search.environment import PACKAGES, settle, unsettle

ROOT = Path(__file__).resolve().parents[2]


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
    assert not list(tmp_path.rglob("__pycache__"))
    assert (tmp_path / "data" / "synthetic_twin.json").is_file()


def test_a_cluster_that_is_joined_decides_itself_whether_it_asks_for_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what was set for a Ray on this machine is taken back, and set again afterwards."""
    ours = environment._ON_THIS_MACHINE
    monkeypatch.setattr(environment, "_settled", {})
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    for name in ours:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAY_prestart_worker_first_driver", "1")
    users = {"RAY_prestart_worker_first_driver": "1"}

    def present() -> dict[str, str]:
        return {name: os.environ[name] for name in ours if name in os.environ}

    settle()
    assert present() == {**ours, **users}
    unsettle()
    assert present() == users
    settle()
    assert present() == {**ours, **users}
