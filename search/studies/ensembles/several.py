"""An ensemble of one study, or of several on the same rows, as ``genresweep ensemble`` asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from data.errors import InputError
from results.judging.ensemble import ENSEMBLE, Ensemble
from results.record.study import Study
from search.planning.prepared_data import Prepared
from search.snapshots.copies import snapshots
from search.studies.ensembles.choosing import assemble
from search.studies.ensembles.library import Library
from search.studies.relocation import Sources, same_data
from search.studies.stopping import logging_to


def ensemble_of(paths: Sequence[str | Path]) -> tuple[Path, Ensemble]:
    """Choose an ensemble among the networks of one study, or of several on the same rows.

    It replaces that of the first study, in its directory and in its record. Returns its directory and its record.
    Raises ``InputError`` where the studies' rows, genres or sentence models differ, there is nothing to choose from,
    or members of a sound ensemble would be lost, since their checkpoints are gone.
    """
    with ExitStack() as opened:
        first = opened.enter_context(Study.open_for_writing(paths[0]))
        opened.enter_context(logging_to(first.directory / "log.txt"))
        studies = [first, *(opened.enter_context(Study.open(path)) for path in paths[1:])]
        data = [same_data(study, Sources(), "stand in an ensemble")[1] for study in studies]
        for study, prepared in zip(studies[1:], data[1:], strict=True):
            _refuse_others(first, data[0], study, prepared)
        opened.enter_context(snapshots(first))
        libraries = [Library(study, prepared.features) for study, prepared in zip(studies, data, strict=True)]
        _refuse_copies(libraries)
        directory = first.directory / ENSEMBLE
        ensemble = assemble(libraries, directory, keeping=True)
        if ensemble is None:
            raise InputError(
                f"{first.directory}: an ensemble needs at least two networks with a score and a whole checkpoint"
            )
        return directory, ensemble


def _refuse_others(first: Study, data: Prepared, study: Study, prepared: Prepared) -> None:
    """Raise ``InputError`` where a study's rows, genres or sentence model are not those of the first."""
    if first.directory.resolve() == study.directory.resolve():
        raise InputError(f"{study.directory} is given twice: name each study once")
    names = ("split", "seed", "holdout")
    pairs = [(name, getattr(first.settings, name), getattr(study.settings, name)) for name in names]
    pairs += [("rows", data.tracks.fingerprint, prepared.tracks.fingerprint)]
    pairs += [("genres", data.features.genres, prepared.features.genres)]
    models = [one.features.text_model.sha256[:12] for one in (data, prepared) if one.features.text_model]
    pairs += [("text model", models[0], models[-1])] if models else []
    shown = {"rows": [_rows_text(one) for one in (data, prepared)]}
    differing = [
        f"\n  - {name}: {' and '.join(shown.get(name, [str(before), str(now)]))}"
        for name, before, now in pairs
        if before != now
    ]
    if differing:
        raise InputError(
            f"{first.directory} and {study.directory} cannot stand in one ensemble, which is chosen on rows that no "
            f"member was trained on:{''.join(differing)}\nsweep again with the --seed, --split, --holdout and data of "
            "the first, or take other studies"
        )


def _rows_text(prepared: Prepared) -> str:
    tracks = prepared.tracks
    return f"{len(tracks):,} of {tracks.source} ({tracks.fingerprint[:12]})"


def _refuse_copies(libraries: Sequence[Library]) -> None:
    """Raise ``InputError`` where two studies have the same networks, which would be mixed with themselves."""
    seen: dict[str, Library] = {}
    for library in libraries:
        other = seen.setdefault(library.digest, library)
        if other is not library:
            places = f"{other.study.directory} and {library.study.directory}"
            raise InputError(f"{places} hold the same networks, one is a copy of the other: name one of them")
