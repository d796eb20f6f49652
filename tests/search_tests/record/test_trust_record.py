"""A study whose record somebody hostile has made: it is read, refused in words, and written within itself."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import InputError
from results.record.study import Study
from search.cli.main import run
from search.studies.pruning import prune
from search.studies.sweep import reopened
from search.suggestions.suggesting_coordinator import restored_search
from tests.support.examples import examples
from tests.support.golden_study import GOLDEN, write_sql
from trainables.checkpoint import load_model


@pytest.mark.parametrize("name", ["../../x", "/etc/passwd", "..", ".", ".x.tmp", "a/../b", "checkpoints/../../x"])
def test_a_checkpoint_is_a_plain_name(name: str, study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_sql(study, "UPDATE trials SET checkpoint = ?, checkpoint_sha256 = 'a', checkpoint_row = 0", name)
    with Study.open(study) as opened, pytest.raises(InputError, match="must be a plain name"):
        opened.trials()
    for words in (["status"], ["prune"]):
        assert run([*words, str(study)]) == 2
        assert "must be a plain name" in capsys.readouterr().err


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER UPDATE ON facts BEGIN DELETE FROM trials; END",
        "CREATE VIEW v AS SELECT 1",
        "CREATE VIRTUAL TABLE v USING fts5(a)",
    ],
)
def test_a_database_that_does_things_by_itself_is_refused(
    statement: str, study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sql(study, statement)
    for words in (["status"], ["trials"], ["resume"], ["prune"]):
        assert run([*words, str(study)]) == 2
        assert "triggers or views" in capsys.readouterr().err


@pytest.mark.timeout(60)
@pytest.mark.parametrize("table", ["facts", "trials", "curves"])
def test_a_view_in_the_place_of_a_table_is_never_read(
    table: str, study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It could take for ever, and Ctrl-C does not reach into SQLite."""
    write_sql(study, f"DROP TABLE {table}")
    forever = "WITH RECURSIVE r(name, value) AS (SELECT 'a', 'b' UNION ALL SELECT name, value FROM r) SELECT * FROM r"
    write_sql(study, f"CREATE VIEW {table} AS {forever}")
    for words in (["status"], ["trials"], ["resume"], ["prune"]):
        assert run([*words, str(study)]) == 2
        assert "triggers or views" in capsys.readouterr().err
    write_sql(study, f"DROP VIEW {table}")
    assert run(["status", str(study)]) == 2
    assert f"no such table: {table}" in capsys.readouterr().err


