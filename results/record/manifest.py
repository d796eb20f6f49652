"""``manifest.json``: the fixed facts of a study."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data.errors import InputError
from data.files import read_regular
from data.runs import hint_at_runs
from results.record.records import StudySettings

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Manifest:
    """Fixed facts of a study: its settings, its data, and the versions that began it."""

    settings: StudySettings
    data: Mapping[str, Any]
    """Source, fingerprint, rows, genres, and whether it is synthetic."""
    versions: Mapping[str, str]
    semantics: int
    """Version of the training's arithmetic."""
    created: str

    def to_json(self) -> str:
        """Return the content of ``manifest.json``."""
        document = {"schema": SCHEMA_VERSION, **asdict(self)}
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def read(cls, directory: Path) -> Manifest:
        """Read the manifest of a study; ``InputError`` where the directory holds none."""
        path = directory / "manifest.json"
        try:
            document = json.loads(read_regular(path))
            if document.pop("schema") > SCHEMA_VERSION:
                raise InputError(f"{directory} was written by a newer genresweep: upgrade to read it")
            manifest = cls(**{**document, "settings": StudySettings.from_mapping(document["settings"])})
            _check(manifest)
            return manifest
        except FileNotFoundError as error:
            raise InputError(
                f"{directory} is not a study: it holds no manifest.json{hint_at_runs(directory, 'manifest.json')}. "
                "`genresweep status` lists the studies in runs/"
            ) from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path} is damaged or not a study's: {error}") from error


_FACTS: Mapping[str, type] = {"source": str, "synthetic": bool, "inputs": list, "genres": list, "input_sizes": dict}
"""Types of the facts about the data that are read; without ``input_sizes`` the inputs are counted."""


def _check(manifest: Manifest) -> None:
    for name, expected in {"data": dict, "versions": dict, "semantics": int, "created": str}.items():
        _check_type(name, getattr(manifest, name), expected)
    if missing := sorted(_FACTS.keys() - manifest.data.keys() - {"input_sizes"}):
        raise ValueError(f"data lacks {missing[0]!r}")
    for name, value in manifest.data.items():
        _check_type(name, value, _FACTS.get(name, object))
    for name in ("inputs", "genres"):
        for entry in manifest.data.get(name, []):
            _check_type(name, entry, str)
    for size in manifest.data.get("input_sizes", {}).values():
        _check_type("input_sizes", size, int)


def _check_type(name: str, value: object, expected: type) -> None:
    if not isinstance(value, expected):
        raise ValueError(f"{name} must be {expected.__name__}, but got {value!r:.80}")
