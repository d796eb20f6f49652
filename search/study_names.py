"""Where a new study lies, by its name or by a directory."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from data.errors import InputError
from data.runs import RUNS

_PLAIN = re.compile(r"[^./\x00-\x1f\x7f][^/\x00-\x1f\x7f]*")


def study_directory(name: str | None, out: Path | None, kind: str) -> Path:
    """Return the directory of a new study: ``out``, or ``runs/NAME``; without either, one named by kind and time.

    Raises ``InputError`` for both at once, and for a name that ``genresweep status`` would not find in ``runs/``.
    """
    if out is not None:
        if name is not None:
            raise InputError(f"--name {name} and --out {out} both say where the study lies: give one of them")
        return out
    if name is not None and not _PLAIN.fullmatch(name):
        raise InputError(
            f"--name {name!r}: expected the name of one folder in {RUNS}/, without '/', control characters or a "
            "leading dot; for a study in another place give its directory with --out"
        )
    return RUNS / (name or f"{kind}-{datetime.now():%Y%m%d-%H%M%S}")
