"""The study page as one HTML file: template, style, libraries, the page's own script, and its content."""

from __future__ import annotations

import html
from base64 import b64encode

from results.page.assets import library, own_file, script
from results.page.payload import Page
from results.page.themes import themes_json


def frozen_page(page: Page) -> str:
    """Return one HTML file that works from a disk and fetches nothing."""
    bundle = b64encode(library("datatables.js").encode()).decode()
    return _filled(
        page.title,
        plotly=f"<script>{library('plotly.js')}</script>",
        datatables=f"data:text/javascript;base64,{bundle}",
        style=f"<style>{library('datatables.css')}\n{own_file('style.css')}</style>",
        app=f'<script type="module">{script()}</script>',
        payload=page.to_json(),
        live="",
        home="",
    )


def live_page(title: str, folder: str, data: str, home: str = "") -> str:
    """Return the page that a server shows: it takes its libraries from ``folder``, and its content from ``data``.

    Both are URLs. The folder holds `LIBRARIES`, ``style.css`` and ``app.js`` (see `script`); ``data`` answers with
    `Page.to_json`, and is asked again every second.
    """
    folder = html.escape(folder)
    return _filled(
        title,
        plotly=f'<script src="{folder}/plotly.js"></script>',
        datatables=f"{folder}/datatables.js",
        style="".join(f'<link rel="stylesheet" href="{folder}/{name}.css">' for name in ("datatables", "style")),
        app=f'<script type="module" src="{folder}/app.js"></script>',
        payload="null",
        live=data,
        home=f'<p class="home"><a href="{html.escape(home)}">All studies</a></p>' if home else "",
    )


def _filled(title: str, *, live: str, **parts: str) -> str:
    """Return the template with its marks replaced, each once and none within another's text."""
    texts = {"title": html.escape(title), "live": html.escape(live), "themes": themes_json(), **parts}
    pieces = own_file("template.html").split("%%")
    return "".join(texts[piece] if place % 2 else piece for place, piece in enumerate(pieces))
