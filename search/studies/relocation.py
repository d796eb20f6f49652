"""Present places of a study's inputs: they may have moved since it began, and are recorded once they were found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from data.errors import InputError, command
from data.files import absolute_path
from data.tables.own_table import OWN_FILE, OWN_TABLE
from results.record.facts import Fact
from results.record.settings import StudySettings
from results.record.study import Study
from search.planning.prepared_data import Prepared, data_facts, differences, prepare
from search.planning.trials import absolute_sources, space_differences


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Places of a study's inputs, as its settings name them; ``None`` for those that have not moved."""

    data: str | None = None
    mapping: str | None = None
    transfer_data: str | None = None
    text_model: str | None = None

    def given(self) -> dict[str, str]:
        """Return the places that are not ``None``, by the names of their settings."""
        return {name: place for name, place in asdict(self).items() if place is not None}


def relocated(study: Study, sources: Sources) -> StudySettings:
    """Return a study's settings with the present places of its inputs: as named here, or by an earlier resume.

    Raises ``InputError`` for an input that the study does not have.
    """
    settings, given = study.settings, sources.given()
    if settings.stages is None and "transfer_data" in given:
        raise InputError(f"--transfer-data: {study.directory} is a sweep, which has no transfer stage")
    own = {"data": _own_table(study)} if settings.data == OWN_TABLE else {}
    places: dict[str, Any] = {**own, **study.moved, **given}
    transfer = places.pop("transfer_data", None)
    if transfer is not None and settings.stages is not None:
        places["stages"] = replace(settings.stages, transfer_data=transfer)
    return absolute_sources(replace(settings, **places))


_READ_OTHERWISE = (
    "Earlier versions of genresweep read some columns of Parquet otherwise (bytes, and whole numbers beside an empty "
    "cell): where nothing else has changed, begin a new study"
)


def same_data(study: Study, sources: Sources, purpose: str = "be resumed") -> tuple[StudySettings, Prepared]:
    """Return a study's settings with the present places of its inputs, and its data, which are as at its beginning.

    Raises ``InputError`` with the fields that differ where they are others now: ``purpose`` is what cannot be done.
    """
    settings = relocated(study, sources)
    with way_to_moved_inputs(study, sources):
        prepared = prepare(settings)
    differing = differences(study.manifest.data, data_facts(prepared))
    differing += space_differences(study.settings, study.trials())
    if differing:
        listed = "\n".join(f"  - {difference}" for difference in differing)
        place = study.directory
        error = InputError(f"{place} cannot {purpose}, since its data or its space is another now:\n{listed}")
        if settings.data.endswith(".parquet"):
            error.add_note(_READ_OTHERWISE)
        raise error
    return settings, prepared


def remember(study: Study, settings: StudySettings) -> None:
    """Record the places of a study's inputs, once they were found to be those that it began with."""
    before = study.settings
    now = {name: getattr(settings, name) for name in ("data", "mapping", "text_model")}
    if now["data"] == _own_table(study):
        now["data"] = before.data
    moved = {name: place for name, place in now.items() if place != getattr(before, name)}
    if settings.stages is not None and settings.stages != before.stages and settings.stages.transfer_data is not None:
        moved["transfer_data"] = settings.stages.transfer_data
    if moved != study.moved:
        study.set_fact(Fact.MOVED, json.dumps(moved))


def _missing(study: Study) -> bool:
    """Return True where an input is not at the place that the study has recorded."""
    settings = relocated(study, Sources())
    stages = settings.stages
    places = [settings.data, settings.mapping, stages.transfer_data if stages else None]
    folder = settings.text_model if (settings.text_model or "").startswith("/") else None
    return any(place is not None and place.startswith("/") and not Path(place).exists() for place in (*places, folder))


def _own_table(study: Study) -> str:
    return str(absolute_path(study.directory) / OWN_FILE)


@contextmanager
def way_to_moved_inputs(study: Study, sources: Sources) -> Iterator[None]:
    """Run the body, and add to its ``InputError`` how to resume where the inputs have moved."""
    try:
        yield
    except InputError as error:
        if sources.given() or not _missing(study):
            raise
        also = ["--mapping", *(["--transfer-data"] if study.settings.stages else [])]
        also += ["--text-model"] if study.settings.text_model else []
        error.add_note(
            f"Where it has moved: {command('resume', study.directory)} --data FILE (likewise {', '.join(also)}); "
            "its rows are compared with those that the study began with"
        )
        raise
