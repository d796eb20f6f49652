"""Matrices for networks: audio (14), text (384), fusion (398), scaled by statistics of the training rows."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from data.errors import InputError, did_you_mean
from data.inputs.kinds import FeatureKind
from data.inputs.splits import Split
from data.tables.columns import ALBUM_NAME, TRACK_NAME
from data.tables.genres import a_few
from data.tables.tracks import Tracks
from data.titles.text_model import TextModel, find_text_model

if TYPE_CHECKING:
    from data.titles.embeddings import Encoder


FEATURE_KINDS = tuple(kind.value for kind in FeatureKind)
# Two of the sentence model's columns vary by 1e-33 around zero: noise, whatever its relative size.
_CONSTANT_RELATIVE, _CONSTANT_ABSOLUTE = 1e-12, 1e-24
_TEXT_INPUT = re.compile(r"text_\d{3,}")


class Scaler(Protocol):
    """A map from the numbers of a table to the inputs of a network, fitted on the training rows."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of `raw_matrix` that the scaler reads, in order."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the resulting inputs, in order."""

    @property
    def standardiser(self) -> FeatureScaler:
        """The first step, standardisation."""

    def encode(self, features: Features) -> Features:
        """Run the second step: return standardised features in this scaler's encoding."""

    def transform(self, matrix: np.ndarray) -> np.ndarray:
        """Run both steps: ``(n, len(columns))`` raw numbers to ``(n, len(names))`` float32, C-contiguous."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values from which ``data.inputs.encoding.scaler_from_json`` restores this scaler, to the bit."""


