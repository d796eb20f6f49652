"""Where commands write: results to standard output, everything else to standard error."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console
from rich.segment import Segment

_CONTROLS = dict.fromkeys((n for n in (*range(32), *range(127, 160)) if chr(n) not in "\t\n"), "\ufffd")


class _Console(Console):
    """Names may hold what moves a terminal's cursor or clears its screen; it is shown as a mark."""

    def render(self, renderable: Any, options: Any = None) -> Any:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(segment.text.translate(_CONTROLS), segment.style)


OUT = _Console(soft_wrap=True, highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 120)
ERR = _Console(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False)


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
