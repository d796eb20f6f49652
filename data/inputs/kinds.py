"""Kinds of inputs and of splits: their names, as settings have them."""

from __future__ import annotations

from enum import StrEnum


class FeatureKind(StrEnum):
    """Kinds of inputs: numbers of the audio, embedded titles, or both."""

    AUDIO = "audio"
    TEXT = "text"
    FUSION = "fusion"


class SplitKind(StrEnum):
    """Kinds of splits: rows at random, or no track, or no album, on two sides."""

    RANDOM = "random"
    TRACK = "track"
    ALBUM = "album"
