"""The study page in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from results import load_trials
from results.pictures.configurations import Configurations
from tests.browser_tests.conftest import HOSTILE, Opened

pytestmark = pytest.mark.browser
Visit = Callable[..., Opened]
KINDS = ["exhaustive", "wide", "run", "three", "interrupted", "hostile"]
ROWS = {"exhaustive": 192, "wide": 60, "run": 2, "three": 576, "interrupted": 192, "hostile": 5}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [1280, 390])
def test_a_page_of_every_kind_opens(visit: Visit, kind: str, width: int) -> None:
    found = visit(kind, width)
    assert found.page.evaluate("document.documentElement.scrollWidth") <= width
    assert found.page.locator(".explorer").get_attribute("data-rows") == str(ROWS[kind])
    assert found.page.evaluate("document.querySelectorAll('section h2').length") >= 3


def test_a_brush_leaves_the_same_rows_in_all_three_views(visit: Visit, studies: dict[str, list[Path]]) -> None:
    found, (study,) = visit("exhaustive"), studies["exhaustive"]
    assert len(found.rows("parallel")) == len(found.rows("curves")) == 192
    found.pick("optimizer", 0, 2)
    found.pick("dropout", 0, 2)
    trials = load_trials(study)
    wanted = trials[(trials["optimizer"] == "adam") & (trials["dropout"] == 0.3)]["config_id"]
    ids = Configurations.read(study).trials["config_id"]
    for view in ("parallel", "curves"):
        assert {ids[row] for row in found.rows(view)} == set(wanted)
    found.page.select_option("select.dt-input", "100")
    shown = found.page.locator(".trials tbody tr").all_inner_texts()
    assert {text.split()[-1] for text in shown} == set(wanted) and len(shown) == 48
    assert found.page.locator(".chips button").all_inner_texts() == [
        "optimizer = adam ✕",
        "dropout = 0.3 ✕",
        "all filters ✕",
    ]
    found.page.get_by_label("Remove the filter optimizer = adam").click()
    assert len(found.rows("curves")) == 96
    found.page.get_by_label("Remove the filter all filters").click()
    assert len(found.rows("parallel")) == 192


def test_a_drag_over_numbers_keeps_those_between(visit: Visit, studies: dict[str, list[Path]]) -> None:
    found = visit("wide")
    axis = found.axis("learning_rate")
    axis.scroll_into_view_if_needed()
    box = axis.bounding_box()
    x = box["x"] + box["width"] / 2
    found.page.mouse.move(x, box["y"] + box["height"] * 0.5)
    found.page.mouse.down()
    found.page.mouse.move(x, box["y"] + box["height"] * 0.4)
    found.page.mouse.move(x, box["y"] - 30)
    found.page.mouse.up()
    trials = Configurations.read(studies["wide"][0]).trials
    wanted = [row for row, rate in enumerate(trials["learning_rate"]) if rate >= 1e-3]
    assert found.rows("parallel") == found.rows("curves") == wanted
    found.pick("momentum", 0, 1)  # a click on an axis of numbers clears it, and it has no brush
    assert found.rows("parallel") == wanted


def test_a_box_over_the_curves_keeps_those_through_it(visit: Visit) -> None:
    found = visit("exhaustive")
    chart = found.page.locator(".curves")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    found.page.mouse.move(box["x"] + box["width"] - 60, box["y"] + 40)
    found.page.mouse.down()
    found.page.mouse.move(box["x"] + box["width"] - 5, box["y"] + 5)
    found.page.mouse.up()
    left = found.rows("curves")
    assert 0 < len(left) < 192 and left == list(range(len(left)))  # rows are in the order of their accuracy
    assert found.rows("parallel") == left


def test_the_keyboard_filters_too(visit: Visit) -> None:
    found = visit("exhaustive")
    found.axis("hidden_layers").focus()
    found.page.keyboard.press("ArrowUp")
    assert found.page.locator(".explorer").get_attribute("data-rows") == "64"
    found.page.keyboard.press("ArrowUp")
    assert found.page.locator(".chips button").first.inner_text().startswith("hidden_layers = ")
    found.page.keyboard.press("Escape")
    assert found.page.locator(".explorer").get_attribute("data-rows") == "192"


def test_what_is_pointed_at_lights_up_everywhere(visit: Visit) -> None:
    found = visit("exhaustive")
    found.page.locator(".trials tbody tr").nth(3).hover()
    assert found.page.locator(".explorer").get_attribute("data-lit") == "3"
    for view in ("parallel", "curves"):
        assert found.page.locator(f".{view} .over > svg path").get_attribute("d").startswith("M")
    chart = found.page.locator(".parallel")
    chart.scroll_into_view_if_needed()
    box = found.axis("hidden_layers").bounding_box()
    found.page.mouse.move(box["x"] + 60, box["y"] + box["height"] * 0.2)
    assert found.page.locator(".explorer").get_attribute("data-lit") != ""
    assert "val_accuracy" in found.page.locator(".tip").inner_text()


def test_the_table_sorts_and_searches_and_searching_filters_the_pictures(visit: Visit) -> None:
    found = visit("exhaustive")
    found.page.locator(".dt-search input").fill("16-16-16")
    assert len(found.rows("parallel")) == len(found.rows("curves")) == 64
    found.page.locator(".trials th", has_text="val_accuracy").click()
    found.page.locator(".trials th[aria-sort=ascending]", has_text="val_accuracy").wait_for()  # it sorts a moment later
    lowest = found.page.locator(".trials tbody tr td:nth-child(2)").all_inner_texts()
    assert lowest == sorted(lowest)
    with found.page.expect_download() as caught:
        found.page.get_by_text("Download as CSV").click()
    lines = Path(caught.value.path()).read_text().splitlines()
    assert len([line for line in lines if line]) == 65 and lines[0].startswith('"rank","val_accuracy"')


def test_a_hostile_title_stays_text(visit: Visit) -> None:
    found = visit("hostile")
    assert found.page.locator("h1").inner_text() == HOSTILE
    assert found.page.locator("img").count() == 0


@pytest.mark.parametrize("kind", KINDS[:5])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(visit: Visit, kind: str, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    found = visit(kind, scheme=scheme)
    violations = Axe().run(found.page).response["violations"]
    serious = [one for one in violations if one["impact"] in ("serious", "critical")]
    assert not serious, [(one["id"], [node["html"][:200] for node in one["nodes"]][:3]) for one in serious]


def test_the_button_changes_between_light_and_dark(visit: Visit) -> None:
    found = visit("exhaustive", scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = found.page.evaluate(ground)
    found.page.locator("#theme").click()
    assert found.page.evaluate(ground) != dark


@pytest.mark.parametrize("kind", ["exhaustive", "three"])
def test_on_paper_all_figures_stand_on_white_and_nothing_is_too_wide(visit: Visit, kind: str) -> None:
    found = visit(kind, 794, "dark")
    found.page.emulate_media(media="print")
    found.page.wait_for_function("[...document.querySelectorAll('.plot')].every((plot) => plot.data)")
    assert found.page.evaluate("document.documentElement.className") == ""
    assert found.page.evaluate("document.documentElement.scrollWidth") <= 794
    assert not any(button.is_visible() for button in found.page.locator("button").all())
    assert found.page.pdf(format="A4").startswith(b"%PDF")