def hot_journal(study: Path, names: Path | None) -> Path:
    """What a process leaves that was killed in a transaction; ``names`` as if that had spanned a second database."""
    content = (study / "study.db").read_bytes()
    page, journal = int.from_bytes(content[16:18], "big"), study / "study.db-journal"
    header = bytes.fromhex("d9d505f920a163d7") + struct.pack(">5I", 0, 0, len(content) // page, 512, page)
    tail = b""
    if names is not None:
        name = str(names).encode()
        tail = struct.pack(">I", 2**30 // page + 1) + name
        tail += struct.pack(">2I", len(name), sum(name)) + header[:8]
    journal.write_bytes(header.ljust(512, b"\0") + tail)
    return journal


@pytest.mark.parametrize("command", ["status", "trials", "resume", "prune"])
def test_a_journal_that_names_another_file_deletes_nothing(
    command: str, study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """SQLite deletes the file that it names, once it has rolled back."""
    precious = tmp_path / "precious.txt"
    precious.write_text("mine")
    journal = hot_journal(study, precious)
    copy = shutil.copytree(study, tmp_path / "copy")
    assert run([command, str(study)]) == 2
    assert f"{journal} names another file" in capsys.readouterr().err
    assert precious.read_text() == "mine"
    write_sql(Path(copy), "SELECT count(*) FROM facts")
    assert not precious.exists(), "the journal is none that SQLite would follow"


def test_a_journal_of_a_killed_driver_is_rolled_back_by_who_may_write(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = hot_journal(study, None)
    assert run(["status", str(study)]) == 2
    assert f"genresweep resume {study}" in capsys.readouterr().err
    with Study.open_for_writing(study) as opened:
        assert len(opened.trials()) > 0
    assert not journal.exists()
    assert run(["status", str(study)]) == 0


@pytest.mark.parametrize("link", ["checkpoints", "best", "log.txt", "study.db", "stages/fusion"])
def test_no_link_leads_writing_out_of_the_directory(
    link: str, study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious.safetensors").write_text("mine")
    place = study / link
    place.parent.mkdir(exist_ok=True)
    if place.is_dir():
        shutil.rmtree(place)
    if link == "study.db":
        target = place.rename(outside / "study.db")
    else:
        target = outside / "precious.safetensors" if link == "log.txt" else outside
    place.symlink_to(target)
    before = {path.name: path.read_bytes() for path in outside.iterdir()}
    for words in (["resume"], ["prune"]):
        assert run([*words, str(study)]) == 2
        assert "is a link to" in capsys.readouterr().err
    with pytest.raises(InputError, match="is a link to"):
        prune(study)
    assert {path.name: path.read_bytes() for path in outside.iterdir()} == before


@pytest.mark.parametrize("name", ["manifest.json", "study.db", "best/model.json", "best/model.safetensors"])
def test_a_device_in_the_place_of_a_file_is_not_read_for_ever(name: str, study: Path) -> None:
    (study / "best").mkdir()
    (study / "best" / "model.json").write_text(json.dumps({"format": 1}))
    (study / name).unlink(missing_ok=True)
    (study / name).symlink_to("/dev/zero")
    with pytest.raises(InputError):
        load_model(study / "best")
    if "best" not in name:
        with pytest.raises(InputError):
            Study.open(study)


_VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(max_size=9),
    st.binary(max_size=9),
    st.sampled_from(["[" * 100_000, "{", "[]", "{}", "[1]", '[["a", []]]', "../../x", "9" * 400, "\x1b[2J"]),
)
_TABLES = ["trials", "curves", "segments", "decisions", "facts", "stages", "stage_curves", "stage_scores"]
_COMMANDS = st.sampled_from(
    ["trials", "trials --curves", "report", "importance", "compare", "replay", "export --to o.db", "prune", "resume"]
)


def reads_and_goes_on_or_says_why(study: Path, command: str) -> None:
    """Code 0 or 2 of a command; of ``resume``, what it does before it trains."""
    shutil.copy(GOLDEN / "tracks.csv", study.parent)
    assert run(["status", str(study)]) in (0, 2)
    if command == "resume":
        with contextlib.suppress(InputError), reopened(study) as (opened, _):
            opened.scores(1)
            opened.best_accuracy()
            opened.last_segment_number()
            if opened.settings.search == "optuna":
                restored_search(opened)
    else:
        name, *words = command.replace("o.db", str(study.parent / "o.db")).split()
        assert run([name, str(study), *words]) in (0, 2)
    shutil.rmtree(study.parent)


def found_study(folder: Path, edit: Callable[[dict[str, Any]], object] = lambda manifest: None) -> Path:
    """A copy of the golden study that knows where its table is."""
    study = Path(shutil.copytree(GOLDEN / "study", folder / "study"))
    manifest = json.loads((study / "manifest.json").read_text())
    manifest["settings"]["data"] = manifest["data"]["source"] = str(folder / "tracks.csv")
    edit(manifest)
    (study / "manifest.json").write_text(json.dumps(manifest))
    write_sql(study, "INSERT INTO facts VALUES ('answered', '[[1, \"a\"]]')")
    write_sql(study, "INSERT INTO stages VALUES ('s', 1, 1, 'n')")
    write_sql(study, "INSERT INTO stage_curves VALUES ('s', 'v', 1, 1, 1, 1, 1, 1, 1, 1, 1)")
    write_sql(study, "INSERT INTO stage_scores VALUES ('sweep', 'incumbent', 1, 'validation', 1, 1, 1, 1, 1, '{}')")
    return study


@examples(20)
@given(
    command=_COMMANDS, table=st.sampled_from(_TABLES), column=st.integers(0, 11), value=_VALUES, as_text=st.booleans()
)
def test_any_value_in_the_record_is_read_or_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, command: str, table: str, column: int, value: object, as_text: bool
) -> None:
    """As text, too, where the bytes are none."""
    study = found_study(tmp_path_factory.mktemp("value"))
    with contextlib.closing(sqlite3.connect(study / "study.db")) as connection:
        names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        with contextlib.suppress(sqlite3.Error), connection:
            mark = "CAST(? AS TEXT)" if as_text else "?"
            connection.execute(f"UPDATE OR IGNORE {table} SET {names[column % len(names)]} = {mark}", (value,))
    reads_and_goes_on_or_says_why(study, command)


_JSON = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=9),
    st.sampled_from([{}, [], [None], {"a": None}, {"stages": {"epochs": "x"}}, "s3://x", "/", "a.csv"]),
)


@examples(15)
@given(command=_COMMANDS, place=st.sampled_from(["", "settings", "data"]), which=st.integers(0, 30), value=_JSON)
def test_any_value_in_a_manifest_is_read_or_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, command: str, place: str, which: int, value: object
) -> None:
    def edit(manifest: dict[str, Any]) -> None:
        part = manifest[place] if place else manifest
        names = sorted(part) + (["repeats", "sampler", "storage", "text_model"] if place == "settings" else [])
        part[names[which % len(names)]] = value

    reads_and_goes_on_or_says_why(found_study(tmp_path_factory.mktemp("value"), edit), command)


