"""A study that does not exist yet: its settings and tables are checked, its data prepared, then it is made."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from data.columns import ColumnMapping, read_mapping
from data.errors import InputError
from data.files import user_path
from data.own_table import OWN_FILE, OWN_TABLE, own_table
from data.storage import parent
from data.tracks import Source, load_tracks
from results.manifest import Manifest
from results.record import StageSettings, StudySettings, TrialRecord
from results.study import Study, refuse_existing
from search.placement import Places
from search.planning import absolute, check_batches, pending_trials
from search.preparation import Prepared, Tables, data_facts, prepare, read_tables, tables_of
from search.reach import check_reach
from search.snapshots import check_vacant, release, reserve
from spaces import SearchSpace, load_space
from trainables import SEMANTICS_VERSION


@dataclass(frozen=True)
class Draft:
    """A study that does not exist yet, of settings and tables that have been found good."""

    directory: Path
    settings: StudySettings
    trials: tuple[TrialRecord, ...]
    tables: Tables

    files: Mapping[str, bytes] = field(default_factory=dict)
    """What the study is to hold from the start, by its place in the directory."""

    @classmethod
    def check(
        cls, data: Source, directory: str | Path, space: str | Path | SearchSpace, settings: Mapping[str, Any]
    ) -> Draft:
        """The quick part, in which most mistakes show."""
        directory = user_path(directory)
        given: dict[str, Any] = {
            name: os.fspath(value) if isinstance(value, Path) else value for name, value in settings.items()
        }
        if not isinstance(data, str | os.PathLike | pd.DataFrame):
            raise InputError(
                f"data must be a path, a named source or a pandas DataFrame, but is a {type(data).__name__}"
            )
        _check_transfer_data(given.get("stages"))
        source = OWN_TABLE if isinstance(data, pd.DataFrame) else os.fspath(data)
        asked = absolute(StudySettings(data=source, space=load_space(space).to_toml(), **given), directory)
        refuse_existing(directory)
        trials = pending_trials(asked)
        try:
            StudySettings.from_mapping(json.loads(asked.to_json()))
        except (TypeError, ValueError) as error:
            raise InputError(str(error)) from None
        draft = cls(directory, asked, trials, *_read(asked, data))
        if asked.storage is not None:
            check_vacant(asked.storage)
        return draft

    def prepare(self, places: Places | None = None) -> Prepared:
        """The slow part: scikit-learn, torch and Ray Tune are imported on the way; titles are read in ``places``."""
        import search.promotion
        import search.remote
        import search.tuner

        encoder = search.remote.remote_encoder(places) if places else None
        prepared = prepare(self.settings, self.tables, encoder)
        check_batches(self.settings, self.trials, prepared.features)
        return prepared

    def create(self, prepared: Prepared) -> Study:
        """The study, open for writing; ``InputError`` where a node of the cluster cannot reach its checkpoints."""
        manifest, storage = _manifest(self.settings, prepared), self.settings.storage
        check_reach(parent(storage or str(self.directory.resolve())))
        if storage is None:
            return Study.create(self.directory, manifest, self.trials, self.files)
        reserve(storage, manifest)
        try:
            return Study.create(self.directory, manifest, self.trials, self.files)
        except BaseException:
            release(storage)
            raise


def _check_transfer_data(stages: StageSettings | None) -> None:
    """Raise ``InputError`` where the transfer stage's rows are no file: a study keeps its main table alone."""
    found = stages.transfer_data if stages is not None else None
    if not isinstance(found, str | None):
        raise InputError(f"transfer_data must be the path of a table as text, but is of type {type(found).__name__}")


def _read(settings: StudySettings, data: Source) -> tuple[Tables, dict[str, bytes]]:
    """Return the checked tables, and the one that no file holds, which the study keeps itself."""
    if not isinstance(data, pd.DataFrame):
        return read_tables(settings), {}
    mapping = read_mapping(settings.mapping) if settings.mapping else ColumnMapping()
    tracks = load_tracks(data, mapping=mapping)
    return tables_of(settings, tracks), {OWN_FILE: own_table(tracks, mapping)}


def _manifest(settings: StudySettings, prepared: Prepared) -> Manifest:
    versions = {name: version(name) for name in ("genresweep", "torch", "ray", "numpy")}
    return Manifest(
        settings=settings,
        data=data_facts(prepared),
        versions={**versions, "python": platform.python_version()},
        semantics=SEMANTICS_VERSION,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
