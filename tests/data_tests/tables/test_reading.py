from __future__ import annotations

import gzip

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.errors import InputError
from data.tables.reading import read_table
from data.tables.tracks import load_tracks
from tests.support.tables import table, write_csv


@pytest.mark.parametrize("sep", [",", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_separator_and_mark_are_told_by_content(tmp_path, sep, encoding):
    frame = table()
    frame.loc[0, "track_name"] = 'Он сказал, "да", и\tушёл'
    path = write_csv(frame, tmp_path / "table.dat", sep, encoding)
    pd.testing.assert_frame_equal(read_table(path).astype(object), frame, check_column_type=False)


def test_windows_and_old_line_ends(tmp_path):
    text = table(5).to_csv(index=False)
    for ending in ("\r\n", "\r"):
        path = tmp_path / "t.csv"
        path.write_bytes(text.replace("\n", ending).encode())
        assert read_table(path).shape == (5, len(table(1).columns))


def test_parquet_under_any_name(tmp_path):
    path = tmp_path / "table.csv"
    table().to_parquet(path)
    assert read_table(path)["track_name"].tolist() == table()["track_name"].tolist()


def test_words_that_pandas_would_take_for_missing_survive(tmp_path):
    words = ["None", "null", "nan", "N/A", "NULL", "n/a", "<NA>", "#N/A", "NaN"]
    frame = table()
    frame.loc[: len(words) - 1, "track_name"] = words
    tracks = load_tracks(write_csv(frame, tmp_path / "t.csv"))
    assert tracks.frame["track_name"][: len(words)].tolist() == words
    assert tracks.warnings == ()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"\xef\xbb\xbf \r\n", "is empty"),
        (b"\x7fELF\x00\x00\x01", "is a binary file"),
        (gzip.compress(b"a,b", mtime=0), "gzip-compressed"),
        (b"PK\x03\x04rest", "Excel workbook"),
        ("track_name,tempo\nMañana,1\n".encode("latin-1"), r"not UTF-8: byte 0xf1 in line 2"),
        ("track_name,tempo\n".encode("utf-16"), "UTF-16"),
        (b"PAR1 is not enough", "begins like Parquet"),
        ("track_name,tempo\n".encode("utf-32"), "is UTF-32 text; .*: save it as UTF-8"),
        (b"\0\0\xfe\xff\0\0\0a", "is UTF-32 text"),
        (b"a;b;c\n1;2;3\n", "seems to be separated by semicolons; .*: save it with commas or tabs"),
        (b"a|b|c\n1|2|3\n", r"seems to be separated by '\|'; .*: save it with commas or tabs"),
        (b'[{"a": 1, "b": 2}]', "is JSON; .*: export it"),
        (b'\n{ "a": {"0": 1}}', "is JSON; "),
        (b'\xef\xbb\xbf{"a": 1}\n{"a": 2}\n', "is JSON; "),
        (b'[\n  ["a", "b"],\n  [1, 2]]', "is JSON; "),
        (b"a,b\n1,2,3\n4,5,6\n", "more fields than the 2 of the header"),
        (b"a,b\n1,2\n3,4,5\n", "Expected 2 fields in line 3, saw 3"),
        (b'a,b\n1,"2\n3,4\n', "EOF inside string"),
    ],
)
def test_what_is_no_table(tmp_path, content, message):
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_table(path)


def test_missing_file_names_the_nearest(tmp_path):
    (tmp_path / "train.csv").touch()
    (tmp_path / "trian").mkdir()
    with pytest.raises(InputError, match=r"no such file.*did you mean 'train.csv'"):
        read_table(tmp_path / "trian.csv")
    with pytest.raises(InputError, match="no such file") as caught:
        read_table(tmp_path / "nowhere" / "train.csv")
    # --transfer-data and the tracks of predict are read here, too
    assert "; a table is a path, 'spotify' or 'synthetic[:ROWS]'" in str(caught.value) and "--" not in str(caught.value)


@pytest.mark.parametrize("word", ["synthetic:0", "synthetic:many"])
def test_a_wrong_word_is_refused_without_naming_an_option(word):
    with pytest.raises(InputError, match=f"^{word}: ROWS must be a whole number from 1 to "):
        load_tracks(word)


def test_directory(tmp_path):
    with pytest.raises(InputError, match="is a directory"):
        read_table(tmp_path)


def test_short_rows_end_in_an_error_that_shows_the_row(tmp_path):
    lines = table(20).to_csv(index=False).splitlines()
    lines[3] = lines[3].rsplit(",", 1)[0]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(lines))
    with pytest.raises(InputError, match=r"'duration_ms': 1 of 20 .*row 3: empty"):
        load_tracks(path)


@pytest.mark.parametrize("column", ["energy", "playlist_genre", "track_name", "track_album_release_date"])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_repeated_columns(tmp_path, kind, column):
    frame = table()
    frame.insert(3, column, frame[column], allow_duplicates=True)
    path = tmp_path / "t"
    if kind == "csv":
        write_csv(frame, path)
    else:
        arrays = [pa.array(frame.iloc[:, place]) for place in range(frame.shape[1])]
        pq.write_table(pa.Table.from_arrays(arrays, names=list(frame.columns)), path)
    with pytest.raises(InputError, match=f"stand twice in the header: '{column}'"):
        load_tracks(path)
