"""Make the picture of the study page in the README of `results`: ``python -m tests.pictures``.

A sweep of the embedded synthetic tracks, its report, and a WebP of the top of the page from Debian's Chromium.
"""

from __future__ import annotations

import base64
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "results" / "study_page.webp"
_SIZE = {"width": 1200, "height": 1180}
_QUALITY = 70


def picture_of(page: Path) -> bytes:
    """Return the top of a page as WebP, which Playwright itself does not write, but Chromium does."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        tab = browser.new_page(viewport=_SIZE, color_scheme="light")
        tab.goto(page.resolve().as_uri())
        tab.wait_for_selector(".js-plotly-plot .main-svg")
        tab.wait_for_timeout(1_000)
        session = tab.context.new_cdp_session(tab)
        shot = session.send("Page.captureScreenshot", {"format": "webp", "quality": _QUALITY})
        browser.close()
    return base64.b64decode(shot["data"])


def main() -> None:
    """Sweep, write the report, and keep its picture."""
    with tempfile.TemporaryDirectory() as folder:
        study, report = Path(folder) / "first", Path(folder) / "report"
        for words in (["sweep", "--quiet", "--out", str(study)], ["report", str(study), "--to", str(report)]):
            subprocess.run([sys.executable, "-m", "search.cli", *words], check=True, stdout=subprocess.DEVNULL)
        PICTURE.write_bytes(picture_of(report / "report.html"))
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
