"""Which places a storage may be: none of another study, none that a link or a hostile manifest leads to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import search.studies.draft
from data.errors import InputError
from data.object_stores import join, write_file
from results.record.study import Study
from search.cli.main import run
from search.planning.settings import study_settings
from search.snapshots.copies import check_vacant, reserve, snapshots
from search.studies.draft import Draft
from search.studies.pruning import prune
from search.studies.recovery import clear_leftovers
from tests.support.s3 import CREDENTIALS, S3, check_no_secret
from tests.support.simulated import begin


def test_a_hostile_study_reaches_no_other_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its manifest names a folder that is somebody else's: nothing in there is written or deleted."""
    precious = tmp_path / "precious"
    (precious / "checkpoints").mkdir(parents=True)
    (precious / "checkpoints" / "x.safetensors").write_text("mine")
    begin(tmp_path / "study", str(tmp_path / "shared")).close()
    text = (tmp_path / "study" / "manifest.json").read_text()
    place = json.loads(text)["settings"]["storage"]
    (tmp_path / "study" / "manifest.json").write_text(text.replace(place, str(precious)))
    with pytest.raises(InputError, match="cannot be read"):
        prune(tmp_path / "study")
    (precious / "manifest.json").write_text(text)
    with pytest.raises(InputError, match="holds another study"):
        prune(tmp_path / "study")
    opened = Study.open_for_writing(tmp_path / "study")
    with opened, pytest.raises(InputError, match="holds another study"), snapshots(opened):
        pass
    assert {path.name for path in precious.rglob("*")} == {"checkpoints", "x.safetensors", "manifest.json"}


def test_a_link_in_a_storage_leads_nowhere(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "x.safetensors").write_text("mine")
    begin(tmp_path / "study", str(tmp_path / "shared")).close()
    (tmp_path / "shared" / "study" / "checkpoints").rmdir()
    (tmp_path / "shared" / "study" / "checkpoints").symlink_to(precious)
    with pytest.raises(InputError, match="is a link to"):
        prune(tmp_path / "study")
    with Study.open_for_writing(tmp_path / "study") as opened, pytest.raises(InputError, match="is a link to"):
        clear_leftovers(opened)
    assert (precious / "x.safetensors").exists()


def test_a_study_that_cannot_be_made_leaves_its_name_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise InputError("no room")

    storage = str(tmp_path / "shared" / "study")
    monkeypatch.setattr(Study, "create", fail)
    draft = Draft.check(study_settings("synthetic:400", storage=tmp_path / "shared"), tmp_path / "study")
    with pytest.raises(InputError, match="no room"):
        draft.create(draft.prepare())
    check_vacant(storage)
    reserve(storage, search.studies.draft._manifest(draft.settings, draft.prepare()))


@pytest.mark.parametrize("command", ["sweep", "run"])
def test_nothing_is_made_where_the_storage_is_wrong(
    command: str, small: Path, tmp_path: Path, s3: S3, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = CREDENTIALS["AWS_SECRET_ACCESS_KEY"]
    (tmp_path / "file").write_text("in the way")
    taken = s3.prefix()
    write_file(join(taken, "study", "manifest.json"), b"{}")
    for storage, words in (
        (f"s3://AKIA:{secret}@bucket/x", "credentials come from the environment"),
        (f"s3://no-such-bucket/x{s3.options}", "NO_SUCH_BUCKET"),
        (str(tmp_path / "file" / "x"), "cannot be used"),
        (str(tmp_path), "itself will lie"),
        (str(tmp_path / "study"), "itself will lie"),
        (taken, "holds a study already"),
        ("hdfs://x", "another scheme"),
    ):
        out = tmp_path / "study"
        arguments = ["--data", str(small / "tracks.csv"), "--space", str(small / "space.toml"), "--out", str(out)]
        assert run([command, *arguments, "--storage", storage, "--debug"]) == 2
        said = capsys.readouterr()
        assert words in said.err.replace("\n", " "), said.err
        check_no_secret(said.err.encode(), said.out.encode())
        assert not out.exists()
