"""Where studies and files are put: names in ``runs/``, homes, hints, and commands that can be pasted."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest

from data.errors import InputError, command
from data.files import user_path
from results import load_trials
from results.record.study import Study
from results.rendering.exports import write_table
from search.cli.main import run
from search.studies.sweep import run_sweep
from spaces import load_space
from tests.search_tests.conftest import Sweep
from tests.support.golden_study import GOLDEN
from tests.support.small import SPACE, contents, write_space

SWEEP = "sweep --data tracks.csv --space space.toml"


@pytest.fixture
def home(sweep: Sweep, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the user's own, in which a study lies."""
    (folder / "home").mkdir()
    monkeypatch.setenv("HOME", str(folder / "home"))
    shutil.copytree(sweep(stack_size=16), folder / "home" / "study")
    return folder / "home"


@pytest.mark.parametrize("name", ["a/b", "../outside", "..", ".", "", ".hidden", "/x", "line\nbreak", "~/x"])
def test_a_name_is_that_of_a_folder_in_runs(folder: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(folder)
    assert run([*SWEEP.split(), "--name", name]) == 2
    assert "--name" in capsys.readouterr().err
    assert contents(folder) == before


def test_a_name_and_a_directory_contradict_each_other(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*SWEEP.split(), "--name", "a", "--out", "b"]) == 2
    assert "--name a and --out b" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "written"),
    [
        ("trials study --to=~/t.csv", "t.csv"),
        ("export study --to=~/o.db", "o.db"),
        ("importance study --to=~/i.csv --pairs=~/p.json --figure=~/f.html", "f.html"),
        ("compare study --to=~/c.parquet --figure=~/f.html", "c.parquet"),
        ("report study --to=~/report", "report/report.html"),
        ("describe --data=~/tracks.csv --mapping=~/m.toml --to=~/d", "d/genres.csv"),
        ("predict ~/study/best ~/tracks.csv --out=~/p.csv", "p.csv"),
        ("trials ~/study --to t.csv", "../t.csv"),
    ],
)
def test_every_path_may_begin_at_home(home: Path, arguments: str, written: str) -> None:
    """Shells leave ``~`` in ``--to=~/x``; a folder of that name would be found by nobody."""
    folder = home.parent
    shutil.copytree(home / "study", folder / "study")
    shutil.copy(folder / "tracks.csv", home)
    (home / "m.toml").write_text('label = "playlist_genre"\n')
    assert run(arguments.split()) == 0
    assert (home / written).is_file()
    assert not (folder / "~").exists()


def test_the_table_of_tracks_is_not_overwritten_under_another_spelling(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = Path(shutil.copy(home.parent / "tracks.csv", home))
    before = table.read_bytes()
    assert run(["predict", "~/study/best", "~/tracks.csv", "--out=~/tracks.csv"]) == 2
    assert "which would be lost" in capsys.readouterr().err and table.read_bytes() == before


def test_so_it_may_from_python(home: Path) -> None:
    write_space(home / "s.toml", SPACE)
    assert load_space("~/s.toml").name == load_space(Path("~/s.toml")).name == "small"
    assert len(load_trials("~/study")) == len(load_trials(Path("~/study")))
    assert write_table(load_trials("~/study"), Path("~/t.csv")) == home / "t.csv"
    with pytest.raises(InputError, match="home/study exists already"):
        run_sweep("tracks.csv", out="~/study", space="~/s.toml")
    with pytest.raises(InputError, match="no such file: .*home/no.csv"):
        run_sweep(Path("~/no.csv"), out="~/new", space=Path("~/s.toml"))
    with Study.open_for_writing("~/study") as study:
        assert study.directory == home / "study"


@pytest.mark.parametrize("path", ["~nobody-of-this-name/x", "~nobody-of-this-name/"])
def test_a_home_that_is_unknown_is_no_folder(path: str) -> None:
    with pytest.raises(InputError, match="is unknown: give the path in full"):
        user_path(path)
    assert user_path("./~") == Path("~") and user_path("~lock.csv") == Path("~lock.csv")


def test_commands_can_be_pasted(tmp_path: Path) -> None:
    for name in ("plain", "my study", "it's", "$HOME", "a;b", "-x", "new\nline"):
        assert shlex.split(command("resume", tmp_path / name)) == ["genresweep", "resume", str(tmp_path / name)]


@pytest.mark.parametrize(
    ("named", "meant"),
    [
        ("trials base", "runs/base"),
        ("trials bse", "runs/base"),
        ("trials runs/bsae", "runs/base"),
        ("predict base/best tracks.csv -o p.csv", "runs/base/best"),
        ("predict runs/base/bst tracks.csv -o p.csv", "runs/base/best"),
        ("resume base", "runs/base"),
    ],
)
def test_a_study_in_runs_is_hinted_at(
    sweep: Sweep, folder: Path, named: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(sweep(stack_size=16), folder / "runs" / "base")
    assert run(named.split()) == 2
    assert f"did you mean '{meant}'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["what?.db", "50%.db", "h#.db", "x{y}.db", "[z].db", "a b.db", "file:q.db", "o?u/x?y.db"]
)
def test_an_export_is_the_file_that_was_named(folder: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    import optuna

    before = contents(folder)
    assert run(["export", str(GOLDEN / "study"), "--to", name]) == 0
    assert contents(folder) - before == {str(place) for place in (Path(name), *Path(name).parents[:-1])}
    url = shlex.split(capsys.readouterr().out.partition("with: ")[2])[1]
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    assert len(optuna.load_study(study_name=None, storage=url).trials) == 6
    assert contents(folder) - before == {str(place) for place in (Path(name), *Path(name).parents[:-1])}


@pytest.mark.parametrize(
    ("arguments", "said"), [("report study", "scorecard"), ("describe --data tracks.csv", "genres")]
)
def test_what_cannot_be_written_is_printed_all_the_same(
    sweep: Sweep, folder: Path, arguments: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "file").write_text("")
    shutil.copytree(sweep(stack_size=16), folder / "study")
    assert run([*arguments.split(), "--to", "file"]) == 2
    found = capsys.readouterr()
    assert said in found.out
    assert "cannot write file/" in found.err and "with --to" in found.err
