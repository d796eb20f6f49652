from __future__ import annotations

import sys
from pathlib import Path

import pytest

from data.errors import InputWarning
from results.page.context import Context
from results.page.figures import search_figures
from results.page.files import write_report
from results.page.sections import page_of
from results.paper.report import build_report
from search.cli.main import run
from tests.support.made_studies import made_study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_study(tmp_path_factory.mktemp("studies") / "first", count=12)


def test_the_search_has_a_page_of_figures(study: Path, tmp_path: Path) -> None:
    written = write_report(build_report([study]), tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in written if path.parent.name == "figures"] == [
        "figures/search.html"
    ]
    text = (tmp_path / "figures" / "search.html").read_text()
    for heading in ("Every configuration", "All learning curves", "Importance", "Workers", "Best so far"):
        assert f"<h2>{heading}</h2>" in text


def test_figures_of_several_studies_have_names_of_their_own(tmp_path: Path) -> None:
    studies = [made_study(tmp_path / f"seed {seed}", count=12, seed=seed) for seed in (1, 2)]
    context = Context.read(studies)
    names = [one.name for one in search_figures(context, page_of(context))]
    assert {"every-configuration", "rungs-seed-1", "rungs-seed-2"} <= set(names)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("missing", ["browser", "library"])
def test_without_a_browser_a_line_says_so_and_the_rest_is_written(
    study: Path, missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if missing == "browser":
        pytest.importorskip("kaleido")
        monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "none"))
    else:
        monkeypatch.setitem(sys.modules, "kaleido", None)
    with pytest.warns(InputWarning) as said:
        written = write_report(build_report([study]), tmp_path, svg=True)
    (line,) = [str(warning.message) for warning in said]
    assert line.startswith("no figures as SVG: ") and "Fix: " in line and "\n" not in line
    assert tmp_path / "figures" / "search.html" in written
    assert not list(tmp_path.rglob("*.svg"))


def test_the_command_asks_for_pictures_only_where_it_is_told_to(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "kaleido", None)
    for words, lines in (([], 0), (["--svg"], 1)):
        assert run(["report", str(study), "--to", str(tmp_path), *words]) == 0
        assert capsys.readouterr().err.count("no figures as SVG") == lines
