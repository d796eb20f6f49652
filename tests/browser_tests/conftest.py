from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from results.page.files import write_report
from results.paper.report import build_report
from spaces import load_space
from tests.support.made_studies import made_study
from tests.support.staged import staged

CHROMIUM = shutil.which("chromium")
HOSTILE = "<img src=x onerror=alert(1)>"


@dataclass
class Opened:
    """A page in the browser, and what went wrong in it."""

    page: Any
    problems: list[str] = field(default_factory=list)

    def rows(self, view: str) -> list[int]:
        """The rows whose lines one of the pictures draws in colour."""
        script = f"document.querySelector('.{view} .js-plotly-plot').data.slice(1).flatMap((trace) => trace.meta)"
        return sorted(self.page.evaluate(script))

    def axis(self, name: str) -> Any:
        return self.page.locator(f'.axis[aria-label="Filter by {name}"]')

    def pick(self, name: str, level: int, levels: int) -> None:
        """Click a level of an axis, counted from below."""
        self.axis(name).scroll_into_view_if_needed()
        box = self.axis(name).bounding_box()
        height = box["height"] * (1 - (level + 0.5) / levels)
        self.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + height)


@pytest.fixture(scope="session")
def studies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """One study or several of every kind, by the name of the kind."""
    folder = tmp_path_factory.mktemp("studies")
    curves = {("transfer", name, seed): [0.3, 0.5] for name in ("transfer", "scratch") for seed in range(5)}
    scores = [("simple", "simple", 0.5, None), ("fusion", "text", 0.6, None), ("transfer", "transfer", 0.5, None)]
    curves |= {("fusion", "text", 0): [0.2, 0.4], ("simple", "simple", 0): [0.2, 0.4]}
    return {
        "exhaustive": [made_study(folder / "exhaustive")],
        "wide": [
            made_study(folder / "wide", load_space("wide"), count=60, stopping=True, search="optuna", scheduler="asha")
        ],
        "run": [staged(folder / "run", scores, curves)],
        "three": [made_study(folder / f"seed-{seed}", seed=seed, stopping=True) for seed in (1, 2, 3)],
        "interrupted": [made_study(folder / "interrupted", unfinished=70, stopping=True)],
        "hostile": [made_study(folder / HOSTILE.replace("/", "_"), count=5, data=HOSTILE)],
    }


@pytest.fixture(scope="session")
def pages(studies: dict[str, list[Path]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The page of each kind."""
    folder, found = tmp_path_factory.mktemp("pages"), {}
    for kind, directories in studies.items():
        write_report(build_report(directories), folder / kind)
        found[kind] = folder / kind / "report.html"
    return found


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no chromium is installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Any, pages: dict[str, Path]) -> Iterator[Callable[..., Opened]]:
    """Opens the page of a kind; in the end nothing may have gone wrong in any of those opened."""
    contexts, seen = [], []

    def opened(kind: str, width: int = 1280, scheme: str = "light") -> Opened:
        contexts.append(chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme))
        found = Opened(contexts[-1].new_page())
        seen.append(found)
        found.page.on("console", lambda said: found.problems.append(said.text) if _is_problem(said) else None)
        found.page.on("pageerror", lambda error: found.problems.append(str(error)))
        found.page.on("dialog", lambda dialog: found.problems.append(dialog.message) or dialog.dismiss())
        found.page.on("request", lambda asked: found.problems.append(asked.url) if _is_foreign(asked.url) else None)
        found.page.goto(pages[kind].as_uri())
        found.page.wait_for_selector(".explorer[data-rows] .parallel .js-plotly-plot")
        return found

    yield opened
    problems = [problem for found in seen for problem in found.problems]
    for context in contexts:
        context.close()
    assert not problems


def _is_problem(said: Any) -> bool:
    return said.type in ("error", "warning") or "WARN" in said.text  # Plotly warns by traces


def _is_foreign(url: str) -> bool:
    return not url.startswith(("file:", "data:", "blob:"))
