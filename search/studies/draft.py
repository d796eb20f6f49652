"""Drafts of studies: settings and tables are checked and data prepared before a study is made."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from data.errors import InputError
from data.files import user_path
from data.object_stores import parent
from data.tables.columns import ColumnMapping, read_mapping
from data.tables.own_table import OWN_FILE, own_table
from data.tables.tracks import Tracks, load_tracks
from results.record.manifest import Manifest
from results.record.places import refuse_existing
from results.record.records import TrialRecord
from results.record.settings import StudySettings
from results.record.study import Study
from search.cluster.placement import Places
from search.cluster.storage_check import check_reach
from search.planning.prepared_data import Prepared, Tables, as_spelt, data_facts, prepare, tables_of
from search.planning.trials import absolute, check_batches, pending_trials
from search.scheduling.listener import Listener
from search.snapshots.copies import check_vacant, release, reserve
from trainables import SEMANTICS_VERSION


@dataclass(frozen=True)
class Draft:
    """A study that does not exist yet, with checked settings and tables."""

    directory: Path
    settings: StudySettings
    trials: tuple[TrialRecord, ...]
    tables: Tables

    files: Mapping[str, bytes] = field(default_factory=dict)
    """Files that the study holds from the start, by their place in the directory."""

    @classmethod
    def check(cls, settings: StudySettings, directory: str | Path, frame: pd.DataFrame | None = None) -> Draft:
        """Return a draft of checked settings and tables: the quick part, in which most mistakes show.

        ``frame`` is the table of settings that name none.
        """
        directory = _directory(directory)
        asked = absolute(settings, directory)
        refuse_existing(directory)
        trials = pending_trials(asked)
        tracks, files = _read(asked, frame)
        asked = as_spelt(asked, tracks)
        draft = cls(directory, asked, trials, tables_of(asked, tracks), files)
        if asked.storage is not None:
            check_vacant(asked.storage)
        return draft

    def prepare(self, places: Places | None = None, listener: Listener | None = None) -> Prepared:
        """Return the prepared data: the slow part, which imports scikit-learn, torch and Ray Tune.

        Titles are read in ``places``; ``listener`` is told how many have been.
        """
        import search.cluster.tasks
        import search.cluster.tune_bridge
        import search.studies.promotion

        told = partial((listener or Listener()).stage_progress, what="titles")
        encoder = search.cluster.tasks.remote_encoder(places, told) if places else None
        prepared = prepare(self.settings, self.tables, encoder)
        check_batches(self.settings, self.trials, prepared.features)
        return prepared

    def create(self, prepared: Prepared) -> Study:
        """Make the study, open for writing; ``InputError`` where a node of the cluster cannot reach its checkpoints."""
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


def _directory(out: str | Path) -> Path:
    if not isinstance(out, str | os.PathLike):
        raise InputError(f"out must be the path of a directory, but is of type {type(out).__name__}")
    return user_path(out)


def _read(settings: StudySettings, frame: pd.DataFrame | None) -> tuple[Tracks, dict[str, bytes]]:
    """Return the checked table, and a file for the study with data that no other file holds."""
    mapping = read_mapping(settings.mapping) if settings.mapping else ColumnMapping()
    tracks = load_tracks(settings.data if frame is None else frame, mapping=settings.mapping)
    return tracks, {} if frame is None else {OWN_FILE: own_table(tracks, mapping)}


def _manifest(settings: StudySettings, prepared: Prepared) -> Manifest:
    versions = {name: version(name) for name in ("genresweep", "torch", "ray", "numpy")}
    return Manifest(
        settings=settings,
        data=data_facts(prepared),
        versions={**versions, "python": platform.python_version()},
        semantics=SEMANTICS_VERSION,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
