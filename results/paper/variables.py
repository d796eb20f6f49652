"""The variables of the paper's Table 1, in the order of its training table."""

from __future__ import annotations

from dataclasses import dataclass

_NEVER = "never an input: gives the genre away"


@dataclass(frozen=True)
class Variable:
    """One row of Table 1, and its use in the networks."""

    name: str
    kind: str
    meaning: str
    use: str

    @property
    def is_used(self) -> bool:
        """True where a network reads or learns the variable."""
        return self.use not in (_NEVER, "not used")


PAPER_VARIABLES: tuple[Variable, ...] = (
    Variable("track_name", "text", "title of the song", "text input"),
    Variable("track_popularity", "number", "popularity from 0 to 100, higher is more popular", "audio input"),
    Variable("track_album_id", "text", "unique id of the album", "not used"),
    Variable("track_album_name", "text", "title of the album", "text input"),
    Variable("track_album_release_date", "date", "when the album came out", "audio input: the year"),
    Variable("playlist_name", "text", "name of the playlist that holds the song", _NEVER),
    Variable("playlist_id", "text", "unique id of the playlist", _NEVER),
    Variable("playlist_genre", "category", "genre of the playlist", "label"),
    Variable("playlist_subgenre", "category", "subgenre of the playlist", _NEVER),
    Variable(
        "danceability",
        "number",
        "how suitable for dancing by tempo, rhythm and beat, from 0 to 1",
        "audio input",
    ),
    Variable("energy", "number", "perceived intensity and activity, from 0 to 1", "audio input"),
    Variable("key", "number", "pitch class: 0 is C, 1 is C sharp, up to 11; -1 is unknown", "audio input"),
    Variable("loudness", "number", "average loudness in decibels, mostly from -60 to 0", "audio input"),
    Variable("mode", "0 or 1", "1 is major, 0 is minor", "audio input"),
    Variable("speechiness", "number", "presence of spoken words, from 0 to 1", "audio input"),
    Variable("acousticness", "number", "confidence that the song is acoustic, from 0 to 1", "audio input"),
    Variable("instrumentalness", "number", "confidence that there are no vocals, from 0 to 1", "audio input"),
    Variable("liveness", "number", "presence of an audience in the recording, from 0 to 1", "audio input"),
    Variable("valence", "number", "musical positiveness, from 0 (sad) to 1 (cheerful)", "audio input"),
    Variable("tempo", "number", "estimated beats per minute", "audio input"),
    Variable("duration_ms", "number", "length in milliseconds", "audio input"),
)
