"""Made-up tables, spaces, mappings and options, most of them wrong in some way: strategies for Hypothesis."""

from __future__ import annotations

import csv
import datetime
import decimal
import io
from collections.abc import Callable
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import typer
from hypothesis import strategies as st

from data.tables.columns import PAPER_NUMBERS
from search.cli.main import app
from spaces.configuration import HYPERPARAMETERS
from spaces.structure import STRUCTURE
from tests.support.tables import GENRES, table

BASES = {(rows, kinds): table(rows, genres=GENRES[:kinds]) for rows in (0, 1, 2, 7, 40, 60) for kinds in (1, 2, 5)}
CELLS = (
    *("", " ", "nan", "NaN", "NA", "None", "inf", "-inf", "Infinity", "1e999", "-1e308", "1e-320", "0", "-0", "1", "2"),
    *("9" * 400, "0x10", "1_000", "1,5", "1.5.2", " 1 ", "+1", "١٢", "½", "true", "2020-02-30", "99999", "-5"),
    *("é", "日本", "\u202e", "\ufeff", "\x00", "\x1b[2J", '"', "'", "\n", "\r", "\t", ";", "=1+1", "<script>", "\\N"),
    "x" * 10_000_000,
)
_CELLS = st.one_of(st.sampled_from(CELLS[:-1]), st.text(max_size=20), st.floats().map(str), st.integers().map(str))
_COLUMNS = st.sampled_from(list(BASES[7, 5].columns))
_NAMES = st.one_of(_COLUMNS, st.sampled_from(["", "genre", "label", "release_year", "Unnamed: 0", " energy", "0"]))
Edit = Callable[[pd.DataFrame], pd.DataFrame]


@st.composite
def _cell_edits(draw: st.DrawFn) -> Edit:
    column, value, row = draw(_COLUMNS), draw(_CELLS), draw(st.integers(0, 59))
    everywhere = draw(st.integers(0, 5)) == 0
    if draw(st.integers(0, 149)) == 149:
        value, everywhere = CELLS[-1], False

    def edit(frame: pd.DataFrame) -> pd.DataFrame:
        places = [place for place, name in enumerate(frame.columns) if name == column]
        for place in places[:1]:
            cells = frame.iloc[:, place]
            frame.isetitem(place, [value if everywhere or n == row else cell for n, cell in enumerate(cells)])
        return frame

    return edit


_FRAME_EDITS = st.one_of(
    _cell_edits(),
    _cell_edits(),
    _COLUMNS.map(lambda name: lambda frame: frame.drop(columns=name, errors="ignore")),
    st.tuples(_COLUMNS, _NAMES).map(lambda names: lambda frame: frame.rename(columns={names[0]: names[1]})),
    _COLUMNS.map(lambda name: lambda frame: pd.concat([frame, frame.get(name)], axis=1)),
    st.just(lambda frame: frame.iloc[:, ::-1]),
    st.just(lambda frame: pd.concat([frame, frame])),
)


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    """The bytes of a table, or of what is none."""
    frame = BASES[draw(st.sampled_from(sorted(BASES)))].copy()
    for edit in draw(st.lists(_FRAME_EDITS, max_size=3)):
        frame = edit(frame)
    kind = draw(st.sampled_from(["text", "text", "text", "parquet", "bytes"]))
    if kind == "bytes":
        content = draw(st.binary(max_size=300))
    elif kind == "parquet":
        content = _parquet(frame, draw(_COLUMNS), draw(st.sampled_from(sorted(_PARQUET))))
    else:
        content = draw(_texts(frame))
    for damage in draw(st.lists(_DAMAGES, max_size=1)):
        content = damage(content)
    return content


