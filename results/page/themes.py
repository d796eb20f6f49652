"""The light and the dark theme of the study page: the colours of style.css as Plotly reads them."""

from __future__ import annotations

import json
import re

from results.page.assets import own_file

_COLOUR = re.compile(r"--([\w-]+): light-dark\((#\w+), (#\w+)\)")
_COLOURWAY = ("#3a7fc1", "#d95f02", "#1b9e77", "#b5679d", "#a6761d", "#7a7a7a")
_LINES = (("faint", 0.6), *((f"shade-{fifth}", 1.2) for fifth in range(5)), ("best", 3))
"""Colour and width of the lines of rows that are left out, of the fifths from the weakest on, and of the best row."""


def themes_json() -> str:
    """Return the themes as JSON: for ``light`` and ``dark`` a template of figures, and the styles of ``lines``."""
    colours = _COLOUR.findall(own_file("style.css"))
    light, dark = ({name: found[side] for name, *found in colours} for side in (0, 1))
    return json.dumps({"light": _theme(light), "dark": _theme(dark)})


def _theme(colours: dict[str, str]) -> dict[str, object]:
    axis = dict.fromkeys(("gridcolor", "zerolinecolor", "linecolor"), colours["grid"]) | {"automargin": True}
    font = {"color": colours["ink"], "family": "system-ui, sans-serif"}
    layout = {
        "font": font,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "xaxis": axis,
        "yaxis": axis,
        "hoverlabel": {"bgcolor": colours["card"], "font": font},
        "colorway": _COLOURWAY,
        "margin": {"t": 40, "r": 20, "b": 50, "l": 60},
    }
    lines = [{"color": colours[name], "width": width} for name, width in _LINES]
    return {"template": {"layout": layout}, "lines": lines}
