"""The study page as one HTML file: template, style, libraries, the page's own script, and its content."""

from __future__ import annotations

import html
from base64 import b64encode
from importlib.resources import files

from results.page.payload import Page

LIBRARIES = ("plotly.js", "datatables.js", "datatables.css")
"""Scripts and styles of others that the page needs."""


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
    )


def live_page(title: str, folder: str, data: str) -> str:
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
    )


def _filled(title: str, *, live: str, **parts: str) -> str:
    """Return the template with its marks replaced, each once and none within another's text."""
    texts = {"title": html.escape(title), "live": html.escape(live), **parts}
    pieces = own_file("template.html").split("%%")
    return "".join(texts[piece] if place % 2 else piece for place, piece in enumerate(pieces))


def script() -> str:
    """Return the page's own script, one module of two files; it imports ``datatables``."""
    return own_file("explorer.js") + own_file("app.js")


def own_file(name: str) -> str:
    """Return a file of the page's own: one of its scripts, ``style.css`` or ``template.html``."""
    return files("results.page").joinpath(name).read_text(encoding="utf-8")


def library(name: str) -> str:
    """Return one of `LIBRARIES`, from the Python package that brings it.

    ``datatables.js`` is a module whose default export is ``DataTable``.
    """
    if name == "plotly.js":
        from plotly.offline import get_plotlyjs

        return str(get_plotlyjs())
    return files("itables").joinpath("html", f"dt_bundle.{name.rpartition('.')[2]}").read_text(encoding="utf-8")
