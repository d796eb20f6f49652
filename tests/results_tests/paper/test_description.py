from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from data.tables.columns import GIVEAWAYS, PAPER_NUMBERS
from data.tables.tracks import load_tracks
from results.paper.description import correlation_heatmap, describe, genre_pie, write_description
from results.paper.published import PAPER_STATISTICS
from results.paper.scorecard import statistics_beside_paper, statistics_line
from results.rendering.figures import HeatmapData, PieData, draw_heatmap, draw_pie
from search.cli.texts.report import correlation_triangle, genres_with_bars
from search.cli.texts.tables import frame_table
from tests.support.tables import edited, table, tracks_of

EVIL = "</script><script>alert(1)</script>"
FILES = [
    "variables.csv",
    "genres.csv",
    "statistics.csv",
    "correlations.csv",
    "description.md",
    "description.html",
]


def test_variables_and_what_they_are_used_for(tmp_path):
    variables = describe(tracks_of(table(), tmp_path)).variables.set_index("name")["use"]
    assert len(variables) == 21
    for name in GIVEAWAYS:
        assert variables[name].startswith("never an input")
    inputs = variables[variables.str.startswith("audio input")]
    assert {*inputs.index} == {*PAPER_NUMBERS, "mode", "track_album_release_date"}
    assert variables["playlist_genre"] == "label"


def test_genres_largest_first_then_by_name(tmp_path):
    frame = table(7, genres=("b", "a", "c"))
    genres = describe(tracks_of(frame, tmp_path)).genres
    assert genres["genre"].tolist() == ["b", "a", "c"]
    assert genres["tracks"].tolist() == [3, 2, 2]
    assert genres["share"].sum() == pytest.approx(1)


def test_statistics_and_correlations(tmp_path):
    tracks = tracks_of(table(), tmp_path)
    description = describe(tracks)
    assert len(description.numbers) == 13
    assert "release_year" not in description.numbers
    matrix = tracks.frame[list(description.numbers)].to_numpy()
    expected = np.vstack([matrix.mean(0), matrix.std(0, ddof=1), np.quantile(matrix, [0, 0.25, 0.5, 0.75, 1], axis=0)])
    np.testing.assert_allclose(description.statistics[list(description.numbers)], expected)
    np.testing.assert_allclose(correlation_heatmap(description).values, np.corrcoef(matrix.T), atol=1e-12)


def test_a_table_without_genres_and_with_a_constant_column(tmp_path):
    frame = edited(table(6), tempo=dict.fromkeys(range(6), "120")).drop(columns="playlist_genre")
    description = describe(tracks_of(frame, tmp_path, require_genre=False))
    assert not len(description.genres)
    assert np.isnan(description.correlations.set_index("variable").loc["tempo", "energy"])
    write_description(description, tmp_path / "out")
    assert 'id="genres"' not in (tmp_path / "out" / "description.html").read_text(encoding="utf-8")


def test_numbers_that_only_a_mapping_knows(tmp_path):
    mapping = tmp_path / "m.toml"
    mapping.write_text("[text]\n[numbers]\nbeat = 'tempo'\nenergy = 'energy'\nmajor = 'mode'\n")
    mapping.write_text("binary = ['major']\n" + mapping.read_text())
    description = describe(tracks_of(table(), tmp_path, mapping=mapping))
    assert description.numbers == ("energy", "beat", "major")
    variables = description.variables.set_index("name")
    assert variables.loc["tempo", "use"] == variables.loc["track_name", "use"] == "absent"
    assert variables.loc["major", "kind"] == "0 or 1"


def test_files(tmp_path):
    tracks = tracks_of(table(), tmp_path)
    description = describe(tracks)
    for _ in range(2):
        written = write_description(description, tmp_path / "out")
    assert [path.name for path in written] == FILES
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*FILES}
    statistics = pd.read_csv(tmp_path / "out" / "statistics.csv")
    pd.testing.assert_frame_equal(statistics, description.statistics, check_dtype=False)
    assert "| mean |" in (tmp_path / "out" / "description.md").read_text(encoding="utf-8")


