"""Files by path and by URI, on a disk and on a real S3 server of this machine."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

import data.object_stores
from data.errors import InputError
from data.object_stores import (
    base_name,
    check_writable,
    checked_location,
    delete_file,
    is_uri,
    join,
    list_files,
    parent,
    read_file,
    write_file,
)
from tests.support.examples import examples
from tests.support.s3 import CREDENTIALS, S3

SECRET = CREDENTIALS["AWS_SECRET_ACCESS_KEY"]


@pytest.fixture(scope="module")
def bucket(s3: S3) -> str:
    return s3.prefix()


@pytest.fixture(params=["disk", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "disk":
        return str(tmp_path / "some" / "folder")
    return join(request.getfixturevalue("bucket"), tmp_path.name)


def test_files_come_back_and_are_listed_and_deleted(folder: str) -> None:
    assert list_files(folder) == {}
    contents = {"a.bin": b"1" * 70_000, "below/b ?#%é@.txt": b"", ".hidden.tmp": b"3"}
    for name, content in contents.items():
        assert write_file(join(folder, name), b"older") == hashlib.sha256(b"older").hexdigest()
        assert write_file(join(folder, name), content) == hashlib.sha256(content).hexdigest()
    assert list_files(folder) == {name: len(content) for name, content in contents.items()}
    assert {name: read_file(join(folder, name)) for name in contents} == contents
    delete_file(join(folder, "a.bin"))
    delete_file(join(folder, "a.bin"))
    assert set(list_files(folder)) == set(contents) - {"a.bin"}
    with pytest.raises(FileNotFoundError):
        read_file(join(folder, "a.bin"))
    check_writable(folder)
    assert set(list_files(folder)) == set(contents) - {"a.bin"}


def test_the_endpoint_can_come_from_the_environment(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{s3.endpoint}")
    name = s3.bucket()
    write_file(f"s3://{name}/x", b"1")
    assert read_file(f"s3://{name}/x{s3.options}") == b"1"


@given(
    st.sampled_from(["/a", "s3://b/p", "gs://b", "s3://b?region=eu-west-1"]),
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1).filter(
        lambda name: name not in (".", "..")
    ),
)
def test_a_name_joined_is_the_name_found(location: str, name: str) -> None:
    joined = join(location, name)
    assert base_name(joined) == name and parent(joined) == location
    assert is_uri(joined) == is_uri(location)


@pytest.mark.parametrize(
    "location",
    [
        f"s3://AKIATESTKEYOFNOBODY:{SECRET}@bucket/prefix",
        f"s3://{SECRET}@bucket",
        f"s3://AKIATESTKEYOFNOBODY:{SECRET}",
        f"s3://bucket/prefix?access_key=AKIATESTKEYOFNOBODY&secret_key={SECRET}",
        f"s3://bucket/prefix?{SECRET}",
        f"s3://bucket/prefix#{SECRET}",
        f"s3://bucket?endpoint_override=http%3A%2F%2Fuser%3A{SECRET}%40host",
        f"gs://{SECRET}@bucket/prefix",
        f"abfs://account:{SECRET}@x/y",
        f"s4://{SECRET}",
    ],
)
def test_a_secret_in_a_location_is_refused_and_not_repeated(location: str) -> None:
    with pytest.raises(InputError) as refused:
        checked_location(location)
    for part in ("AKIA", "secret+that", "must-never"):
        assert part not in str(refused.value)


@pytest.mark.parametrize(
    ("location", "words"), [("s3://", "BUCKET"), ("gs:///x", "BUCKET"), ("ftp://a/b", "another scheme")]
)
def test_what_is_no_location(location: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        checked_location(location)


def test_locations_are_brought_to_one_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert checked_location("x/../y/") == str(tmp_path.resolve() / "y")
    assert checked_location("s3://b/p//?region=eu-west-1") == "s3://b/p?region=eu-west-1"


def test_no_such_bucket_is_wrong_input(s3: S3) -> None:
    with pytest.raises(InputError, match=r"(?s)cannot be used.*NO_SUCH_BUCKET.*AWS_ACCESS_KEY_ID"):
        check_writable(f"s3://no-such-bucket/x{s3.options}")


def test_a_folder_that_cannot_be_made_is_wrong_input(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot be used"):
        check_writable(str(tmp_path / "file" / "folder"))


def test_what_a_store_says_is_passed_on_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(root: str) -> None:
        raise OSError(f"signature of {SECRET} by {CREDENTIALS['AWS_ACCESS_KEY_ID']} does not match")

    monkeypatch.setattr(data.object_stores, "_store", fail)
    with pytest.raises(OSError, match=r"s3://b/x: signature of \*\*\* by \*\*\* does not match") as failure:
        read_file("s3://b/x")
    assert failure.value.__suppress_context__


@examples(15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=100))
def test_local_files_are_as_ever(tmp_path: Path, content: bytes) -> None:
    write_file(tmp_path / "x", content)
    assert (tmp_path / "x").read_bytes() == content == read_file(tmp_path / "x")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
