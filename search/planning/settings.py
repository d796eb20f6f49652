"""From the arguments of a caller to the settings of a study."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd

from data.errors import InputError, did_you_mean
from data.tables.own_table import OWN_TABLE
from data.tables.tracks import Source
from results.record.settings import Search, StudySettings
from spaces import SearchSpace, load_space
from spaces.strong import STRONG, STRONG_TRIALS

Space = str | Path | SearchSpace
"""A search space: a name (``paper``, ``paper-full``, ``wide``, ``strong``), a TOML file, or the space itself."""


def study_settings(data: Source = "synthetic", space: Space = "paper", **keywords: Any) -> StudySettings:
    """Return the settings of a study of ``data`` and ``space``; ``keywords`` are the other fields of ``StudySettings``.

    The space ``strong`` is searched at random unless another search is named, with 48 trials unless they are given. No
    settings hold a DataFrame: for one they say that the study stores its table itself. Raises ``InputError`` for
    names that are no settings, and for values that cannot be.
    """
    if not isinstance(data, str | os.PathLike | pd.DataFrame):
        raise InputError(f"data must be a path, a named source or a pandas DataFrame, but is a {type(data).__name__}")
    known = [found.name for found in fields(StudySettings) if found.name not in ("data", "space")]
    for name in keywords:
        if name not in known:
            raise InputError(f"there is no setting {name!r}{did_you_mean(name, known)}; there are {', '.join(known)}")
    source = OWN_TABLE if isinstance(data, pd.DataFrame) else os.fspath(data)
    loaded = load_space(space)
    if loaded is STRONG and keywords.get("search", Search.GRID) == Search.GRID:  # it has no grid, and a plan instead
        keywords |= {"search": Search.RANDOM, "trials": keywords.get("trials") or STRONG_TRIALS}
    return StudySettings(data=source, space=loaded, **keywords)


def whole_settings(
    data: Source | StudySettings, space: Space | None, keywords: Mapping[str, Any]
) -> tuple[StudySettings, pd.DataFrame | None]:
    """Return the settings that a caller gave whole or by keywords, and the table that came as a DataFrame.

    Raises ``InputError`` for both at once.
    """
    if not isinstance(data, StudySettings):
        frame = data if isinstance(data, pd.DataFrame) else None
        return study_settings(data, "paper" if space is None else space, **keywords), frame
    if beside := [*([] if space is None else ["space"]), *keywords]:
        raise InputError(
            f"the settings are given whole, so {', '.join(beside)} cannot stand beside them: "
            f"use dataclasses.replace(settings, {beside[0]}=...)"
        )
    return data, None
