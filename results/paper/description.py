"""Description of a table of tracks: its variables, genres, statistics and correlations (paper 2.1, 2.2)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from data.tables.columns import LABEL, RELEASE_DATE, RELEASE_YEAR, ColumnMapping
from data.tables.tracks import Source, Tracks, load_tracks
from results.paper.published import STATISTICS
from results.paper.variables import PAPER_VARIABLES, Variable
from results.rendering.exports import html_table, markdown_table, write_file, write_table
from results.rendering.figures import HeatmapData, PieData, draw_heatmap, draw_pie, figure_html, page


@dataclass(frozen=True, kw_only=True, eq=False)
class Description:
    """The paper's first tables, as dataframes with the index 0, 1, ...

    ``variables`` (Table 1): ``name``, ``kind``, ``meaning``, ``use``. ``genres``: ``genre``, ``tracks``,
    ``share``, the largest first; no rows where the table has no genres. ``statistics`` (Table 2):
    ``statistic`` and one float column per number of the table (the paper: thirteen). ``correlations``:
    ``variable`` and the same columns, Pearson; NaN where a column is constant.
    """

    source: str
    rows: int
    variables: pd.DataFrame
    genres: pd.DataFrame
    statistics: pd.DataFrame
    correlations: pd.DataFrame

    def __post_init__(self) -> None:
        if tuple(self.statistics["statistic"]) != STATISTICS:
            raise ValueError(f"one row for each of {STATISTICS} must hold, but got {list(self.statistics.iloc[:, 0])}")
        if list(self.correlations["variable"]) != list(self.numbers):
            raise ValueError(f"correlations of {self.numbers} must hold, but got {list(self.correlations.columns)}")

    @property
    def numbers(self) -> tuple[str, ...]:
        """The columns that `statistics` and `correlations` describe."""
        return tuple(self.statistics.columns[1:])


def describe(tracks: Tracks | Source, mapping: str | Path | ColumnMapping | None = None) -> Description:
    """Describe a table of tracks, labelled or not; a path, a word or a DataFrame is read as ``load_tracks`` does.

    Statistics are of the numbers in the table itself (``std`` of the sample, quartiles interpolated). The release year
    is not among them, since it is derived from a date.
    """
    if not isinstance(tracks, Tracks):
        tracks = load_tracks(tracks, mapping=mapping, require_genre=False)
    names = _number_names(tracks)
    return Description(
        source=tracks.source,
        rows=len(tracks),
        variables=_variables(tracks),
        genres=_genres(tracks),
        statistics=_statistics(tracks.frame[names]),
        correlations=_correlations(tracks.frame[names]),
    )


def write_description(description: Description, directory: Path) -> tuple[Path, ...]:
    """Write the tables as CSV, one Markdown file, and a page with interactive figures, and return the files.

    Each file appears whole or not at all. Raises ``InputError`` where the directory cannot be written to.
    """
    tables = {
        "variables.csv": description.variables,
        "genres.csv": description.genres,
        "statistics.csv": description.statistics,
        "correlations.csv": description.correlations,
    }
    texts = {"description.md": as_markdown(description), "description.html": as_page(description)}
    return (
        *(write_table(frame, directory / name) for name, frame in tables.items()),
        *(write_file(directory / name, text.encode()) for name, text in texts.items()),
    )


def genre_pie(description: Description) -> PieData:
    """Return the genre distribution as a pie (paper 2.2)."""
    return PieData(
        title=f"Genres of {description.rows:,} tracks",
        labels=tuple(description.genres["genre"]),
        values=tuple(int(count) for count in description.genres["tracks"]),
    )


def correlation_heatmap(description: Description) -> HeatmapData:
    """Return the correlation matrix as a heatmap (paper 2.2)."""
    return HeatmapData(
        title="Pearson correlation of the numbers",
        labels=description.numbers,
        values=description.correlations[list(description.numbers)].to_numpy(dtype=np.float64),
    )


def as_markdown(description: Description) -> str:
    """Return the four tables as Markdown under one title."""
    body = "".join(f"\n## {heading}\n\n{markdown_table(frame)}" for heading, frame in _sections(description))
    source = markdown_table(pd.DataFrame({"table": [description.source], "rows": [description.rows]}))
    return f"# Description of the tracks\n\n{source}{body}"


def as_page(description: Description) -> str:
    """Return the four tables and the two figures as one self-contained HTML page."""
    figures = {"Correlation matrix": figure_html(draw_heatmap(correlation_heatmap(description)), "correlations")}
    if len(description.genres):
        figures["Genre distribution"] = figure_html(draw_pie(genre_pie(description)), "genres")
    sections = [(heading, figures.get(heading, "") + html_table(frame)) for heading, frame in _sections(description)]
    return page(f"Tracks of {description.source}", sections)


def _sections(description: Description) -> list[tuple[str, pd.DataFrame]]:
    shares = description.genres.assign(share=[f"{share:.1%}" for share in description.genres["share"]])
    return [
        ("Table 1: variables", description.variables),
        *([("Genre distribution", shares)] if len(shares) else []),
        ("Table 2: statistics", description.statistics),
        ("Correlation matrix", description.correlations),
    ]


def _number_names(tracks: Tracks) -> list[str]:
    """Return Table 2's columns: the paper's in its order, then those that only a mapping names."""
    found = {*tracks.number_columns, *tracks.binary_columns} - ({RELEASE_YEAR} if _year_is_read(tracks) else set())
    paper = [variable.name for variable in PAPER_VARIABLES if variable.name in found]
    others = [name for name in (*tracks.number_columns, *tracks.binary_columns) if name in found]
    return list(dict.fromkeys([*paper, *others]))


def _year_is_read(tracks: Tracks) -> bool:
    return RELEASE_DATE in tracks.frame.columns


def _variables(tracks: Tracks) -> pd.DataFrame:
    known = {variable.name for variable in PAPER_VARIABLES}
    rows = [
        (
            variable.name,
            variable.kind,
            variable.meaning,
            variable.use if _is_there(variable, tracks) else "absent",
        )
        for variable in PAPER_VARIABLES
    ]
    for name in _number_names(tracks):
        if name not in known:
            kind = "0 or 1" if name in tracks.binary_columns else "number"
            rows.append((name, kind, "as the column mapping names it", "audio input"))
    return pd.DataFrame(rows, columns=["name", "kind", "meaning", "use"], dtype="str")


def _is_there(variable: Variable, tracks: Tracks) -> bool:
    if variable.name == LABEL:
        return tracks.has_genre
    return not variable.is_used or variable.name in tracks.frame.columns


def _genres(tracks: Tracks) -> pd.DataFrame:
    genres = tracks.genres if tracks.has_genre else np.array([], dtype=object)
    # sorted by name first, so that genres of equal size keep one order
    counts = pd.Series(genres, dtype="str").value_counts().sort_index().sort_values(ascending=False, kind="stable")
    return pd.DataFrame(
        {
            "genre": pd.Series(counts.index, dtype="str"),
            "tracks": counts.to_numpy(dtype=np.int64),
            "share": counts.to_numpy(dtype=np.float64) / max(len(genres), 1),
        }
    )


def _statistics(numbers: pd.DataFrame) -> pd.DataFrame:
    statistics = numbers.describe().loc[list(STATISTICS)] if numbers.shape[1] else pd.DataFrame(index=STATISTICS)
    statistics.insert(0, "statistic", pd.Series(STATISTICS, index=STATISTICS, dtype="str"))
    return statistics.reset_index(drop=True)


def _correlations(numbers: pd.DataFrame) -> pd.DataFrame:
    correlations = numbers.corr(method="pearson")
    correlations.insert(0, "variable", pd.Series(numbers.columns, index=numbers.columns, dtype="str"))
    return correlations.reset_index(drop=True)