@pytest.mark.parametrize("created", ["", "today", "0001-01-01T00:00:00", "9999-12-31T23:59:59-23:59"])
def test_a_time_that_is_none_is_read_or_refused_in_words(tmp_path: Path, created: str) -> None:
    study = found_study(tmp_path, lambda manifest: manifest.update(created=created))
    assert run(["status", str(study)]) in (0, 2)
    assert run(["export", str(study), "--to", str(tmp_path / "o.db")]) in (0, 2)
    assert run(["report", str(study)]) in (0, 2)


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        ("UPDATE trials SET reason = CAST(? AS TEXT)", b"\xff\xfe"),
        ("UPDATE facts SET value = CAST(? AS TEXT)", b"\xff\xfe"),
        ("UPDATE facts SET value = ? WHERE name = 'answered'", "{"),
        ("UPDATE trials SET configuration = ?", "[" * 100_000),
        ("UPDATE trials SET epoch = ?", "many"),
        ("UPDATE trials SET budget = ?", "many"),
    ],
)
def test_a_damaged_record_is_said_to_be_one(
    statement: str, value: str | bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = found_study(tmp_path)
    write_sql(study, statement, value)
    assert run(["status", str(study)]) == 2
    assert f"{study / 'study.db'} is damaged" in capsys.readouterr().err


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO decisions (config_id, seed, epoch, score, cutoff, promoted) VALUES ('0', 42, 1, .5, .4, 1)",
        """UPDATE segments SET members = '[["0", 42]]'""",
    ],
)
def test_a_record_that_names_strangers_is_said_to_be_damaged(
    statement: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = found_study(tmp_path)
    write_sql(study, statement)
    assert run(["report", str(study)]) == 2
    assert "study.db is damaged" in capsys.readouterr().err.replace("\n", "")
    for command in ("status", "trials", "compare", "importance", "replay", f"export --to {tmp_path / 'o.db'}"):
        name, *words = command.split()
        assert run([name, str(study), *words]) in (0, 2)


@pytest.mark.parametrize(("column", "value"), [("checkpoint", "../../x"), ("members", "{"), ("members", '[["a"]]')])
def test_a_damaged_segment_ends_no_resume_in_a_traceback(column: str, value: str, tmp_path: Path) -> None:
    study = found_study(tmp_path)
    shutil.copy(GOLDEN / "tracks.csv", tmp_path)
    write_sql(study, f"UPDATE segments SET {column} = ? WHERE checkpoint IS NOT NULL", value)
    with pytest.raises(InputError, match="is damaged"), reopened(study):
        pass


def test_a_folder_that_is_called_like_a_leftover_stays(tmp_path: Path) -> None:
    study = found_study(tmp_path)
    shutil.copy(GOLDEN / "tracks.csv", tmp_path)
    (study / ".x.tmp").mkdir()
    (study / ".y.tmp").write_text("")
    with reopened(study):
        pass
    assert (study / ".x.tmp").is_dir() and not (study / ".y.tmp").exists()


@pytest.mark.parametrize(
    ("place", "name", "value", "words"),
    [
        ("settings", "scheduler", "foo", "asha, halving, none"),
        ("settings", "seed", "42", "seed must be a whole number"),
        ("settings", "holdout", [], "holdout must be a number"),
        ("settings", "space", 3, "space must be text"),
        ("", "data", None, "data must be dict"),
        ("", "data", [], "data must be dict"),
        ("", "data", {}, "data lacks"),
    ],
)
def test_a_damaged_manifest_is_said_to_be_one(
    place: str, name: str, value: object, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = found_study(tmp_path, lambda manifest: (manifest[place] if place else manifest).update({name: value}))
    assert run(["status", str(study)]) == 2
    said = capsys.readouterr().err
    assert f"{study / 'manifest.json'} is damaged" in said and words in said


def test_a_manifest_of_a_hundred_thousand_brackets(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (study / "manifest.json").write_text("[" * 100_000)
    assert run(["status", str(study)]) == 2
    assert "manifest.json is damaged" in capsys.readouterr().err
