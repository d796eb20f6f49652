"""From settings to data: the tracks, their split and their features."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from data.errors import InputError, warn
from data.inputs.encoding import encoding_scaler
from data.inputs.features import Features, build_features
from data.inputs.splits import VAL_FRACTION, Split, check_rare_genres, extend_split, split_tracks
from data.tables.columns import ALBUM_NAME, TRACK_NAME
from data.tables.genres import a_few, least_rows, rare_genres
from data.tables.tracks import Tracks, genre_called, hold_out_genre, join_tracks, load_tracks
from data.titles.embeddings import Encoder, check_text_model
from data.titles.text_model import TextModel, find_text_model
from results.record.manifest import DataFacts
from results.record.settings import StudySettings
from trainables.baselines import FOLDS


@dataclass(frozen=True)
class Tables:
    """The tables that were read, before they are split."""

    tracks: Tracks
    transfer_tracks: Tracks | None
    """Rows of a sixth genre, held for the transfer stage."""


@dataclass(frozen=True)
class Prepared:
    """The prepared data of a sweep."""

    tracks: Tracks
    transfer_tracks: Tracks | None
    """Rows of a sixth genre, held for the transfer stage."""
    split: Split
    text_model: TextModel | None
    """Model that reads the titles; ``None`` where no stage needs them."""
    features: Features
    """Standardised features."""
    input_sizes: Mapping[str, int]
    """Inputs of a network under each encoding of the search space."""


def read_tables(settings: StudySettings) -> Tables:
    """Read and check the data: the quick part of ``prepare``, in which most mistakes show, rare genres among them.

    The genre that the settings hold back is split off; a plain sweep holds none back. Raises ``InputError`` where a
    table is wrong or genres have too few rows; neither torch nor, where no genre is rare, scikit-learn is imported.
    """
    return tables_of(settings, load_tracks(settings.data, mapping=settings.mapping))


def as_spelt(settings: StudySettings, tracks: Tracks) -> StudySettings:
    """Return a new study's settings with the held genre as its table spells it, whatever its case.

    A resume takes the recorded settings at their word, so that it holds back what the study did before.
    """
    if settings.held_genre is None:
        return settings
    return replace(settings, held_genre=genre_called(tracks, settings.held_genre))


def tables_of(settings: StudySettings, tracks: Tracks) -> Tables:
    """Return the tables as ``read_tables`` does, for a table that has been read already."""
    held = None
    if settings.held_genre is not None:
        tracks, held = hold_out_genre(tracks, settings.held_genre)
    if settings.stages is not None and settings.stages.transfer_data is not None:
        given = load_tracks(settings.stages.transfer_data, mapping=settings.mapping, min_genres=1)
        held = join_tracks(held, given) if held is not None else given
    if settings.stages is not None and held is None:
        warn(f"{tracks.source}: {_no_transfer(tracks, settings.held_genre)}")
    check_rare_genres(tracks, kind=settings.split, seed=settings.seed, holdout=settings.holdout)
    if settings.stages is not None:
        _check_tables(tracks, held)
        least = _least_for_folds(settings)
        if any(rare_genres(each.genres, least) for each in (tracks, held) if each is not None):
            split = split_tracks(tracks, kind=settings.split, seed=settings.seed, holdout=settings.holdout)
            _check_stages(tracks, held, split, settings)
    return Tables(tracks, held)


def _no_transfer(tracks: Tracks, genre: str | None) -> str:
    why = "there are too few others beside" if genre in tracks.genre_names else "there is no"
    return (
        f"{why} genre {genre!r} to hold back, so there is no transfer stage: for one, name a table with rows of a "
        "further genre with --transfer-data"
    )


def prepare(settings: StudySettings, tables: Tables | None = None, encoder: Encoder | None = None) -> Prepared:
    """Read (unless given), check, split and scale the data; ``InputError`` where any of it is wrong.

    ``encoder`` reads titles; without one, processes of this machine do.
    """
    tables = tables or read_tables(settings)
    tracks, transfer_tracks = tables.tracks, tables.transfer_tracks
    split = split_tracks(tracks, kind=settings.split, seed=settings.seed, holdout=settings.holdout)
    if settings.stages is not None:
        _check_stages(tracks, transfer_tracks, split, settings)
    text_model = _text_model(settings)
    features = build_features(tracks, split, settings.features, text_model=text_model, encoder=encoder)
    encodings = settings.space.choices("encoding")
    sizes = {encoding: len(encoding_scaler(features, encoding).names) for encoding in encodings}
    return Prepared(tracks, transfer_tracks, split, text_model, features, sizes)


def _text_model(settings: StudySettings) -> TextModel | None:
    """Return the sentence model, tried out where it is not the packaged one; ``None`` where no text is read."""
    if settings.features == "audio" and settings.stages is None:
        if settings.text_model is not None:
            raise InputError("--text-model goes with --features text or fusion: audio features read no text")
        return None
    model = find_text_model(settings.text_model, download=True)
    if model.name is not None:
        check_text_model(model)
    return model


def _check_tables(tracks: Tracks, transfer_tracks: Tracks | None) -> None:
    """Raise ``InputError`` where the tables lack what a later stage needs: titles, or a new genre."""
    missing = [name for name in (ALBUM_NAME, TRACK_NAME) if name not in tracks.text_columns]
    if missing:
        raise InputError(
            f"the text and fusion stages need {' and '.join(missing)}, which {tracks.source} has not: "
            "name the columns with --mapping, or train the audio networks alone with `genresweep sweep`"
        )
    if transfer_tracks is None:
        return
    if not set(transfer_tracks.genre_names) - set(tracks.genre_names):
        raise InputError(
            f"{transfer_tracks.source} holds no new genre: expected rows of a genre other than "
            f"{a_few(tracks.genre_names)}, to transfer to"
        )
    join_tracks(tracks, transfer_tracks)


def _check_stages(tracks: Tracks, transfer_tracks: Tracks | None, split: Split, settings: StudySettings) -> None:
    """Raise ``InputError`` where a later stage would have too few rows, before anything is trained."""
    _check_folds(tracks, split, settings)
    _check_batch(tracks, split)
    if transfer_tracks is not None:
        extend_split(split, tracks, transfer_tracks)


def _least_for_folds(settings: StudySettings) -> int:
    """Return the number of rows of a genre that always gives enough training rows of it."""
    return least_rows(VAL_FRACTION, settings.holdout, FOLDS)


def _check_folds(tracks: Tracks, split: Split, settings: StudySettings) -> None:
    few = rare_genres(tracks.genres[split.train], FOLDS)
    if few:
        listed = a_few(f"{rows} of {genre!r}" for genre, rows in few.items())
        those = "that genre" if len(few) == 1 else "those genres"
        raise InputError(
            f"the baselines' {FOLDS}-fold cross-validation needs {FOLDS} training rows of every genre, but "
            f"{tracks.source} gives {listed} ({len(few)} of {len(tracks.genre_names)} genres have too few): give more "
            f"rows, at least {_least_for_folds(settings)} in all of each, or leave {those} out"
        )


def _check_batch(tracks: Tracks, split: Split) -> None:
    from trainables.stages import simple_network

    if len(split.train) < (batch := simple_network().batch_size):
        raise InputError(
            f"the simple network trains on batches of {batch}, but {tracks.source} gives {len(split.train)} "
            "training rows: give more rows"
        )


def data_facts(prepared: Prepared) -> DataFacts:
    """Return the facts about the data that the manifest records."""
    tracks, features = prepared.tracks, prepared.features
    return DataFacts(
        source=tracks.source,
        synthetic=tracks.synthetic,
        fingerprint=features.fingerprint,
        transfer_genres=_transfer_genres(prepared),
        transfer_fingerprint=prepared.transfer_tracks.fingerprint if prepared.transfer_tracks else None,
        text_model=prepared.text_model.sha256 if prepared.text_model else None,
        rows=len(tracks),
        training_rows=len(features.y_train),
        validation_rows=len(features.y_val),
        holdout_rows=len(features.y_holdout),
        inputs=tuple(features.names),
        input_sizes=dict(prepared.input_sizes),
        genres=tuple(features.genres),
        warnings=tuple(tracks.warnings),
    )


def _transfer_genres(prepared: Prepared) -> tuple[str, ...]:
    """Return the genres that only the transfer stage sees."""
    held = prepared.transfer_tracks
    return tuple(sorted(set(held.genre_names) - set(prepared.tracks.genre_names))) if held is not None else ()


_IDENTITY = ("fingerprint", "transfer_fingerprint", "text_model", "rows", "inputs", "genres")
"""Facts that must be the same for a study to go on; the rest is for people."""


def differences(recorded: DataFacts, found: DataFacts) -> list[str]:
    """Return a sentence for each fact in which the data differs from the recorded; absent facts are not compared."""
    compared = [name for name in _IDENTITY if name not in recorded.absent | found.absent]
    before, now = vars(recorded), vars(found)
    return [
        f"{name}: the study has {_short(before[name])}, now it is {_short(now[name])}"
        for name in compared
        if before[name] != now[name]
    ]


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."
