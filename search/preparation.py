"""From settings to work: the tracks, their features, and one pending record per configuration."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from data.columns import ALBUM_NAME, TRACK_NAME
from data.errors import InputError
from data.features import Features, build_features
from data.splits import Split, extend_split, split_tracks
from data.tracks import Tracks, hold_out_genre, join_tracks, load_tracks
from results.record import StudySettings, TrialKey, TrialRecord
from results.study import Study
from spaces import Configuration, SearchSpace
from trainables.batches import batch_count


@dataclass(frozen=True)
class Prepared:
    """What a sweep works on."""

    tracks: Tracks
    transfer_tracks: Tracks | None
    """Rows of a sixth genre, held for the transfer stage."""
    split: Split
    features: Features


def prepare(settings: StudySettings) -> Prepared:
    """Read, check, split and scale the data; ``InputError`` where any of it is wrong."""
    mapping = Path(settings.mapping) if settings.mapping else None
    tracks, transfer_tracks = hold_out_genre(load_tracks(settings.data, mapping=mapping))
    split = split_tracks(tracks, kind=settings.split, seed=settings.seed, holdout=settings.holdout)
    if settings.stages is not None:
        if settings.stages.transfer_data is not None:
            transfer_tracks = load_tracks(settings.stages.transfer_data, mapping=mapping, min_genres=1)
        _check_stages(tracks, transfer_tracks, split)
    return Prepared(tracks, transfer_tracks, split, build_features(tracks, split, settings.features))


def _check_stages(tracks: Tracks, transfer_tracks: Tracks | None, split: Split) -> None:
    """What the later stages would stumble over is said before anything is trained."""
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
            f"{', '.join(tracks.genre_names)}, to transfer to"
        )
    join_tracks(tracks, transfer_tracks)
    extend_split(split, tracks, transfer_tracks)


def check_batches(configurations: tuple[Configuration, ...], features: Features) -> None:
    """``InputError`` where a configuration's batch would not be filled once."""
    rows = len(features.y_train)
    largest = max(configuration.batch_size for configuration in configurations)
    if rows < largest or batch_count(rows, largest) < 1:
        raise InputError(
            f"a batch of {largest} needs at least {largest} training rows, but there are only {rows}: "
            "give more tracks, or a --space with smaller batches"
        )


def pending_trials(settings: StudySettings) -> tuple[TrialRecord, ...]:
    """One record per configuration of the search, all pending; ``InputError`` where the search cannot be."""
    configurations = _configurations(settings)
    return tuple(
        TrialRecord(
            key=TrialKey(configuration.config_id, settings.seed),
            position=position,
            configuration=configuration,
            budget=configuration.epochs or settings.epochs,
        )
        for position, configuration in enumerate(configurations)
    )


def _configurations(settings: StudySettings) -> tuple[Configuration, ...]:
    space = SearchSpace.from_toml(settings.space)
    if settings.search == "random":
        if settings.trials is None:
            raise InputError("--search random needs --trials, the number of configurations to draw")
        return space.sample(settings.trials, settings.seed)
    if settings.trials is not None:
        raise InputError("--trials goes with --search random; a grid is trained whole")
    if not space.is_grid:
        raise InputError(f"the space {space.name!r} has continuous parameters: use --search random --trials N")
    return space.configurations()


def data_facts(prepared: Prepared) -> dict[str, object]:
    """What the manifest says of the data."""
    tracks, features = prepared.tracks, prepared.features
    return {
        "source": tracks.source,
        "synthetic": tracks.synthetic,
        "fingerprint": features.fingerprint,
        "transfer_fingerprint": prepared.transfer_tracks.fingerprint if prepared.transfer_tracks else None,
        "rows": len(tracks),
        "training_rows": len(features.y_train),
        "validation_rows": len(features.y_val),
        "holdout_rows": len(features.y_holdout),
        "inputs": list(features.names),
        "genres": list(features.genres),
        "warnings": list(tracks.warnings),
    }


_IDENTITY = ("fingerprint", "transfer_fingerprint", "rows", "inputs", "genres")
"""Facts that must be the same for a study to go on; the rest is for people."""


def differences(recorded: dict[str, object], found: dict[str, object]) -> list[str]:
    """The fields in which two sets of facts differ, one sentence each."""
    return [
        f"{name}: the study has {_short(recorded.get(name))}, now it is {_short(value)}"
        for name, value in found.items()
        if name in _IDENTITY and recorded.get(name) != value
    ]


def space_differences(study: Study) -> list[str]:
    """A sentence where the search space no longer gives the configurations that the study began with."""
    recorded = {trial.key.config_id for trial in study.trials()}
    found = {trial.key.config_id for trial in pending_trials(study.settings)}
    missing = len(recorded - found)
    return [f"space: {missing} of the study's {len(recorded)} configurations are not in it now"] if missing else []


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."
