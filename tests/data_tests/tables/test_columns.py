from __future__ import annotations

import pytest

from data.errors import InputError
from data.tables.columns import read_mapping
from data.tables.tracks import load_tracks
from tests.support.tables import table, write_csv

OTHER = """
label = "class"
[text]
track_name = "title"
[numbers]
speed = "tempo"
brightness = "energy"
major = "mode"
"""


@pytest.fixture
def other_table(tmp_path):
    names = {"playlist_genre": "class", "track_name": "title"}
    return write_csv(table(genres=("jazz", "folk")).rename(columns=names), tmp_path / "t.csv")


def write(tmp_path, text):
    path = tmp_path / "mapping.toml"
    path.write_text(text)
    return path


def test_exactly_the_given_numbers(tmp_path, other_table):
    tracks = load_tracks(other_table, mapping=write(tmp_path, OTHER))
    assert tracks.number_columns == ("speed", "brightness", "major")
    assert tracks.binary_columns == ()
    assert tracks.text_columns == ("track_name",)
    assert tracks.genre_names == ("folk", "jazz")


def test_date_and_binary(tmp_path, other_table):
    text = 'date = "track_album_release_date"\nbinary = ["major"]' + OTHER
    tracks = load_tracks(other_table, mapping=write(tmp_path, text))
    assert tracks.number_columns == ("speed", "brightness", "release_year")
    assert tracks.binary_columns == ("major",)


def test_mapped_columns_that_are_missing(tmp_path, other_table):
    text = 'date = "releesed"' + OTHER.replace('"tempo"', '"tempoo"')
    with pytest.raises(InputError) as caught:
        load_tracks(other_table, mapping=write(tmp_path, text))
    found = (
        "2 columns are missing: 'tempoo' (did you mean 'tempo'?), 'releesed' (date) (is it 'track_album_release_date'"
    )
    assert found in str(caught.value)


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        (
            "lable = 'a'\n[numbres]\nx = 'y'",
            ["'lable' (did you mean 'label'?)", "'numbres' (did you mean 'numbers'?)"],
        ),
        ("label = 3\nbinary = 'mode'", ["label must be the name", "binary must be a list"]),
        ("[numbers]\ntempo = 1", ["numbers must be a table"]),
        ("[text]\ntrack_nam = 'a'", ["'track_nam' (did you mean 'track_name'?)"]),
        ("[numbers]\nlist = 'playlist_name'\ngenre = 'x'", ["gives the genre away", "'genre': taken"]),
        ("label = 'class'\n[numbers]\nx = 'class'", ["gives the genre away"]),
        ("binary = ['mod']", ["[numbers] lacks (did you mean 'mode'?)"]),
        ("[numbers]", ["at least one feature"]),
        ("date = ", ["is not TOML"]),
    ],
)
def test_wrong_mappings(tmp_path, text, messages):
    with pytest.raises(InputError) as caught:
        read_mapping(write(tmp_path, text))
    for message in messages:
        assert message in str(caught.value)
    assert str(caught.value).startswith(f"the mapping {tmp_path / 'mapping.toml'} is ")


def test_titles_that_a_mapping_does_not_name_may_be_missing(tmp_path, other_table):
    text = OTHER.replace('[text]\ntrack_name = "title"\n', "")
    assert load_tracks(other_table, mapping=write(tmp_path, text)).text_columns == ("track_album_name",)
    with pytest.raises(InputError, match="column 'titel' is missing"):
        load_tracks(other_table, mapping=write(tmp_path, OTHER.replace("title", "titel")))


@pytest.mark.parametrize(
    ("text", "taken", "wrong", "spare", "hint"),
    [
        ("[numbers]\na = 'energy'\nb = 'energy_2'", {}, "'energy'?", {"key": "energy_1"}, "(did you mean 'energy_1'?)"),
        (
            "[text]\ntrack_name = 'track_name'\ntrack_album_name = 'name'",
            {"track_name": "name"},
            "is it 'name' here",
            {"track_artist": "title"},
            "'track_name' is missing (is it 'title' here?)",
        ),
    ],
)
def test_hints_offer_columns_that_nothing_is_read_from(tmp_path, text, taken, wrong, spare, hint):
    mapping, frame = write(tmp_path, text), table().rename(columns=taken)
    with pytest.raises(InputError) as caught:
        load_tracks(write_csv(frame, tmp_path / "t.csv"), mapping=mapping)
    assert "is missing" in str(caught.value) and wrong not in str(caught.value)
    frame = frame.rename(columns=spare)
    with pytest.raises(InputError) as caught:
        load_tracks(write_csv(frame, tmp_path / "t.csv"), mapping=mapping)
    assert hint in str(caught.value)


def test_missing_mapping(tmp_path):
    with pytest.raises(InputError, match="cannot read the mapping"):
        read_mapping(tmp_path / "none.toml")
