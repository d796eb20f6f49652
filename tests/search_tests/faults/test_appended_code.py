"""The code that fault tests append to modules wraps functions that those modules still call."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from tests.support.processes import ROOT, SLOW, SLOW_STAGE
from tests.support.saboteur import MODULES


@pytest.mark.parametrize(("word", "code"), [("worker", SLOW), ("task", SLOW_STAGE)])
def test_its_names_are_there(word: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a worker of the fault test could not even load the module, and the fault would never strike."""
    source = (ROOT / "trainables" / MODULES[word]).read_text(encoding="utf-8")
    copy = tmp_path / "appended.py"
    copy.write_text(source + code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("appended", copy)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "appended", module)
    spec.loader.exec_module(module)
    wrapped = module._sound.__name__
    assert source.count(f"{wrapped}(") >= 1
    assert getattr(module, wrapped).__module__ == "appended"
