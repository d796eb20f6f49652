"""Figures as SVG, drawn by the Chromium of this machine.

Kaleido, an optional library, drives the browser that it finds: the one that the variable ``BROWSER_PATH`` names, or a
Chromium or Chrome in ``PATH``. Nothing is downloaded, and the browser fetches nothing.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import plotly.graph_objects as go

_WIDTH = 1000
"""Width of a picture in pixels; its height is the figure's."""


class NoPicturesError(Exception):
    """A failure to draw pictures on this machine; the message is one line that says what is missing."""


def svg_pictures(figures: Mapping[str, go.Figure]) -> dict[str, bytes]:
    """Return SVG files of figures by their names, all drawn in one session of the browser.

    Raises ``NoPicturesError`` where Kaleido or a browser is missing, or the browser fails.
    """
    if not figures:
        return {}
    try:
        import kaleido
    except ImportError as error:
        fix = "pip install -c .ci/constraints.txt -e '.[svg]'"
        raise NoPicturesError(f"no figures as SVG: they need Kaleido. Fix: {fix}") from error
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder) / f"{place}.svg" for place, name in enumerate(figures)}
        asked = [
            {"fig": figures[name], "path": path, "opts": {"format": "svg", "width": _WIDTH}}
            for name, path in paths.items()
        ]
        # it warns of every browser that ends before it has asked whether it has
        logging.getLogger("choreographer").setLevel(logging.ERROR)
        try:
            # MathJax would be fetched from the network, and no figure has formulas
            kaleido.write_fig_from_object_sync(asked, cancel_on_error=True, kopts={"mathjax": False})
        except Exception as error:  # of Kaleido, of the library that finds the browser, or of the browser itself
            fix = "Fix: install chromium, or name a browser in BROWSER_PATH"
            raise NoPicturesError(f"no figures as SVG: {_first_sentence(error)}. {fix}") from error
        return {name: path.read_bytes() for name, path in paths.items()}


def _first_sentence(error: Exception) -> str:
    """Return what an error says first: the rest is advice to download a browser."""
    said = str(error.args[0]) if error.args else type(error).__name__
    return said.partition("\n")[0].partition(". ")[0].rstrip(". ")
