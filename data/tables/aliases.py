"""Other names of columns: those of other exports, prefixes, spellings, and words that rule a column out."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from data.tables.columns import ALBUM_NAME, LABEL, MODE, RELEASE_DATE, TRACK_NAME

ALIASES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        TRACK_NAME: ("track", "name", "song", "song_name", "title", "track_title", "song_title"),
        ALBUM_NAME: ("album_name", "album", "album_title", "track_album"),
        RELEASE_DATE: (
            *("release_date", "album_release_date", "track_release_date", "release_year", "released_year", "year"),
            *("date", "released", "album_year", "song_year", "album_date"),
        ),
        LABEL: (
            *("track_genre", "genre", "genres", "song_genre", "music_genre", "main_genre", "top_genre", "genre_top"),
            *("primary_genre", "genre_name", "label", "class", "category", "style", "target"),
        ),
        "track_popularity": ("popularity", "song_popularity", "popularity_score"),
        "duration_ms": (
            *("duration", "track_duration_ms", "song_duration_ms", "duration_in_ms", "length_ms", "track_duration"),
            "length",
        ),
        "tempo": ("bpm", "tempo_bpm", "beats_per_minute"),
        "loudness": ("loudness_db", "db"),
        "energy": ("nrgy",),
        "danceability": ("danceable", "dnce"),
        "acousticness": ("acoustic", "acous"),
        "instrumentalness": ("instrumental",),
        "liveness": ("live",),
        "valence": ("val",),
        "speechiness": ("spch",),
        MODE: ("audio_mode",),
    }
)
"""Names of other exports of the same service, the likeliest first."""
_PREFIXES = frozenset({"audio", "data", "feature", "features", "item", "song", "spotify", "track", "tracks"})
"""Words before a dot or a dash that only name a column's origin: ``audio_features.energy``."""
NOT_A_TRACKS_OWN = frozenset(
    {
        *("id", "ids", "uuid", "uri", "url", "href", "link", "links", "isrc", "image", "preview", "index", "unnamed"),
        *("artist", "artists", "playlist", "playlists", "user", "genre", "genres", "subgenre", "subgenres"),
    }
)
"""Words in the names of identifiers, of properties of something other than the track, and of genre giveaways."""
_NOT_A_GENRE = frozenset({"id", "ids", "uri", "url", "subgenre", "subgenres", "sub", "artist", "artists", "count"})
_ALIKE = 0.84
"""The least ratio of two spellings of one name (``difflib.SequenceMatcher.ratio``)."""


def same(column: str, name: str, spare: Sequence[str]) -> list[str]:
    """Return the columns that differ from the wanted name only in how words are joined."""
    return [c for wanted in (column, name) for c in spare if compact(c) == compact(wanted)]


def by_alias(column: str, name: str, spare: Sequence[str]) -> list[str]:
    """Return the columns with an alias of the wanted name in other exports, the likeliest first."""
    return [c for alias in _aliases(column, name, spare) for c in spare if compact(c) == compact(alias)]


def without_prefix(column: str, name: str, spare: Sequence[str]) -> list[str]:
    """Return the columns with the wanted name or an alias after words that only name their origin."""
    bare = {c: "".join(_bare(c)) for c in spare}
    return [c for alias in (column, name, *_aliases(column, name, spare)) for c in spare if bare[c] == compact(alias)]


def spelt_alike(column: str, name: str, spare: Sequence[str]) -> list[str]:
    """Return the columns that look like another spelling of the wanted one, the nearest first."""
    joined = {c: compact(c) for c in spare}
    near = difflib.get_close_matches(compact(column), joined.values(), n=3, cutoff=_ALIKE)
    return [c for wanted in near for c in spare if joined[c] == wanted]


def named_genre(column: str, name: str, spare: Sequence[str]) -> list[str]:
    """Return the columns with the word genre among others in their names, if a genre is wanted."""
    return [c for c in spare if _says_genre(c)] if name == LABEL else []


def _aliases(column: str, name: str, spare: Sequence[str]) -> list[str]:
    """Return aliases of the wanted name; only those that say genre if a genre is wanted and some column says so."""
    aliases = (*ALIASES.get(column, ()), *ALIASES.get(name, ()))
    # beside a genre, a label is a record label
    named = name == LABEL and any(_says_genre(c) for c in spare)
    return [alias for alias in aliases if not named or _says_genre(alias)]


def _says_genre(name: str) -> bool:
    return bool({"genre", "genres"} & set(words(name))) and not {"id", "ids"} & set(words(name))


def words(name: str) -> list[str]:
    """Return the words of a name, however they are joined: ``track.duration-ms``, ``Duration (ms)``, ``durationMs``."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return re.findall(r"[^\W_]+", apart.casefold())


def compact(name: str) -> str:
    """Return a name in lower case without the characters that join its words."""
    return "".join(words(name))


def plain(name: str) -> str:
    """Return a name in the style of the public file: lower case, words joined by ``_``."""
    return "_".join(words(name))


def _bare(name: str) -> list[str]:
    bare = words(name)
    while len(bare) > 1 and bare[0] in _PREFIXES:
        bare = bare[1:]
    return bare


def may_be(candidate: str, name: str) -> bool:
    """Return whether no word in its name rules a column out: ``artist_name`` is no title, ``genre_id`` no genre."""
    return not set(words(candidate)) & (_NOT_A_GENRE if name == LABEL else NOT_A_TRACKS_OWN)
