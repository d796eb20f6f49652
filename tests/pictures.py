"""Make the pictures in the READMEs of `results` and `search`: ``python -m tests.pictures``.

A sweep of the embedded synthetic tracks; its progress half-way and its best trials, as a terminal shows them; its
report's top. Both are WebP from Debian's Chromium.
"""

from __future__ import annotations

import base64
import io
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.text import Text

from data.errors import InputError
from search.cli.progress.live import Panel
from search.cli.progress.watch import title
from search.scheduling.study_view import StudyView, view_study

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "results" / "study_page.webp"
TERMINAL = ROOT / "search" / "terminal.webp"
_PAGE_SIZE, _TERMINAL_SIZE = (1200, 1180), (1200, 488)
_QUALITY = 70
_COLUMNS = 112
_HALF_WAY = 0.6
"""Share of the plan's epochs after which the progress is drawn."""


def picture_of(page: Path, size: tuple[int, int], shown: str) -> bytes:
    """Return the top of a page as WebP, which Playwright itself does not write, but Chromium does."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme="light")
        tab.goto(page.resolve().as_uri())
        tab.wait_for_selector(shown)
        tab.wait_for_timeout(1_000)
        session = tab.context.new_cdp_session(tab)
        shot = session.send("Page.captureScreenshot", {"format": "webp", "quality": _QUALITY})
        browser.close()
    return base64.b64decode(shot["data"])


def command(*words: str) -> list[str]:
    """Return the command line of genresweep as this Python runs it."""
    return [sys.executable, "-m", "search.cli", *words]


def swept(study: Path) -> StudyView:
    """Run a sweep, and return how far it was half-way, seen from outside as ``genresweep watch`` sees it."""
    seen: StudyView | None = None
    with subprocess.Popen(command("sweep", "--quiet", "--out", str(study)), stdout=subprocess.DEVNULL) as sweep:
        while sweep.poll() is None:
            time.sleep(0.1)
            try:
                view = view_study(study)
            except InputError:  # it is not there yet
                continue
            if seen is None and view.progress.done >= _HALF_WAY * view.progress.total:
                seen = view
    if sweep.returncode or seen is None:
        raise SystemExit(f"the sweep ended with code {sweep.returncode}, or before anybody saw it half-way")
    return seen


def terminal_of(view: StudyView, study: Path) -> str:
    """Return a page with the progress, and the best trials with their curves, as a terminal shows them."""
    console = Console(record=True, width=_COLUMNS, file=io.StringIO(), force_terminal=True)
    panel = Panel()
    panel.begin("runs/first", view.progress)
    panel.retitle(title(view).replace(str(study), "runs/first"))
    console.print("$ genresweep watch runs/first", highlight=False)
    console.print(panel)
    shown = subprocess.run(command("trials", str(study), "--top", "8"), check=True, capture_output=True, text=True)
    console.print("\n$ genresweep trials runs/first --top 8", highlight=False)
    console.print(Text(shown.stdout.replace(str(study), "runs/first")))
    return f"<body style='margin: 0'>{console.export_svg(title='genresweep')}</body>"


def main() -> None:
    """Sweep, write the report, and keep both pictures."""
    with tempfile.TemporaryDirectory() as folder:
        study, report, terminal = (Path(folder) / name for name in ("first", "report", "terminal.html"))
        terminal.write_text(terminal_of(swept(study), study), encoding="utf-8")
        words = command("report", str(study), "--to", str(report))
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        PAGE.write_bytes(picture_of(report / "report.html", _PAGE_SIZE, ".js-plotly-plot .main-svg"))
        TERMINAL.write_bytes(picture_of(terminal, _TERMINAL_SIZE, "svg"))
    for picture in (PAGE, TERMINAL):
        print(f"{picture.relative_to(ROOT)}: {picture.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
