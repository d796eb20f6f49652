"""The files of the study page: its own script, style and template, and the libraries of others."""

from __future__ import annotations

from importlib.resources import files

LIBRARIES = ("plotly.js", "datatables.js", "datatables.css")
"""Scripts and styles of others that the page needs."""
SCRIPTS = ("explorer.js", "app.js")
"""The page's own script, in the order in which its files make one module; it imports ``datatables``."""


def script() -> str:
    """Return the page's own script."""
    return "".join(own_file(name) for name in SCRIPTS)


def own_file(name: str) -> str:
    """Return a file of the page's own: one of `SCRIPTS`, ``style.css`` or ``template.html``."""
    return files("results.page").joinpath(name).read_text(encoding="utf-8")


def library(name: str) -> str:
    """Return one of `LIBRARIES`, from the Python package that brings it.

    ``datatables.js`` is a module whose default export is ``DataTable``.
    """
    if name == "plotly.js":
        from plotly.offline import get_plotlyjs

        return str(get_plotlyjs())
    return files("itables").joinpath("html", f"dt_bundle.{name.rpartition('.')[2]}").read_text(encoding="utf-8")
