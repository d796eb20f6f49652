"""Search spaces: the configurations that a study can try."""

from __future__ import annotations

import os
from pathlib import Path

from data.errors import InputError, did_you_mean
from spaces.configuration import Configuration
from spaces.paper import PAPER, PAPER_FULL
from spaces.parameters import Choice, Parameter, Point, Uniform
from spaces.space import SearchSpace
from spaces.strong import STRONG
from spaces.wide import WIDE

__all__ = ["Choice", "Configuration", "Parameter", "Point", "SearchSpace", "Uniform", "load_space"]

_NAMED = {space.name: space for space in (PAPER, PAPER_FULL, WIDE, STRONG)}


def load_space(space: str | Path | SearchSpace) -> SearchSpace:
    """Return a space by its name (``paper``, ``paper-full``, ``wide``, ``strong``) or from a TOML file.

    A space that was built in Python is returned unchanged. Raises ``InputError`` for a name or a file of no space.
    """
    if isinstance(space, SearchSpace):
        return space
    name = str(space)
    if name in _NAMED:
        return _NAMED[name]
    path = Path(os.path.expanduser(name))
    if path.suffix != ".toml":
        raise InputError(
            f"--space must be one of {', '.join(_NAMED)} or a .toml file, but got {name!r}{did_you_mean(name, _NAMED)}"
        )
    if path.exists() and not path.is_file():
        raise InputError(f"--space {name}: the file cannot be read (it is no regular file)")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(
            f"--space {name}: the file cannot be read ({getattr(error, 'strerror', None) or error})"
        ) from error
    return SearchSpace.from_toml(text, source=name)
