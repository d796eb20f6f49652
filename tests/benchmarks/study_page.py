"""Time the study page of many made configurations: processor seconds to make it, seconds until a browser shows it."""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

from results.page.context import Context
from results.page.page import frozen_page
from results.page.sections import SECTIONS, page_of, section_of
from spaces import load_space
from tests.support.made_studies import made_study


def main() -> None:
    """Print the times and the size of the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configurations", type=int, default=10_000)
    count = parser.parse_args().configurations
    with tempfile.TemporaryDirectory() as folder:
        study = made_study(Path(folder) / "s", load_space("wide"), count=count, stopping=True)
        page_of(Context.read([made_study(Path(folder) / "warm", count=5)]))  # imports
        began = time.process_time()
        context = Context.read([study])
        (kind,) = [kind for kind in SECTIONS if kind.id == "configurations"]
        section_of(kind, context)
        views = time.process_time() - began
        file = Path(folder) / "report.html"
        file.write_text(frozen_page(page_of(context)), encoding="utf-8")
        print(f"views {views:.1f} s CPU, file {file.stat().st_size / 1e6:.1f} MB, shown after {shown(file):.1f} s")


def shown(file: Path) -> float:
    """Return the seconds until Chromium shows the three views of a page, with a table that can be used."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page, began = browser.new_page(), time.monotonic()
        page.goto(file.as_uri(), wait_until="commit")
        page.wait_for_selector(".explorer[data-rows] .trials tbody tr", timeout=300_000)
        page.evaluate("new Promise((painted) => requestAnimationFrame(() => setTimeout(painted)))")
        return time.monotonic() - began


if __name__ == "__main__":
    main()
