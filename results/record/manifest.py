"""``manifest.json``: the fixed facts of a study."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from data.errors import InputError
from data.files import read_regular
from data.run_directories import hint_at_runs
from results.record.settings import StudySettings

SCHEMA_VERSION = 1
_YEARS = range(1971, 9999)
"""Years in which a study can have been made: times beyond them cannot be computed with everywhere."""


@dataclass(frozen=True, kw_only=True)
class DataFacts:
    """The facts about the data of a study; ``None`` for one that does not apply, or that an older manifest lacks."""

    source: str
    """Path of the table, or the name of a built-in one."""
    synthetic: bool
    fingerprint: str | None = None
    """Hash of the features."""
    transfer_genres: tuple[str, ...] | None = None
    """Genres that only the transfer stage sees."""
    transfer_fingerprint: str | None = None
    """Hash of the rows for the transfer stage."""
    text_model: str | None = None
    """Hash of the sentence model that reads titles."""
    rows: int | None = None
    training_rows: int | None = None
    validation_rows: int | None = None
    holdout_rows: int | None = None
    inputs: tuple[str, ...]
    """Names of the features."""
    input_sizes: Mapping[str, int] | None = None
    """Inputs of a network under each encoding of the search space."""
    genres: tuple[str, ...]
    """Genres in the order of their labels."""
    warnings: tuple[str, ...] | None = None
    absent: frozenset[str] = frozenset()
    """Names of the facts that an older manifest lacks; one that is known after all is left out."""

    def __post_init__(self) -> None:
        unknown = frozenset(name for name in self.absent if getattr(self, name) is None)
        object.__setattr__(self, "absent", unknown)

    def inputs_under(self, encoding: str) -> int:
        """Return the number of a network's inputs under an encoding; that of the features where none is recorded."""
        return (self.input_sizes or {}).get(encoding, len(self.inputs))

    def to_json(self) -> dict[str, Any]:
        """Return the facts that are recorded as plain values, by name."""
        recorded = {name: getattr(self, name) for name in _JSON_TYPES if name not in self.absent}
        return {name: list(fact) if isinstance(fact, tuple) else fact for name, fact in recorded.items()}

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> DataFacts:
        """Build the facts from the parsed output of ``to_json``; names that are not known are left out.

        Raises ``ValueError`` where a fact that every manifest has is missing, or one is of another type.
        """
        _check_type("data", values, dict)
        if missing := [name for name in sorted(_ALWAYS) if name not in values]:
            raise ValueError(f"data lacks {missing[0]!r}")
        known = {name: _fact(name, values[name]) for name in _JSON_TYPES if name in values}
        return cls(**known, absent=frozenset(_JSON_TYPES) - known.keys())


_ALWAYS = ("source", "synthetic", "inputs", "genres")
"""Facts that every manifest has."""
_TEXTS: Mapping[str, type] = dict.fromkeys(("source", "fingerprint", "transfer_fingerprint", "text_model"), str)
_COUNTS: Mapping[str, type] = dict.fromkeys(("rows", "training_rows", "validation_rows", "holdout_rows"), int)
_LISTS: Mapping[str, type] = dict.fromkeys(("transfer_genres", "inputs", "genres", "warnings"), list)
_TYPES: Mapping[str, type] = {**_TEXTS, **_COUNTS, **_LISTS, "synthetic": bool, "input_sizes": dict}
_JSON_TYPES: Mapping[str, type] = {fact.name: _TYPES[fact.name] for fact in fields(DataFacts) if fact.name != "absent"}
"""Type of each fact in the manifest, in the order in which they are written."""


def _fact(name: str, value: Any) -> Any:
    """Return the fact in a value of the manifest; ``ValueError`` where its type, or that of an entry, is another."""
    if value is None and name not in _ALWAYS:
        return None
    _check_type(name, value, _JSON_TYPES[name])
    for entry in value if isinstance(value, list) else ():
        _check_type(name, entry, str)
    for size in value.values() if isinstance(value, dict) else ():
        _check_type(name, size, int)
    return tuple(value) if isinstance(value, list) else value


@dataclass(frozen=True)
class Manifest:
    """Fixed facts of a study: its settings, its data, and the versions that began it."""

    settings: StudySettings
    data: DataFacts
    versions: Mapping[str, str]
    semantics: int
    """Version of the training's arithmetic."""
    created: str
    """The time when the study was made, in ISO 8601."""

    def to_json(self) -> str:
        """Return the content of ``manifest.json``."""
        facts = {part.name: getattr(self, part.name) for part in fields(self)}
        written = {"settings": self.settings.to_mapping(), "data": self.data.to_json()}
        document = {"schema": SCHEMA_VERSION, **facts, **written}
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def read(cls, directory: Path) -> Manifest:
        """Read the manifest of a study; ``InputError`` where the directory holds none."""
        path = directory / "manifest.json"
        try:
            document = json.loads(read_regular(path))
            if document.pop("schema") <= SCHEMA_VERSION:
                settings = StudySettings.from_mapping(document["settings"])
                manifest = cls(**{**document, "settings": settings, "data": DataFacts.from_mapping(document["data"])})
                _check(manifest)
                return manifest
        except FileNotFoundError as error:
            raise InputError(
                f"{directory} is not a study: it holds no manifest.json{hint_at_runs(directory, 'manifest.json')}. "
                "`genresweep status` lists the studies in runs/"
            ) from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(f"{path} is damaged or not a study's: {error}") from error
        raise InputError(f"{directory} was written by a newer genresweep: upgrade to read it")


_EXTENDABLE = ("trials", "space")
"""Settings that may grow after a study has begun."""


def extensions(began: StudySettings, now: StudySettings) -> str:
    """Return as JSON what the settings of a study have become since it began; ``with_extensions`` reads it."""
    before, after = began.to_mapping(), now.to_mapping()
    return json.dumps({name: after[name] for name in _EXTENDABLE if after[name] != before[name]})


def with_extensions(began: StudySettings, text: str | None) -> StudySettings:
    """Return the settings of a study as they are, from those that it began with and what ``extensions`` wrote.

    Raises ``ValueError``, ``TypeError`` or ``InputError`` for another text.
    """
    if not text:
        return began
    grown = {name: value for name, value in dict(json.loads(text)).items() if name in _EXTENDABLE}
    return StudySettings.from_mapping({**began.to_mapping(), **grown})


def _check(manifest: Manifest) -> None:
    for name, expected in {"versions": dict, "semantics": int, "created": str}.items():
        _check_type(name, getattr(manifest, name), expected)
    if datetime.fromisoformat(manifest.created).year not in _YEARS:
        raise ValueError(f"created must be a time of this age, but got {manifest.created!r}")


def _check_type(name: str, value: object, expected: type) -> None:
    if not isinstance(value, expected):
        raise ValueError(f"{name} must be {expected.__name__}, but got {value!r:.80}")
