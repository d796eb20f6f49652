"""``manifest.json``: what never changes in a study."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data.errors import InputError
from data.files import read_regular
from results.record import StudySettings

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Manifest:
    """What never changes in a study: its settings, its data, and the versions that began it."""

    settings: StudySettings
    data: Mapping[str, Any]
    """Source, fingerprint, rows, genres, and whether it is synthetic."""
    versions: Mapping[str, str]
    semantics: int
    """Version of the training's arithmetic."""
    created: str

    def to_json(self) -> str:
        """The content of ``manifest.json``."""
        document = {"schema": SCHEMA_VERSION, **asdict(self)}
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def read(cls, directory: Path) -> Manifest:
        """The manifest of a study; ``InputError`` where the directory holds none."""
        path = directory / "manifest.json"
        try:
            document = json.loads(read_regular(path))
            if document.pop("schema") > SCHEMA_VERSION:
                raise InputError(f"{directory} was written by a newer genresweep: upgrade to read it")
            return cls(**{**document, "settings": StudySettings.from_mapping(document["settings"])})
        except FileNotFoundError as error:
            raise InputError(
                f"{directory} is not a study: it holds no manifest.json. `genresweep status` lists the studies in runs/"
            ) from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path} is damaged or not a study's: {error}") from error
