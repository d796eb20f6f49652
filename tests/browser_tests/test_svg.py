"""Figures as SVG, drawn by a real browser."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from results.page.files import write_report
from results.paper.report import build_report
from tests.browser_tests.conftest import CHROMIUM

pytestmark = pytest.mark.browser
SEARCH = {
    *("every-configuration", "all-learning-curves", "rungs", "importance", "main-effects"),
    *("the-two-strongest-together", "agreement-with-the-last-epoch", "ablation", "workers", "best-so-far"),
}


def texts_of(picture: Path) -> set[str]:
    """All words that stand in a picture; it must be one."""
    root = ElementTree.parse(picture).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg" and root.attrib["width"] == "1000"
    found = root.iter("{http://www.w3.org/2000/svg}text")
    return {" ".join("".join(text.itertext()).split()) for text in found}


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> None:
    if CHROMIUM is None:
        pytest.skip("no chromium is installed")
    monkeypatch.setenv("BROWSER_PATH", CHROMIUM)


@pytest.mark.usefixtures("browser")
def test_every_figure_of_a_report_is_a_picture_too(studies: dict[str, list[Path]], tmp_path: Path) -> None:
    plain = write_report(build_report(studies["exhaustive"]), tmp_path / "plain")
    written = write_report(build_report(studies["exhaustive"]), tmp_path / "svg", svg=True)
    pictures = {path.stem: path for path in written if path.suffix == ".svg"}
    assert len(written) == len(plain) + len(pictures)
    assert set(pictures) == SEARCH
    assert {"optimizer", "Importance"} <= texts_of(pictures["importance"])
    assert {"validation accuracy", "epoch", "All learning curves"} <= texts_of(pictures["all-learning-curves"])


@pytest.mark.usefixtures("browser")
def test_stages_have_pictures_too_and_whatever_a_study_is_called(
    studies: dict[str, list[Path]], tmp_path: Path
) -> None:
    for kind, wanted in (("run", "transfer.svg"), ("hostile", "importance.svg")):
        written = write_report(build_report(studies[kind]), tmp_path / kind, svg=True)
        names = [path.name for path in written if path.suffix == ".svg"]
        assert wanted in names and len(set(names)) == len(names)
        assert all(re.fullmatch(r"[\w.-]+\.svg", name) for name in names)
        for path in written:
            if path.suffix == ".svg":
                texts_of(path)