class ComparedAsWritten:
    """A base of scalers: two are equal if ``to_json`` is, since arrays as fields have no single truth."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values that say all."""
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and json.dumps(other.to_json()) == json.dumps(self.to_json())

    def __hash__(self) -> int:
        return hash(json.dumps(self.to_json()))


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureScaler(ComparedAsWritten):
    """A `Scaler` that standardises columns: ``(x - mean) / scale``, both float64 ``(d,)``; 0 and 1 change nothing."""

    names: tuple[str, ...]
    mean: np.ndarray
    scale: np.ndarray

    def __post_init__(self) -> None:
        for name in ("mean", "scale"):
            values = np.array(getattr(self, name), dtype=np.float64)
            values.setflags(write=False)
            object.__setattr__(self, name, values)
            if values.shape != (len(self.names),) or not np.isfinite(values).all():
                raise ValueError(f"{name} must hold {len(self.names)} finite numbers, but got {values}")
        if not (self.scale > 0).all():
            raise ValueError(f"scale must be positive, but got {self.scale}")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns read, which are also the inputs produced."""
        return self.names

    @property
    def standardiser(self) -> FeatureScaler:
        """The scaler itself, since standardisation is its only step."""
        return self

    def encode(self, features: Features) -> Features:
        """Return the features unchanged, since nothing follows standardisation."""
        return features

    @classmethod
    def fit(cls, matrix: np.ndarray, names: tuple[str, ...], binary: tuple[str, ...] = ()) -> FeatureScaler:
        """Fit the mean and the (population) standard deviation of each column of ``matrix`` ``(n, d)``.

        ``binary`` columns pass through; a column that is constant to 1e-12 of its size has scale 1.
        Raises ``InputError`` for columns of numbers so large that their squares overflow.
        """
        values = np.asarray(matrix, dtype=np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            mean, scale = values.mean(axis=0), values.std(axis=0)
        _check_sizes(names, np.isfinite(mean) & np.isfinite(scale))
        size = np.abs(values).max(axis=0)
        scale[scale <= np.maximum(_CONSTANT_RELATIVE * size, _CONSTANT_ABSOLUTE)] = 1.0
        passed = np.isin(names, binary)
        mean[passed], scale[passed] = 0.0, 1.0
        return cls(names=tuple(names), mean=mean, scale=scale)

    def transform(self, matrix: np.ndarray) -> np.ndarray:
        """Return scaled rows, ``(n, d)`` float32, C-contiguous."""
        if matrix.shape[1:] != (len(self.names),):
            raise ValueError(f"matrix must have {len(self.names)} columns, but has shape {matrix.shape}")
        return np.ascontiguousarray((matrix - self.mean) / self.scale, dtype=np.float32)

    def to_json(self) -> dict[str, Any]:
        """Return plain lists from which `from_json` restores the same numbers, to the bit."""
        return {"names": list(self.names), "mean": self.mean.tolist(), "scale": self.scale.tolist()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> FeatureScaler:
        """Restore a scaler from `to_json`."""
        return cls(names=tuple(values["names"]), mean=values["mean"], scale=values["scale"])


def _check_sizes(names: tuple[str, ...], fine: np.ndarray) -> None:
    """Raise ``InputError`` where the mean or the spread of a column is no finite number."""
    if not fine.all():
        wild = a_few([repr(name) for name, ok in zip(names, fine, strict=True) if not ok])
        raise InputError(f"{wild}: numbers too large to be standardised (their squares overflow): correct such rows")


@dataclass(frozen=True, kw_only=True, eq=False)
class Features:
    """All data that a network trains on.

    ``x_*``: ``(n, d)`` float32, C-contiguous; ``y_*``: ``(n,)`` int64, positions in ``genres`` (sorted).
    ``names`` are the ``d`` columns. ``fingerprint`` identifies data, split, kind, scaler and text model.
    """

    names: tuple[str, ...]
    genres: tuple[str, ...]
    x_train: np.ndarray
    y_train: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray
    x_holdout: np.ndarray
    y_holdout: np.ndarray
    scaler: Scaler
    fingerprint: str
    kind: FeatureKind
    text_model: TextModel | None = None
    """The model that produced the text columns, if there are any."""

    def __post_init__(self) -> None:
        for side in ("train", "val", "holdout"):
            x, y = getattr(self, f"x_{side}"), getattr(self, f"y_{side}")
            if x.shape != (len(y), len(self.names)) or x.dtype != np.float32 or not x.flags.c_contiguous:
                raise ValueError(f"x_{side} must be C-contiguous float32 ({len(y)}, {len(self.names)})")
            if y.dtype != np.int64 or (len(y) and not 0 <= y.min() <= y.max() < len(self.genres)):
                raise ValueError(f"y_{side} must be int64 positions in {self.genres}")


def build_features(
    tracks: Tracks,
    split: Split,
    kind: str = "audio",
    *,
    scaler: Scaler | None = None,
    text_model: TextModel | None = None,
    encoder: Encoder | None = None,
) -> Features:
    """Build the matrices and labels of each side; scaler and label order come from the training rows only.

    ``scaler`` replaces the fitted one: a network that continues from another's weights keeps its scaling and its
    encoding. ``text_model`` embeds the titles, by default the packaged one; ``encoder`` determines where it runs.

    Paper, section on features: audio is 14 numbers (standardised, ``mode`` unchanged), text is the 384
    numbers of "album name + track name" (standardised), fusion is audio then text.

    Raises:
        InputError: an unknown kind, no genres, or text features without the text columns.
    """
    matrix, names, binary = raw_matrix(tracks, kind, text_model, encoder)
    text_model = None if kind == "audio" else text_model or find_text_model()
    standardiser = scaler.standardiser if scaler else FeatureScaler.fit(matrix[split.train], names, binary)
    genres = tuple(sorted(set(tracks.genres[split.train])))
    labels = _labels(tracks.genres, genres, split)
    arrays: dict[str, Any] = {}
    for side in ("train", "val", "holdout"):
        rows = getattr(split, side)
        arrays |= {f"x_{side}": standardiser.transform(matrix[rows]), f"y_{side}": labels[rows]}
    features = Features(
        names=names,
        genres=genres,
        scaler=standardiser,
        fingerprint=_fingerprint(tracks, split, kind, standardiser, text_model),
        kind=FeatureKind(kind),
        text_model=text_model,
        **arrays,
    )
    return scaler.encode(features) if scaler else features


def is_text_input(name: str, kind: str) -> bool:
    """Return whether a column of `raw_matrix` of this kind comes from the sentence model."""
    return kind != "audio" and _TEXT_INPUT.fullmatch(name) is not None


def raw_matrix(
    tracks: Tracks, kind: str, text_model: TextModel | None = None, encoder: Encoder | None = None
) -> tuple[np.ndarray, tuple[str, ...], tuple[str, ...]]:
    """Return the features before scaling: ``(n, d)`` floats, the ``d`` names, and the names of the binary ones."""
    if kind not in FEATURE_KINDS:
        raise InputError(
            f"--features {kind}{did_you_mean(kind, FEATURE_KINDS)}: must be one of {', '.join(FEATURE_KINDS)}"
        )
    if kind == "audio":
        return audio_matrix(tracks)
    text = _text_matrix(tracks, text_model, encoder)
    text_names = tuple(f"text_{column:03d}" for column in range(text.shape[1]))
    if kind == "text":
        return text, text_names, ()
    audio, audio_names, binary = audio_matrix(tracks)
    return np.hstack([audio, text]), audio_names + text_names, binary


def audio_matrix(tracks: Tracks) -> tuple[np.ndarray, tuple[str, ...], tuple[str, ...]]:
    """Return unscaled audio features: ``(n, 14)`` float64 in the paper's order, their names, and the binary ones."""
    names = (*tracks.number_columns, *tracks.binary_columns)
    return tracks.frame[list(names)].to_numpy(dtype=np.float64), names, tracks.binary_columns