@st.composite
def _texts(draw: st.DrawFn, frame: pd.DataFrame) -> bytes:
    text = io.StringIO(newline="")
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONE]))
    separator = draw(st.sampled_from([",", ",", ",", "\t", ";", "|"]))
    writer = csv.writer(
        text,
        delimiter=separator,
        quoting=quoting,
        escapechar="\\",
        lineterminator=draw(st.sampled_from(["\n", "\n", "\r\n", "\r", "\n\n"])),
    )
    writer.writerow(frame.columns)
    writer.writerows(frame.itertuples(index=False, name=None))
    encoding = draw(st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1", "cp1252"]))
    return text.getvalue().encode(encoding, "replace")


_PARQUET: dict[str, Callable[[int], list[Any]]] = {
    "integers": lambda rows: list(range(rows)),
    "large": lambda rows: [2**62 + row for row in range(rows)],
    "booleans": lambda rows: [row % 2 == 0 for row in range(rows)],
    "missing": lambda rows: [None] * rows,
    "some missing": lambda rows: [None if row % 3 else 1.5 for row in range(rows)],
    "infinite": lambda rows: [float("inf")] * rows,
    "lists": lambda rows: [[row] for row in range(rows)],
    "tables": lambda rows: [{"a": row} for row in range(rows)],
    "bytes": lambda rows: [b"\xff"] * rows,
    "times": lambda rows: [datetime.datetime(2020, 1, 1)] * rows,
    "days": lambda rows: [datetime.date(2020, 1, 1)] * rows,
    "decimals": lambda rows: [decimal.Decimal("1.5")] * rows,
    "texts": lambda rows: ["a"] * rows,
}


def _parquet(frame: pd.DataFrame, column: str, kind: str) -> bytes:
    buffer = io.BytesIO()
    names = [str(name) for name in frame.columns]
    columns = [
        pa.array(_PARQUET[kind](len(frame)) if name == column else list(frame.iloc[:, place]))
        for place, name in enumerate(names)
    ]
    pq.write_table(pa.Table.from_arrays(columns, names=names), buffer)  # pandas writes no name twice
    return buffer.getvalue()


_DAMAGES = st.one_of(
    st.integers(0, 3000).map(lambda end: lambda content: content[:end]),
    st.integers(1, 200).map(lambda end: lambda content: content[:-end]),
    st.tuples(st.integers(0, 3000), st.binary(max_size=12)).map(
        lambda where: lambda content: content[: where[0]] + where[1] + content[where[0] :]
    ),
    st.sampled_from([b"\x00", b"\xff", b'"', b"\n\n", b"\r"]).map(lambda mark: lambda content: content + mark),
    st.integers(0, 40).map(lambda line: lambda content: content.replace(b"\n", b",9\n", line)),
)

_SCALARS = st.one_of(
    st.booleans().map(lambda value: str(value).lower()),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(["'adam'", "'none'", "'relu'", "''", "1979-05-27", "07:32:00", "1e400", "[]", "{}", "0x1f"]),
    st.text(st.characters(codec="utf-8", exclude_characters="'\n\r"), max_size=12).map(lambda text: f"'{text}'"),
)


def _list(values: list[str]) -> str:
    return f"[{', '.join(values)}]"


_LISTS = st.lists(st.one_of(_SCALARS, st.lists(_SCALARS, max_size=3).map(_list)), max_size=4).map(_list)
_WHEN = st.dictionaries(
    st.sampled_from(["depth", "width", "optimizer", "schedule", "dropout", "dropuot"]),
    st.one_of(_SCALARS, _LISTS, st.sampled_from(["'sgd'", "['sgd', 'adam']", "[2]"])),
    max_size=2,
).map(lambda when: "{" + ", ".join(f"{name} = {value}" for name, value in when.items()) + "}")
_VALUES = st.one_of(
    _SCALARS,
    _LISTS,
    st.integers(1, 1200).map(lambda count: f"[{', '.join(f'0.{n:05d}' for n in range(1, count))}]"),
    st.tuples(_LISTS, _WHEN).map(lambda v: f"{{values = {v[0]}, when = {v[1]}}}"),
    st.tuples(_SCALARS, _SCALARS, _WHEN).map(lambda v: f"{{low = {v[0]}, high = {v[1]}, when = {v[2]}}}"),
    st.sampled_from(["{values = [0.5], when = {optimizer = 'sgd'}}", "{values = [1, 2], when = {depth = [2]}}"]),
    st.tuples(_SCALARS, _SCALARS, _SCALARS).map(lambda v: f"{{low = {v[0]}, high = {v[1]}, log = {v[2]}}}"),
)
_KEYS = st.one_of(
    st.sampled_from([*HYPERPARAMETERS, *STRUCTURE, "droput", "seed", "epoch"]),
    st.from_regex(r"[a-z_]{1,8}", fullmatch=True),
)


@st.composite
def spaces(draw: st.DrawFn) -> str:
    """TOML of a search space, or what is none."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.text(max_size=200))
    layers = draw(st.sampled_from([{"hidden_layers": "[[8]]"}, {"depth": "[1, 2]", "width": "[4, 8]"}]))
    sound = {**layers, "batch_size": "8"} if draw(st.booleans()) else {}
    lines = {**sound, **draw(st.dictionaries(_KEYS, _VALUES, max_size=4))}
    head = draw(
        st.sampled_from(["[parameters]", "[parameters]", 'name = "x"\n[parameters]', "", "[[parameters]]", "name = 3"])
    )
    return "\n".join([head, *(f"{name} = {value}" for name, value in lines.items())])


@st.composite
def mappings(draw: st.DrawFn) -> str:
    """TOML of a column mapping, or what is none."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.text(max_size=200))
    texts = st.one_of(_NAMES.map(lambda name: f"'{name}'"), _SCALARS)
    top = draw(st.dictionaries(st.sampled_from(["label", "date", "binary", "dated", "lable"]), texts, max_size=3))
    names = st.one_of(st.sampled_from([*PAPER_NUMBERS, "mode", "track_name", "track_album_name"]), _KEYS)
    sections = [
        f"[{section}]\n" + "\n".join(f"{k} = {v}" for k, v in draw(st.dictionaries(names, texts, max_size=4)).items())
        for section in draw(st.lists(st.sampled_from(["text", "numbers", "number"]), unique=True, max_size=3))
    ]
    return "\n".join([*(f"{k} = {v}" for k, v in top.items()), *sections])


_WORDS = st.one_of(
    st.sampled_from(
        ["", "0", "1", "2", "-1", "1e3", "nan", "inf", "0.5", "auto", "none", "grid", "random", "--", "-h"]
    ),
    st.sampled_from(["audio", "text", "album", "track", "cuda", "99999999999999999999", "true", "paper", "wide", "."]),
    st.sampled_from(
        ["optuna", "tpe", "cmaes", "gp", "asha", "halving", "local", "ray://a:1", "a:1", "{}", '{"spot": 1}']
    ),
    st.sampled_from(["s3://", "s3://a:b@c/d", "gs://a?b=c", "synthetic:", "synthetic:100", f"synthetic:{'9' * 5000}"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.integers().map(str),
)
_OPTIONS = st.sampled_from(
    [
        *("--search", "--trials", "--features", "--scheduler", "--reduction-factor", "--grace-period", "--epochs"),
        *("--seed", "--split", "--holdout", "--stack-size", "--cpus", "--space", "--mapping", "--data", "--serach"),
        *(
            "--json",
            "--quiet",
            "--name",
            "--device",
            "--repeats",
            "--sampler",
            "--text-model",
            "--address",
            "--storage",
        ),
        *("--out", "--gpus-per-segment", "--resources-per-segment"),
    ]
)


def options() -> st.SearchStrategy[list[str]]:
    """Options of ``sweep`` with values, few of which belong together."""
    pairs = st.lists(st.tuples(_OPTIONS, st.lists(_WORDS, max_size=1)), max_size=4)
    return pairs.map(lambda found: [word for name, values in found for word in (name, *values)])


READING = ("status", "trials", "describe", "predict", "report", "compare", "importance", "replay", "export", "prune")
_PLACES = st.sampled_from(
    [
        "study",
        "study",
        "study",
        "tracks.csv",
        "missing",
        "",
        ".",
        "study/best",
        "/dev/null",
        "a.csv",
        "a.db",
        "b/a.json",
    ]
)


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    """A command that trains nothing, with some of its own options and one that it may not have."""
    name = draw(st.sampled_from(READING))
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    own = [p for p in command.params if p.param_type_name == "option" and p.opts[0] not in ("--debug", "--help")]
    wanted = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    words = [name, *(draw(_PLACES) for _ in wanted)]
    values = st.one_of(_PLACES, _WORDS.filter(lambda word: "/" not in word and word != "\0"))
    for option in draw(st.lists(st.sampled_from(own), max_size=3)):
        words += [option.opts[0]] if option.is_flag else [option.opts[0], draw(values)]
    return words + draw(st.lists(st.one_of(values, _OPTIONS), max_size=1))
