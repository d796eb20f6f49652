"""Prediction of genres for new tracks from any model directory, without Ray or training data."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from data.errors import InputError, did_you_mean, warn
from data.files import user_path
from data.inputs.features import is_text_input, raw_matrix
from data.tables.cells import text_cells
from data.tables.columns import LABEL, MODE, RELEASE_DATE, RELEASE_YEAR, ColumnMapping, read_mapping
from data.tables.genres import a_few
from data.tables.tracks import Source, Tracks, load_tracks, read_source
from data.tables.unfit import Unreadable
from data.titles.text_model import TextModel, recorded_text_model
from trainables.checkpoint import load_model
from trainables.ensemble import Member, load_members
from trainables.mlp import GenreMLP
from trainables.model_card import ModelCard

PROBABILITY = "probability_"
_PLAIN_NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d+)?([eE][-+]?\d+)?")
"""A number without leading zeros, no longer than a float keeps; other digits may be a name."""
_CHUNK_ROWS = 4096
_LISTED = 12


def load_inputs(model_directory: str | Path, source: Source, mapping: str | Path | None = None) -> Tracks:
    """Read a table of tracks as ``load_tracks`` does, requiring only the columns that the model reads.

    Titles are read where the table has them. Without a mapping a number's column has its name. Raises ``InputError``
    where the directory holds no sound model, or the table or the mapping lacks an input of it.
    """
    model_directory = user_path(model_directory)
    return _inputs_of(load_members(model_directory), model_directory, source, mapping)


def _inputs_of(
    members: Sequence[Member], model_directory: Path, source: Source, mapping: str | Path | None = None
) -> Tracks:
    """Read a table of tracks, requiring only the columns that the members read."""
    cards = [member.card for member in members]
    numbers = [*dict.fromkeys(name for card in cards for name in _numbers(card))]
    if mapping is None:
        binary = tuple(name for name in numbers if name == MODE)
        columns = ColumnMapping(numbers={name: name for name in numbers if name != RELEASE_YEAR}, binary=binary)
    else:
        columns = read_mapping(mapping)
        named = [*columns.numbers, *([RELEASE_YEAR] if columns.dated else [])]
        _check_inputs(numbers, named, f"the mapping {mapping}", model_directory)
    columns = columns.only(numbers, text=any(card.feature_kind != "audio" for card in cards))
    return load_tracks(source, mapping=columns, require_genre=False)


def predict_table(model_directory: str | Path, source: Source, mapping: str | Path | None = None) -> pd.DataFrame:
    """Predict for a table as ``load_inputs`` takes it, and return the result beside all columns of the table.

    Returns the same rows in the same order: the table's columns unchanged (a column of plain numbers as numbers), then
    ``playlist_genre`` and the probabilities, which replace columns of the table with these names.

    Raises ``InputError`` as ``load_inputs`` and ``predict`` do, and where the table has genres that the model lacks.
    """
    model_directory = user_path(model_directory)
    members = load_members(model_directory)
    tracks = _inputs_of(members, model_directory, source, mapping)
    table, label = read_source(source)
    _check_genres(table, read_mapping(mapping).label if mapping else LABEL, label, members[0].card, model_directory)
    predicted = _predicted(members, model_directory, tracks).drop(columns=list(tracks.text_columns))
    kept = _readable(table.loc[:, ~(table.columns.isin(predicted.columns) | table.columns.duplicated())], label)
    return pd.concat([kept.reset_index(drop=True).apply(_numbers_as_such), predicted], axis=1)


def _readable(table: pd.DataFrame, label: str) -> pd.DataFrame:
    """Leave out columns that could not be read, with an `InputWarning`."""
    unread = {name: cells.iloc[0] for name, cells in table.items() if len(cells)}
    unread = {name: cell for name, cell in unread.items() if isinstance(cell, Unreadable)}
    for name, cell in unread.items():
        warn(f"{label}: column {name!r} is left out, since it cannot be read ({cell.why})")
    return table.drop(columns=list(unread))


def _check_genres(table: pd.DataFrame, column: str, label: str, card: ModelCard, model_directory: Path) -> None:
    """Raise ``InputError`` where a table's rows have a genre that the model lacks and so can never predict."""
    known = card.genres
    labelled = table.loc[:, table.columns == column]
    found = {cell for place in range(labelled.shape[1]) for cell in text_cells(labelled.iloc[:, place]).str.strip()}
    found -= {"", *known}
    if found:
        held = sorted(found.intersection(card.provenance.held_genres))
        listed = a_few(f"{genre!r}{'' if genre in held else did_you_mean(genre, known)}" for genre in sorted(found))
        raise InputError(
            f"{label}: the column {column!r} holds genres that the model in {model_directory} does not know: {listed}; "
            f"it knows {a_few(known, _LISTED)}.{_held_back(held, model_directory)} Leave those rows out, drop the "
            "column, or take a model of all its genres"
        )


def _held_back(genres: list[str], model_directory: Path) -> str:
    """Return text that says why the model lacks genres of its study, and which model of the study knows them."""
    if not genres:
        return ""
    places = (parent / "stages" / "transfer" for parent in model_directory.absolute().parents[:2])
    other = next((place for place in places if {*genres} <= {*_genres_known(place)}), None)
    knows = f": the model in {other} knows {'it' if len(genres) == 1 else 'them'}" if other else ""
    return f" {', '.join(map(repr, genres))} was held back for the study's transfer stage{knows}."


def _genres_known(model_directory: Path) -> tuple[str, ...]:
    """Return the genres of a model; none where there is no sound one."""
    try:
        return load_model(model_directory)[1].genres
    except InputError:
        return ()