def test_the_page_fetches_nothing_and_escapes_what_users_wrote(tmp_path):
    tracks = replace(tracks_of(table(20, genres=(EVIL, "<b>r&b</b>")), tmp_path), source=EVIL)
    write_description(describe(tracks), tmp_path / "out")
    text = (tmp_path / "out" / "description.html").read_text(encoding="utf-8")
    assert EVIL not in text
    assert "<b>r&b" not in text
    assert not re.search(r"<(script|link|img)[^>]*\b(src|href)=", text)
    assert text.count("plotly.js v") == 1
    assert {'id="genres"', 'id="correlations"'} <= set(re.findall(r'id="\w+"', text))


def test_pie_and_heatmap_draw_their_data(tmp_path):
    description = describe(tracks_of(table(), tmp_path))
    pie = draw_pie(genre_pie(description)).data[0]
    assert list(pie.values) == description.genres["tracks"].tolist()
    assert "r&amp;b" in pie.labels
    heatmap = draw_heatmap(correlation_heatmap(description)).data[0]
    assert list(heatmap.x) == list(heatmap.y) == list(description.numbers)
    assert np.diag(np.array(heatmap.z, dtype=float)) == pytest.approx(1)


def test_records_check_themselves(tmp_path):
    with pytest.raises(ValueError, match="one count"):
        PieData(title="", labels=("a",), values=())
    with pytest.raises(ValueError, match="2 labels"):
        HeatmapData(title="", labels=("a", "b"), values=np.zeros((1, 1)))
    description = describe(tracks_of(table(), tmp_path))
    with pytest.raises(ValueError, match="one row for each"):
        replace(description, statistics=description.statistics.head(3))
    with pytest.raises(ValueError, match="correlations of"):
        replace(description, correlations=description.correlations.head(3))


def test_the_papers_table(real_data: Path):
    path = real_data / "train.csv"
    description = describe(load_tracks(path))
    assert {*PAPER_STATISTICS} == {*description.numbers}
    beside = statistics_beside_paper(description.statistics)
    assert len(beside) == 7 * 13
    assert (beside["ours"] == beside["paper"]).all()
    assert (beside["difference"] == 0).all()
    assert statistics_line(beside).startswith("Table 2: 91 of 91 figures")
    counts = dict(zip(description.genres["genre"], description.genres["tracks"], strict=True))
    assert counts == {"rap": 4594, "pop": 4406, "r&b": 4345, "latin": 4122, "rock": 3961}


def test_a_table_that_is_not_the_papers_says_where_it_is_farthest(tmp_path):
    frame = edited(table(6), duration_ms=dict.fromkeys(range(6), "200000"))
    beside = statistics_beside_paper(describe(tracks_of(frame, tmp_path)).statistics)
    cells = beside.set_index(["variable", "statistic"])
    assert cells.loc[("duration_ms", "max"), "difference"] == 200000 - 517810
    assert "-317,810.00, in the max of duration_ms" in statistics_line(beside)


def test_the_terminals_tables_are_at_most_100_columns_wide(tmp_path):
    description = describe(tracks_of(table(30, genres=("b", "a", "c")), tmp_path))
    triangle = correlation_triangle(description.correlations)
    assert triangle.iloc[2, 2] == f"{description.correlations.iloc[2, 2]:.2f}".replace("0.", ".", 1)
    assert triangle.iloc[0, 1] == triangle.iloc[1, 2] == ""
    bars = genres_with_bars(description.genres.assign(share=[0.5, 0.25, 0.25]))
    assert [len(bar) for bar in bars[""]] == [40, 20, 20]
    for frame in (triangle, bars):
        assert Console(width=1000).measure(frame_table(frame, "")).maximum <= 100
