"""Search spaces: what can be tried."""

from __future__ import annotations

from pathlib import Path

from data.errors import InputError, did_you_mean
from spaces.configuration import Configuration
from spaces.paper import PAPER, PAPER_FULL
from spaces.space import Choice, SearchSpace, Uniform

__all__ = ["Choice", "Configuration", "SearchSpace", "Uniform", "load_space"]

_NAMED = {space.name: space for space in (PAPER, PAPER_FULL)}


def load_space(name: str) -> SearchSpace:
    """A space by its name (``paper``, ``paper-full``) or from a TOML file; else ``InputError``."""
    if name in _NAMED:
        return _NAMED[name]
    path = Path(name)
    if path.suffix != ".toml":
        raise InputError(
            f"--space must be one of {', '.join(_NAMED)} or a .toml file, but got {name!r}{did_you_mean(name, _NAMED)}"
        )
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"--space {name}: the file cannot be read ({error})") from error
    return SearchSpace.from_toml(text, source=name)