def _numbers_as_such(cells: pd.Series) -> pd.Series:
    """Return cells of plain numbers as numbers.

    A text file has only text, and a negative number in it would be taken for a spreadsheet's formula.
    """
    if not all(isinstance(cell, str) and _PLAIN_NUMBER.fullmatch(cell) for cell in cells):
        return cells
    return pd.to_numeric(cells)


def predict(model_directory: str | Path, tracks: Tracks | Source) -> pd.DataFrame:
    """Predict the most probable genre of every track, and the probability of each genre.

    ``tracks`` are read as by ``load_inputs``, unless they are read already.

    Returns one row per track in the tracks' order, index 0..n-1: the table's text columns,
    ``playlist_genre`` (``str``), and a float64 column ``probability_<genre>`` for each genre in the model's
    order; these sum to 1. Genres in the table are ignored.

    Raises ``InputError`` where the directory holds no sound model, or the table lacks an input of it.
    """
    model_directory = user_path(model_directory)
    members = load_members(model_directory)
    if not isinstance(tracks, Tracks):
        tracks = _inputs_of(members, model_directory, tracks)
    return _predicted(members, model_directory, tracks)


def _predicted(members: Sequence[Member], model_directory: Path, tracks: Tracks) -> pd.DataFrame:
    """Return the tracks' text columns, the most probable genre, and the probability of each genre."""
    probabilities = _mixed(members, tracks, model_directory)
    _check_finite(probabilities, tracks)
    card = members[0].card
    columns = {name: tracks.frame[name] for name in tracks.text_columns}
    columns[LABEL] = pd.Series(np.array(card.genres, dtype=object)[probabilities.argmax(axis=1)], dtype="str")
    for position, genre in enumerate(card.genres):
        columns[f"{PROBABILITY}{genre}"] = pd.Series(probabilities[:, position])
    return pd.DataFrame(columns)


def _mixed(members: Sequence[Member], tracks: Tracks, model_directory: Path) -> np.ndarray:
    """Return the members' probabilities ``(n, genres)`` float64, each times its share, in sum."""
    read: dict[tuple[str, object], RawMatrix] = {}
    for card in (member.card for member in members):
        # all of them before the sentence model runs for a minute
        _check_inputs(_numbers(card), [*tracks.number_columns, *tracks.binary_columns], tracks.source, model_directory)
    found = np.zeros((len(tracks), len(members[0].card.genres)))
    for member in members:
        card = member.card
        kind = card.feature_kind, card.text_model
        if kind not in read:
            read[kind] = raw_matrix(tracks, card.feature_kind, _text_model(card, model_directory))
        found += member.share * _probabilities(member.network, _model_inputs(card, read[kind], model_directory))
    return found


RawMatrix = tuple[np.ndarray, tuple[str, ...], tuple[str, ...]]
"""Features before scaling, as `raw_matrix` returns them."""


def _model_inputs(card: ModelCard, raw: RawMatrix, model_directory: Path) -> np.ndarray:
    """Return the tracks as a network reads them: its inputs, in its order, by its scaler; ``(n, d)`` float32."""
    scaler = card.scaler
    matrix, names, _ = raw
    if _text_width(names, card) != _text_width(scaler.columns, card):
        raise InputError(
            f"the model in {model_directory} reads {_text_width(scaler.columns, card)} numbers of text, but "
            f"the sentence model here gives {_text_width(names, card)}: use the one that it was trained with"
        )
    position = {name: column for column, name in enumerate(names)}
    with np.errstate(over="ignore"):
        return scaler.transform(matrix[:, [position[name] for name in scaler.columns]])


def _numbers(card: ModelCard) -> list[str]:
    """Return the model's inputs that are not text, by their names in a table."""
    return [name for name in card.scaler.columns if not is_text_input(name, card.feature_kind)]


def _text_model(card: ModelCard, model_directory: Path) -> TextModel | None:
    if card.feature_kind == "audio":
        return None
    try:
        return recorded_text_model(card.text_model)
    except InputError as error:
        raise InputError(f"the model in {model_directory} reads text: {error}") from error


def _check_inputs(wanted: Collection[str], found: Collection[str], source: str, model_directory: Path) -> None:
    missing = [name for name in wanted if name not in found]
    if not missing:
        return
    others = [name for name in found if name not in wanted]
    listed = "".join(f"\n  - {name!r}{_hint(name, others)}" for name in missing)
    raise InputError(
        f"{source} lacks {len(missing)} of the {len(wanted)} numbers that the model in "
        f"{model_directory} reads:{listed}\nfound: {', '.join(found) or 'none'}\n"
        "give a table that has them, or name its columns in the mapping that the model was trained with"
    )


def _hint(name: str, others: list[str]) -> str:
    return f" (from a column {RELEASE_DATE!r})" if name == RELEASE_YEAR else did_you_mean(name, others)


def _text_width(names: tuple[str, ...], card: ModelCard) -> int:
    return sum(is_text_input(name, card.feature_kind) for name in names)


def _probabilities(network: GenreMLP, inputs: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        chunks = [network(rows).double().softmax(dim=1) for rows in torch.from_numpy(inputs).split(_CHUNK_ROWS)]
    return torch.cat(chunks).numpy()


def _check_finite(probabilities: np.ndarray, tracks: Tracks) -> None:
    rows = np.flatnonzero(~np.isfinite(probabilities).all(axis=1))
    if len(rows):
        raise InputError(
            f"{tracks.source}: {len(rows)} rows hold numbers too large for the model to give a probability "
            f"(the first is row {rows[0] + 1}): expected numbers like those that it was trained on"
        )
