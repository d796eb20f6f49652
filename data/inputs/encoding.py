"""Encodings of the continuous numbers other than standardisation: quantile and piecewise-linear.

An encoding is fitted on the standardised training rows only. Columns that standardisation leaves unchanged (binary
and constant ones) and those of the sentence model pass through.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, Self, get_args

import numpy as np

from data.errors import InputError, did_you_mean
from data.inputs.features import ComparedAsWritten, Features, FeatureScaler, Scaler, is_text_input

Encoding = Literal["standardised", "quantile", "piecewise_linear"]
ENCODINGS: tuple[str, ...] = get_args(Encoding)
QUANTILES = 256
"""The number of points kept from a column's empirical distribution."""
BINS = 32
"""The number of bins per column in the piecewise-linear encoding, before equal edges are merged."""
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True, eq=False)
class ColumnEncoding(ABC):
    """The encoding of one standardised number; ``points``, float64 ``(m,)``, are quantiles of its training rows."""

    points: np.ndarray

    def __post_init__(self) -> None:
        points = np.array(self.points, dtype=np.float64)
        points.setflags(write=False)
        object.__setattr__(self, "points", points)
        if points.ndim != 1 or len(points) < 2 or not np.isfinite(points).all():
            raise ValueError(f"an encoding needs at least two finite points, but got {points}")

    @classmethod
    @abstractmethod
    def fit(cls, values: np.ndarray) -> Self:
        """Fit the points to the training rows of a column, ``(n,)``."""

    @abstractmethod
    def names(self, column: str) -> tuple[str, ...]:
        """Return the names of the ``w`` inputs that represent a column."""

    @abstractmethod
    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return the inputs ``(n, w)`` of a column ``(n,)`` float64."""


class QuantileColumn(ColumnEncoding):
    """An encoding that maps a number through its empirical distribution function to a standard normal.

    As in scikit-learn's ``QuantileTransformer``, it is linear between the points, and a value that many rows share
    gets the middle of its probabilities. Here that also holds at the two ends, and probabilities end half a step
    before 0 and 1, so that a third of zeros, as in ``instrumentalness``, does not become an outlier at -5.2.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (np.diff(self.points) >= 0).all():
            raise ValueError(f"quantiles must not decrease, but got {self.points}")

    @classmethod
    def fit(cls, values: np.ndarray) -> Self:
        """Fit quantiles at equal steps of probability."""
        # rounding may put an interpolated quantile slightly below the previous one
        return cls(np.maximum.accumulate(np.quantile(values, np.linspace(0, 1, QUANTILES))))

    def names(self, column: str) -> tuple[str, ...]:
        """Return one name, the column's own."""
        return (column,)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return normal scores, within about ±3."""
        from scipy.special import ndtri

        probabilities = np.linspace(0, 1, len(self.points))
        above = np.interp(values, self.points, probabilities)
        below = -np.interp(-values, -self.points[::-1], -probabilities[::-1])
        end = probabilities[1] / 2
        return ndtri(np.clip((above + below) / 2, end, 1 - end))[:, None]


class PiecewiseLinearColumn(ColumnEncoding):
    """An encoding of a number as its progress through each of ``w`` bins: full below its own bin, zero above it.

    Gorishniy et al. 2022, "On Embeddings for Numerical Features in Tabular Deep Learning", equation 1, with bins
    between quantiles. Two things differ: components are centred, from -1/2 to 1/2; and the first and the last bin
    extend beyond their outer edge, by at most their own width (-3/2, 3/2).
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (np.diff(self.points) > 0).all():
            raise ValueError(f"edges of bins must increase, but got {self.points}")

    @classmethod
    def fit(cls, values: np.ndarray) -> Self:
        """Fit bin edges at quantiles that are values of rows; equal edges are merged."""
        return cls(np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1), method="inverted_cdf")))

    def names(self, column: str) -> tuple[str, ...]:
        """Return one name per bin: ``tempo[0]``, ``tempo[1]``, ..."""
        return tuple(f"{column}[{place}]" for place in range(len(self.points) - 1))

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return the components of equation 1, bounded and centred."""
        least, most = np.zeros(len(self.points) - 1), np.ones(len(self.points) - 1)
        least[0], most[-1] = -1, 2
        return np.clip((values[:, None] - self.points[:-1]) / np.diff(self.points), least, most) - 0.5


_COLUMNS: Mapping[str, type[ColumnEncoding]] = {"quantile": QuantileColumn, "piecewise_linear": PiecewiseLinearColumn}


@dataclass(frozen=True, kw_only=True, eq=False)
class EncodedScaler(ComparedAsWritten):
    """A `Scaler` that standardises all columns, then encodes some of them.

    ``encoded`` has an entry for each column of ``standardiser`` that does not pass through.
    """

    standardiser: FeatureScaler
    encoding: str
    encoded: Mapping[str, ColumnEncoding]

    def __post_init__(self) -> None:
        if self.encoding not in _COLUMNS:
            raise ValueError(f"encoding must be one of {', '.join(_COLUMNS)}, but got {self.encoding!r}")
        unknown = sorted(set(self.encoded) - set(self.columns))
        if unknown:
            raise ValueError(f"encoded columns must be among {self.columns}, but got {unknown}")

    @classmethod
    def fit(cls, features: Features, encoding: str) -> EncodedScaler:
        """Fit the encoding to the training rows of standardised ``features``."""
        standardiser = features.scaler.standardiser
        varies = {
            name: column
            for column, (name, scale) in enumerate(zip(standardiser.names, standardiser.scale, strict=True))
            if scale != 1 and not is_text_input(name, features.kind)
        }
        fit = _COLUMNS[encoding].fit
        return cls(
            standardiser=standardiser,
            encoding=encoding,
            encoded={name: fit(features.x_train[:, column].astype(np.float64)) for name, column in varies.items()},
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of `data.inputs.features.raw_matrix` that the scaler reads, in order."""
        return self.standardiser.columns

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the resulting inputs; those of a column take the place of the column."""
        return tuple(name for column in self.columns for name in self._names(column))

    def _names(self, column: str) -> tuple[str, ...]:
        return self.encoded[column].names(column) if column in self.encoded else (column,)

    def transform(self, matrix: np.ndarray) -> np.ndarray:
        """Return the inputs, ``(n, len(names))`` float32, C-contiguous, of raw rows ``(n, len(columns))``."""
        return self._encoded(self.standardiser.transform(matrix))

    def encode(self, features: Features) -> Features:
        """Return standardised features in this encoding; the labels are the same arrays."""
        digest = hashlib.sha256(features.fingerprint.encode())
        digest.update(json.dumps([self.encoding, self._points()]).encode())
        arrays: dict[str, Any] = {
            f"x_{s}": self._encoded(getattr(features, f"x_{s}")) for s in ("train", "val", "holdout")
        }
        return replace(features, names=self.names, scaler=self, fingerprint=digest.hexdigest(), **arrays)

    def _encoded(self, x: np.ndarray) -> np.ndarray:
        """Return encoded rows, computed a few at a time so that hardly any memory beside the result is needed."""
        widths = [len(self._names(column)) for column in self.columns]
        starts = np.cumsum([0, *widths])
        passed = [place for place, column in enumerate(self.columns) if column not in self.encoded]
        result = np.empty((len(x), starts[-1]), dtype=np.float32)
        for first in range(0, len(x), _ROWS_AT_ONCE):
            rows, inputs = x[first : first + _ROWS_AT_ONCE], result[first : first + _ROWS_AT_ONCE]
            inputs[:, starts[passed]] = rows[:, passed]
            for place, column in enumerate(self.columns):
                if column in self.encoded:
                    values = rows[:, place].astype(np.float64)
                    inputs[:, starts[place] : starts[place + 1]] = self.encoded[column](values)
        return result

    def _points(self) -> dict[str, list[float]]:
        return {name: column.points.tolist() for name, column in self.encoded.items()}

    def to_json(self) -> dict[str, Any]:
        """Return plain values from which `from_json` restores the same scaler, to the bit."""
        return {"encoding": self.encoding, "points": self._points(), "standardised": self.standardiser.to_json()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> EncodedScaler:
        """Restore a scaler from `to_json`; ``ValueError`` (or ``KeyError``) if it cannot have written the values."""
        encoding, points, standardised = values["encoding"], values["points"], values["standardised"]
        if encoding not in ENCODINGS[1:] or not isinstance(points, Mapping) or not isinstance(standardised, Mapping):
            raise ValueError(f"an encoding of {', '.join(_COLUMNS)}, its points and standardisation must be given")
        return cls(
            standardiser=FeatureScaler.from_json(dict(standardised)),
            encoding=encoding,
            encoded={name: _COLUMNS[encoding](_numbers(column)) for name, column in points.items()},
        )


def _numbers(values: Any) -> np.ndarray:
    if not isinstance(values, list) or not all(isinstance(value, float) for value in values):
        raise ValueError(f"points must be a list of floats, but got {str(values)[:80]}")
    return np.array(values, dtype=np.float64)


def scaler_from_json(values: Mapping[str, Any]) -> Scaler:
    """Restore any scaler that a model directory may hold from its ``to_json``.

    Raises ``ValueError``, ``KeyError`` or ``TypeError`` if the values are not a scaler's.
    """
    return EncodedScaler.from_json(values) if "encoding" in values else FeatureScaler.from_json(dict(values))


def encoding_scaler(features: Features, encoding: str) -> Scaler:
    """Return a scaler to another encoding for standardised features, fitted on their training rows only.

    It is the features' own scaler for ``standardised``, and if there is nothing to encode (text).

    Raises:
        InputError: an unknown encoding.
    """
    if encoding not in ENCODINGS:
        raise InputError(
            f"the encoding {encoding!r}{did_you_mean(encoding, ENCODINGS)} must be one of {', '.join(ENCODINGS)}"
        )
    if encoding == "standardised":
        return features.scaler
    if features.scaler is not features.scaler.standardiser:
        raise ValueError(f"features must be standardised to be encoded, but they are {features.scaler}")
    scaler = EncodedScaler.fit(features, encoding)
    return scaler if scaler.encoded else features.scaler


def encode_features(features: Features, encoding: str) -> Features:
    """Return standardised features in another encoding; see `encoding_scaler`."""
    scaler = encoding_scaler(features, encoding)
    return features if scaler is features.scaler else scaler.encode(features)
