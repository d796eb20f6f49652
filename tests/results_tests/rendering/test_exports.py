from __future__ import annotations

import csv
import json
import os
import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from data.errors import InputError
from results.rendering.exports import check_suffix, markdown_table, plain_number, write_table

FRAME = pd.DataFrame(
    {"track_name": ["Ёлка, «снег»", "None", 'a "b"\nc'], "tempo": [-1.5, 0.1, 2e-30], "key": [3, -1, 11]}
)


@pytest.mark.parametrize("suffix", ["csv", "parquet", "json", "CSV"])
def test_every_format_gives_the_rows_back(tmp_path, suffix):
    path = write_table(FRAME, tmp_path / "new" / f"table.{suffix}")
    read = {
        "csv": lambda: pd.read_csv(path, keep_default_na=False),
        "parquet": lambda: pd.read_parquet(path),
        "json": lambda: pd.DataFrame(json.loads(path.read_text(encoding="utf-8"))),
    }
    pd.testing.assert_frame_equal(read[suffix.lower()](), FRAME, check_dtype=False, rtol=1e-14)
    assert os.listdir(path.parent) == [path.name]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=1))
@example(["-5.3", "+1e-3", "-1+1", "-", "-1\n", "=1"])
def test_csv_cells_are_never_formulas_and_otherwise_as_they_were(tmp_path_factory, cells):
    path = write_table(pd.DataFrame({"a": cells, "n": -1.0}), tmp_path_factory.mktemp("csv") / "t.csv")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    for (written, number), cell in zip(rows, cells, strict=True):
        number_as_such = re.fullmatch(r"[-+]?[0-9.]+([eE][-+]?[0-9]+)?", written)
        assert number_as_such or not written.startswith(("=", "+", "-", "@", "\t", "\r"))
        assert written in (cell, f"'{cell}")
        assert number == "-1.0"


def test_csv_names_of_columns_and_categories_are_no_formulas_either(tmp_path):
    frame = pd.DataFrame({"=1+1": pd.Categorical(["@x", "y"]), "b": [True, False]})
    text = write_table(frame, tmp_path / "t.csv").read_text(encoding="utf-8")
    assert '"\'=1+1"' in text
    assert '"\'@x"' in text


def test_other_suffixes(tmp_path):
    with pytest.raises(InputError, match=r"\.xlsx"):
        write_table(FRAME, tmp_path / "t.xlsx")
    with pytest.raises(InputError, match=r"did you mean '\.parquet'"):
        check_suffix(Path("t.parquett"))
    with pytest.raises(InputError, match="none of them"):
        check_suffix(Path("table"))
    assert not list(tmp_path.iterdir())


def test_places_that_cannot_be_written(tmp_path):
    (tmp_path / "t.csv").mkdir()
    with pytest.raises(InputError, match="is a directory"):
        write_table(FRAME, tmp_path / "t.csv")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        write_table(FRAME, tmp_path / "file" / "t.csv")


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = write_table(FRAME, tmp_path / "t.csv")
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match="No space left"):
        write_table(FRAME.head(1), path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["t.csv"]


def test_markdown_cells_cannot_break_out():
    frame = pd.DataFrame({"a|b": ["x|y\n<b>`z`", "[l](u)"], "n": [0.695, float("nan")], "k": [12345, 1]})
    assert markdown_table(frame).splitlines() == [
        "| a\\|b | n | k |",
        "| --- | ---: | ---: |",
        "| x\\|y &lt;b&gt;\\`z\\` | 0.70 | 12,345 |",
        "| \\[l\\](u) | – | 1 |",
    ]


def test_numbers_as_people_round_them():
    assert [plain_number(value) for value in (0.695, 0.815, -0.0049, 226668.716)] == [
        "0.70",
        "0.82",
        "-0.00",
        "226,668.72",
    ]


@pytest.mark.parametrize("cell", [b"\xff", {"a": b"\xff"}, [b"\xff"], b"a\xff"])
def test_json_holds_what_is_no_text_as_csv_does(tmp_path, cell):
    frame = pd.DataFrame({"name": ["a", "b"], "x": [cell, cell], "n": [1, 2.5]})
    rows = json.loads(write_table(frame, tmp_path / "t.json").read_text(encoding="utf-8"))
    with write_table(frame, tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        assert [row["x"] for row in rows] == [row[1] for row in csv.reader(file)][1:]
    assert [row["n"] for row in rows] == [1, 2.5] and rows[1]["name"] == "b"


def test_json_of_text_that_utf_8_cannot_hold_has_its_escape(tmp_path):
    frame = pd.DataFrame({"x": pd.Series(["\ud800", None], dtype=object)})
    rows = json.loads(write_table(frame, tmp_path / "t.json").read_text(encoding="utf-8"))
    assert rows == [{"x": r"\ud800"}, {"x": None}]
