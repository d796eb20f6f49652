"""The folder ``runs/``, which holds studies by name."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from data.errors import did_you_mean

RUNS = Path("runs")


def hint_at_runs(directory: Path, mark: str) -> str:
    """Return ``" (did you mean 'runs/base'?)"`` if a folder with a file ``mark`` in ``runs/`` is meant, or ``""``.

    ``directory`` is the path that was asked for: a name in ``runs/``, a misspelt part of one, or a path inside a study.
    """
    inside = RUNS / directory
    if not directory.is_absolute() and (inside / mark).is_file():
        return f" (did you mean {str(inside)!r}?)"
    near: list[str] = []
    for folder in dict.fromkeys((directory.parent, RUNS)):
        with suppress(OSError):
            near += [str(path.parent) for path in folder.glob(f"*/{mark}")]
    return did_you_mean(str(directory), near) or did_you_mean(str(inside), near)