def _text_matrix(tracks: Tracks, text_model: TextModel | None, encoder: Encoder | None) -> np.ndarray:
    missing = [name for name in (ALBUM_NAME, TRACK_NAME) if name not in tracks.text_columns]
    if missing:
        raise InputError(
            f"text features need {' and '.join(missing)}, which {tracks.source} has not: "
            "give a table that has them, or name their columns in [text] of a mapping"
        )
    from data.titles.embeddings import embed_titles

    albums, names = tracks.frame[ALBUM_NAME].tolist(), tracks.frame[TRACK_NAME].tolist()
    return embed_titles(albums, names, model=text_model, encoder=encoder)


def _labels(of_rows: np.ndarray, genres: tuple[str, ...], split: Split) -> np.ndarray:
    used = np.concatenate([split.train, split.val, split.holdout])
    unseen = sorted(set(of_rows[used]) - set(genres))
    if unseen:
        raise InputError(f"{len(unseen)} genres without a training row: {a_few(unseen)}")
    position = {genre: index for index, genre in enumerate(genres)}
    return np.array([position.get(genre, -1) for genre in of_rows], dtype=np.int64)


def _fingerprint(tracks: Tracks, split: Split, kind: str, scaler: FeatureScaler, text_model: TextModel | None) -> str:
    digest = hashlib.sha256(f"{tracks.fingerprint}\x1e{kind}\x1e{split.kind}\x1e".encode())
    for rows in (split.train, split.val, split.holdout):
        digest.update(f"{len(rows)}\x1e".encode() + rows.astype("<i8").tobytes())
    digest.update("\x1e".join(scaler.names).encode())
    # the last bits of a mean differ between machines, those of an embedding much more: its model is hashed instead
    audio = 0 if kind == "text" else len(tracks.number_columns) + len(tracks.binary_columns)
    for values in (scaler.mean[:audio], scaler.scale[:audio]):
        digest.update(" ".join(f"{value:.10g}" for value in values).encode())
    if text_model is not None:
        digest.update(text_model.sha256.encode())
    return digest.hexdigest()
