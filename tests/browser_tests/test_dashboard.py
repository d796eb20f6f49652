"""The dashboard in a real browser: pages that follow their studies, and say so where they cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from results.record.facts import Fact
from spaces import load_space
from tests.browser_tests.conftest import HOSTILE
from tests.support.dashboards import Dashboard
from tests.support.made_studies import made_study
from tests.support.processes import Command
from tests.support.simulated import World, create_study, paper_trials, train_in
from tests.support.small import EPOCHS, write_space, write_tracks

pytestmark = pytest.mark.browser
SECONDS = 120_000
"""Milliseconds that a busy machine may take for what takes one or two seconds on an idle one."""

LISTED = "(count) => document.querySelector('#studies h2')?.textContent.startsWith(`${count} `)"
"""Whether the list has so many studies."""


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    (tmp_path / "runs").mkdir()
    return tmp_path / "runs"


@pytest.fixture
def dashboard(runs: Path) -> Iterator[Dashboard]:
    found = Dashboard(runs)
    yield found
    found.kill()


@pytest.fixture
def visit(chromium: Any) -> Iterator[Callable[[str], Any]]:
    """Opens a page; in the end no script may have failed, and nothing but connections may have been refused."""
    problems: list[str] = []
    contexts: list[Any] = []

    def opened(url: str) -> Any:
        contexts.append(chromium.new_context(viewport={"width": 1280, "height": 900}))
        page = contexts[-1].new_page()
        page.set_default_timeout(SECONDS)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda said: said.type == "error" and _is_ours(said.text) and problems.append(said.text))
        page.on("dialog", lambda dialog: problems.append(dialog.message) or dialog.dismiss())
        page.goto(url)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not problems


def _is_ours(text: str) -> bool:
    return "Failed to load resource" not in text  # a server or a study that is away, which these tests are about


def text(page: Any, selector: str) -> Callable[[str], None]:
    """Waits until an element has a text."""

    def wait(wanted: str) -> None:
        script = "([selector, wanted]) => document.querySelector(selector)?.textContent.includes(wanted)"
        page.wait_for_function(script, arg=[selector, wanted])

    return wait


def test_the_list_leads_to_the_pages(runs: Path, dashboard: Dashboard, visit: Callable[[str], Any]) -> None:
    made_study(runs / "first", count=5)
    made_study(runs / HOSTILE, count=4)
    (runs / "damaged").mkdir()
    (runs / "damaged" / "manifest.json").write_text("{")
    page = visit(dashboard.url)
    page.wait_for_function(LISTED, arg=3)
    assert "is damaged" in page.locator("tr", has_text="damaged").inner_text()
    page.get_by_role("link", name=HOSTILE).click()
    page.wait_for_selector(".explorer[data-rows='4'] .parallel .js-plotly-plot")
    assert page.locator("h1").inner_text() == HOSTILE and page.locator("img").count() == 0
    page.get_by_role("link", name="All studies").click()
    page.wait_for_function(LISTED, arg=3)
    made_study(runs / "later", count=3)
    page.get_by_role("link", name="later").wait_for()


def test_many_configurations_are_drawn_under_the_content_policy(
    runs: Path, dashboard: Dashboard, visit: Callable[[str], Any]
) -> None:
    """Thinned, and the page says so; what a filter selects is drawn whole."""
    made_study(runs / "many", load_space("wide"), count=600)
    page = visit(f"{dashboard.url}/studies/many")
    page.wait_for_selector(".explorer[data-rows='600'] .parallel .js-plotly-plot")
    assert "600 of 600 configurations; 500 lines are drawn" in page.locator(".chips").inner_text()
    page.locator(".axis").nth(1).focus()
    page.keyboard.press("ArrowUp")
    page.wait_for_selector(".explorer:not([data-rows='600'])")
    assert "lines" not in page.locator(".chips b").inner_text()
    lines = "document.querySelector('.curves .js-plotly-plot').data.slice(1).flatMap((trace) => trace.meta).length"
    assert page.evaluate(lines) == int(page.locator(".explorer").get_attribute("data-rows") or 0)


def test_a_page_follows_its_study_and_keeps_what_was_picked(
    runs: Path, dashboard: Dashboard, visit: Callable[[str], Any]
) -> None:
    world = World()
    with create_study(runs / "s", paper_trials(8), scheduler="asha", reduction_factor=2, epochs=8) as study:
        train_in(study, world, 2)
        page = visit(f"{dashboard.url}/studies/s")
        page.wait_for_selector(".explorer[data-of='8'] .parallel .js-plotly-plot")
        text(page, "#state")("running")
        text(page, "#importance")("Drawn once the study has ended")
        page.locator(".axis").nth(1).focus()
        page.keyboard.press("ArrowUp")
        chip = page.locator(".chips button").first.inner_text()
        epochs = "document.querySelector('#outcome').textContent"
        before = page.evaluate(epochs)
        train_in(study, world, 3)
        page.wait_for_function(f"(before) => {epochs} !== before", arg=before)
        assert page.locator(".chips button").first.inner_text() == chip
        train_in(study, world)
        study.set_fact(Fact.INCUMBENT, study.trials()[0].key.config_id)
    text(page, "#state")("finished")
    page.wait_for_function("!document.querySelector('#importance').textContent.includes('Drawn once')")


def test_a_page_says_what_is_gone_and_goes_on_when_it_is_back(
    runs: Path, dashboard: Dashboard, visit: Callable[[str], Any]
) -> None:
    made_study(runs / "s", count=5)
    page = visit(f"{dashboard.url}/studies/s")
    listed = visit(dashboard.url)
    listed.wait_for_function(LISTED, arg=1)
    page.wait_for_selector(".explorer[data-rows='5']")
    (runs / "s").rename(runs.parent / "t")
    text(page, "#banner")("it was moved or deleted")
    assert page.locator("#state").inner_text() == "lost" and page.locator(".explorer").count() == 1
    listed.wait_for_function(LISTED, arg=0)
    (runs.parent / "t").rename(runs / "s")
    text(page, "#state")("finished")
    assert page.locator("#banner").is_hidden()
    dashboard.kill()
    for one in (page, listed):
        text(one, "#banner")("The dashboard does not answer")
    again = Dashboard(runs, dashboard.port)
    try:
        text(page, "#state")("finished")
        page.wait_for_selector("#banner", state="hidden")
        listed.wait_for_selector("#banner", state="hidden")
    finally:
        again.kill()


@pytest.mark.timeout(900)
def test_a_page_follows_a_real_sweep_to_its_end(
    runs: Path, dashboard: Dashboard, visit: Callable[[str], Any], tmp_path: Path
) -> None:
    data, space = write_tracks(tmp_path / "tracks.csv"), write_space(tmp_path / "space.toml")
    listed = visit(dashboard.url)
    sweep = Command(
        *("sweep", "--data", data, "--space", space, "--out", runs / "s", "--scheduler", "none"),
        *("--epochs", EPOCHS, "--stack-size", 1, "--cpus", 2, "--quiet"),
        folder=tmp_path,
    )
    try:
        listed.get_by_role("link", name="s", exact=True).click()
        text(listed, "#state")("running")
        listed.wait_for_selector(".explorer .parallel .js-plotly-plot")
        assert sweep.wait().code == 0
        text(listed, "#state")("finished")
        listed.wait_for_selector(".explorer[data-rows='12']")
    finally:
        sweep.kill_started()
