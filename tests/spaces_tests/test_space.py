from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import InputError
from spaces import Choice, SearchSpace, Uniform, load_space
from spaces.configuration import HYPERPARAMETERS

_SMALL = st.floats(1e-5, 0.9)
_UNIFORM = st.tuples(_SMALL, _SMALL, st.booleans()).map(lambda t: Uniform(min(t[:2]), max(t[:2]), t[2]))


def _choice(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Choice]:
    return st.lists(values, min_size=1, max_size=4, unique=True).map(tuple).map(Choice)


_PARAMETERS: dict[str, st.SearchStrategy[Choice | Uniform]] = {
    "batch_norm": _choice(st.booleans()),
    "dropout": _choice(_SMALL) | _UNIFORM,
    "learning_rate": _choice(_SMALL) | _UNIFORM,
    "batch_size": _choice(st.integers(2, 64)),
    "optimizer": _choice(st.sampled_from(["adam", "adamw", "sgd"])),
    "clip_norm": _choice(st.none() | _SMALL) | _UNIFORM,
    "activation": _choice(st.sampled_from(["relu", "tanh"])),
    "weight_decay": _choice(_SMALL) | _UNIFORM,
    "patience": _choice(st.none() | st.integers(1, 9)),
    "epochs": _choice(st.none() | st.integers(1, 9)),
}
_LAYERS = st.lists(st.integers(1, 64), min_size=1, max_size=3).map(tuple)
_SPACES = st.builds(
    SearchSpace,
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12),
    st.fixed_dictionaries({"hidden_layers": _choice(_LAYERS)}, optional=_PARAMETERS),
)


# --- TOML


@given(space=_SPACES)
def test_a_space_survives_the_way_to_toml_and_back(space: SearchSpace) -> None:
    again = SearchSpace.from_toml(space.to_toml())
    assert again == space
    assert list(again.parameters) == list(space.parameters)


def test_toml_as_a_person_writes_it() -> None:
    space = SearchSpace.from_toml(
        """
        name = "mine"
        [parameters]
        hidden_layers = [64, 32]                               # one network
        dropout = 0.5                                          # one value
        clip_norm = ["none", 1]
        learning_rate = {low = 1e-4, high = 1e-2, log = true}
        """
    )
    assert space == SearchSpace(
        "mine",
        {
            "hidden_layers": Choice(((64, 32),)),
            "dropout": Choice((0.5,)),
            "clip_norm": Choice((None, 1.0)),
            "learning_rate": Uniform(1e-4, 1e-2, log=True),
        },
    )


def test_every_mistake_of_a_file_is_in_one_message() -> None:
    with pytest.raises(InputError) as caught:
        SearchSpace.from_toml(
            """
            nmae = "mine"
            [parameters]
            hiden_layers = [[64, 32]]
            dropout = [0.3, 1.5]
            learning_rate = {low = 1, hihg = 2}
            batch_size = []
            optimizer = ["adam", "sdg", "rms - prop"]
            epochs = [20, 20]
            """,
            source="mine.toml",
        )
    message = str(caught.value)
    assert message.startswith("mine.toml is not valid:\n  - ")
    for part in (
        "unknown key 'nmae' (did you mean 'name'?)",
        "unknown parameter 'hiden_layers' (did you mean 'hidden_layers'?)",
        "0 <= dropout < 1 must hold, but got 1.5",
        "learning_rate: expected {low = NUMBER",
        "batch_size: a choice needs at least one value",
        "got 'sdg' (did you mean 'sgd'?)",
        "got 'rms - prop'",
        "epochs: the values of a choice must differ",
    ):
        assert part in message
    assert message.count("\n  - ") == 8


@pytest.mark.parametrize(
    "text",
    [
        "",
        "parameters = 3",
        "[[parameters]]\nhidden_layers = [8]",
        "hidden_layers = [8]",
        "[parameters]",
        "[parameters",
        "name = 3\n[parameters]\nhidden_layers = [8]",
        "name = ''\n[parameters]\nhidden_layers = [8]",
        "name = {a = 1}\n[parameters]\nhidden_layers = [8]",
        "[parameters]\nhidden_layers = " + "[" * 50_000 + "]" * 50_000,
        "[parameters]\nhidden_layers = [" + "9" * 5000 + "]",
        "[parameters]\nhidden_layers = [0x" + "f" * 5000 + "]",
        "\0",
    ],
    ids=lambda text: ascii(text[:30]),
)
def test_a_text_that_is_no_space_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="the space is not valid"):
        SearchSpace.from_toml(text)


_TOML_VALUES = (
    "true", "0", "1", "-1", "9223372036854775808", "1" + "0" * 400, "0x" + "f" * 5000, "0.5", "-0.0",
    "1e308", "nan", "inf", "-inf", "''", "'adam'", "'none'", "'''a\nb'''", "1979-05-27T07:32:00Z",
    "1979-05-27", "07:32:00", "[]", "[[]]", "[[[]]]", "[[[8]]]", "[[8], 8]", "[8, [8]]", "[8, 'a']",
    "[1, 1]", "[1, 1.0]", "[1, true]", "[nan]", "[{}]", "[[{a = 1}]]", "[['a'], [1.5]]", "[true, 'x']",
    "['none', 'none']", "{}", "{low = 0.1}", "{low = 0.1, high = 0.2, log = 'no'}",
    "{low = 0.1, high = 0.2, log = 1}", "{low = 0.2, high = 0.1}", "{low = 0, high = 0.1, log = true}",
    "{low = true, high = 0.5}", "{low = 'a', high = 'b'}", "{low = nan, high = 1}",
    "{low = -inf, high = inf}", "{low = 0.1, high = 0.2, step = 0.1}", "{low = [], high = {}}",
    "{low = 0, high = 1" + "0" * 400 + "}", "{low = 0, high = 0x" + "f" * 5000 + "}",
    "{low = 0.1, high = 0.1}",
)  # fmt: skip


@pytest.mark.parametrize("name", [*HYPERPARAMETERS, "dropuot"])
@pytest.mark.parametrize("value", _TOML_VALUES, ids=lambda value: ascii(value[:24]))
def test_any_toml_value_in_any_place_is_taken_or_refused_as_input(name: str, value: str) -> None:
    layers = "" if name == "hidden_layers" else "hidden_layers = [8]\n"
    try:
        space = SearchSpace.from_toml(f"[parameters]\n{layers}{name} = {value}", source="s.toml")
    except InputError as error:
        message = str(error)
    else:
        assert SearchSpace.from_toml(space.to_toml()) == space
        assert space.sample(1, seed=0)
        return
    assert message.startswith("s.toml is not valid:\n")
    assert name in message
    assert len(message) < 1000


def test_nothing_is_none_but_what_may_be() -> None:
    """The text "none" is a value of an optimiser, if a wrong one."""
    with pytest.raises(InputError, match=r"got 'none'"):
        SearchSpace.from_toml("[parameters]\nhidden_layers = [8]\noptimizer = 'none'")


# --- load_space


def test_a_space_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[parameters]\nhidden_layers = [[8], [16]]\n")
    space = load_space(str(path))
    assert (space.name, space.size) == ("mine", 2)


def test_a_space_built_in_python_is_taken_as_it_is() -> None:
    space = SearchSpace("mine", {"hidden_layers": Choice(((8,),)), "dropout": Uniform(0.0, 0.5)})
    assert load_space(space) is space


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("papr", r"paper, paper-full, wide or a \.toml file.*'papr' \(did you mean 'paper'\?\)"),
        ("", "paper-full"),
        ("nothing.toml", "cannot be read"),
        ("folder.toml", "cannot be read"),
        ("binary.toml", "cannot be read"),
        ("nul\0.toml", "cannot be read"),
        ("wrong.toml", r"wrong\.toml is not valid TOML"),
    ],
)
def test_a_space_that_is_not_there_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder.toml").mkdir()
    Path("binary.toml").write_bytes(b"\xff\xfe\x00")
    Path("wrong.toml").write_text("= 3")
    with pytest.raises(InputError, match=message):
        load_space(name)


# --- validity, size and listing


def test_a_space_names_all_its_mistakes() -> None:
    with pytest.raises(InputError) as caught:
        SearchSpace("bad", {"dropuot": Choice((0.3,)), "optimizer": Choice(("addam", "sgd")), "epochs": 20})  # type: ignore[dict-item]
    message = str(caught.value)
    for part in (
        "did you mean 'dropout'?",
        "did you mean 'adam'?",
        "hidden_layers is missing",
        "epochs must be a Choice",
    ):
        assert part in message


@pytest.mark.parametrize("name", ["batch_size", "patience", "epochs", "hidden_layers", "batch_norm", "optimizer"])
def test_what_is_no_fraction_has_no_range(name: str) -> None:
    with pytest.raises(InputError, match=name):
        SearchSpace("bad", {"hidden_layers": Choice(((8,),)), name: Uniform(2, 8)})


@pytest.mark.parametrize("values", [(), (1, 1), (1, 1.0), ([1], [1]), ([[1]],), ({},)])
def test_a_choice_of_nothing_of_equals_or_of_containers_is_refused(values: tuple[Any, ...]) -> None:
    with pytest.raises(InputError, match="choice"):
        Choice(values)


@pytest.mark.parametrize("bounds", [(1, 0), (math.nan, 1), (0, math.inf), ("a", 1), (0, True), (0, 10**400)])
def test_bounds_must_be_bounds(bounds: tuple[Any, Any]) -> None:
    with pytest.raises(InputError, match=r"low <= high must hold|must be a number"):
        Uniform(*bounds)


@given(space=_SPACES)
def test_a_grid_lists_as_many_points_as_its_size_says(space: SearchSpace) -> None:
    if space.size is None:
        with pytest.raises(InputError, match="continuous"):
            space.configurations()
    elif space.size <= 1000:
        points = space.configurations()
        assert len(points) == len({c.config_id for c in points}) == space.size
    assert space.is_grid == (space.size is not None)


# --- sampling


def _grid(values: int, parameters: int) -> SearchSpace:
    names = ("learning_rate", "weight_decay", "clip_norm")[:parameters]
    choice = Choice(tuple((1 + i) / (values + 1) for i in range(values)))
    return SearchSpace("large", {"hidden_layers": Choice(((8,),)), **dict.fromkeys(names, choice)})


def test_a_thousand_million_points_are_sampled_and_not_listed() -> None:
    space = _grid(1000, 3)
    assert space.size == 10**9
    with pytest.raises(InputError, match=r"1,000,000,000 points.*sample it"):
        space.configurations()
    started = time.perf_counter()
    points = space.sample(500, seed=1)
    assert time.perf_counter() - started < 5
    assert len({c.config_id for c in points}) == 500
    assert space.sample(500, seed=1) == points
    assert space.sample(500, seed=2) != points


def test_more_points_than_an_index_can_count_are_sampled_too() -> None:
    rates, whole = Choice(tuple((1 + i) / 300 for i in range(256))), Choice(tuple(range(2, 258)))
    space = SearchSpace(
        "vast",
        {
            "hidden_layers": Choice(tuple((width,) for width in whole.values)),
            **dict.fromkeys(("learning_rate", "weight_decay", "clip_norm", "dropout"), rates),
            **dict.fromkeys(("batch_size", "patience", "epochs"), whole),
        },
    )
    assert space.size == 2**64
    assert len(set(space.sample(50, seed=1))) == 50


@settings(max_examples=50)
@given(space=_SPACES, count=st.integers(1, 40), seed=st.integers(0, 2**32))
def test_samples_differ_lie_in_the_space_and_depend_on_the_seed(space: SearchSpace, count: int, seed: int) -> None:
    ranges = [p for p in space.parameters.values() if isinstance(p, Uniform) and p.low < p.high]
    if space.size is None and not ranges:
        count = 1
    count = min(count, space.size or count)
    points = space.sample(count, seed)
    assert len({c.config_id for c in points}) == count
    assert space.sample(count, seed) == points
    for configuration in points:
        for name, parameter in space.parameters.items():
            value = getattr(configuration, name)
            if isinstance(parameter, Choice):
                assert value in parameter.values
            else:
                assert parameter.low <= value <= parameter.high


def test_all_of_a_grid_can_be_sampled_in_another_order() -> None:
    space = load_space("paper")
    points = space.sample(192, seed=3)
    assert points != space.configurations()
    assert set(points) == set(space.configurations())


@pytest.mark.parametrize("count", [193, 10**9, 0, -1])
def test_more_points_than_there_are_or_none_are_refused(count: int) -> None:
    with pytest.raises(InputError, match="--trials"):
        load_space("paper").sample(count, seed=0)


def test_a_range_of_one_point_has_one_configuration() -> None:
    space = SearchSpace("narrow", {"hidden_layers": Choice(((8,),)), "dropout": Uniform(0.5, 0.5)})
    assert len(space.sample(1, seed=0)) == 1
    with pytest.raises(InputError, match="seems to have 1 points, fewer than --trials 2"):
        space.sample(2, seed=0)


def test_a_logarithmic_range_is_as_often_below_as_above_its_middle() -> None:
    space = SearchSpace("log", {"hidden_layers": Choice(((8,),)), "learning_rate": Uniform(1e-4, 1e-2, log=True)})
    rates = [c.learning_rate for c in space.sample(1000, seed=0)]
    assert 400 < sum(rate < 1e-3 for rate in rates) < 600


_SOUND = "hidden_layers = [[8]]"


@pytest.mark.parametrize(
    ("lines", "messages"),
    [
        (["hidden_layer = [[8]]"], ["unknown parameter 'hidden_layer' (did you mean 'hidden_layers'?)"]),
        ([_SOUND, "dropout = [0.1]", "droput = [0.2]"], ["unknown parameter 'droput'"]),
        (["depth = [1]"], ["width must be given beside depth"]),
        (["taper = [0.5]", "widht = [8]", "depth = [1]"], ["unknown parameter 'widht' (did you mean 'width'?)"]),
        ([_SOUND, "batch_size = {low = 8, high = 64}"], ["batch_size must be a list of values, but got a range"]),
        (
            [_SOUND, "optimizer = []", "momentum = {values = [0.9], when = {optimizer = 'sgd'}}"],
            ["optimizer: a choice needs at least one value, but got none"],
        ),
        (
            [_SOUND, "momentum = {values = [0.9], when = {optimizer = 'sgd'}}", "optimizer = ['sgd', 'adam']"],
            ["momentum: when must name choices that stand before it, but got 'optimizer'"],
        ),
        (
            [_SOUND, "optimizer = ['sgd', 'adam']", "momentum = {values = [0.9], when = {optimiser = 'sgd'}}"],
            ["momentum: when must name choices that stand before it, but got 'optimiser' (did you mean 'optimizer'?)"],
        ),
        (
            [_SOUND, "schedul = ['cosine']", "schedule_epochs = {values = [5], when = {schedul = 'cosine'}}"],
            ["unknown parameter 'schedul' (did you mean 'schedule'?)"],
        ),
        (
            [_SOUND, "learning_rate = 'a'", "optimizer = ['adma']", "dropout = [0.1, 0.2]", "clip_norm = [1.0]"],
            [
                "learning_rate > 0 must hold, but got 'a'",
                "optimizer must be one of adam, adamw, sgd, but got 'adma' (did you mean 'adam'?)",
            ],
        ),
        (
            [_SOUND, "schedule_epochs = [5]", "optimizer = ['adma']", "momentum = [0.9]"],
            [
                "schedule_epochs goes with a schedule, but got 5 with 'constant'"
                ' (in a space: when = {schedule = ["cosine", "one_cycle"]})',
                "optimizer must be one of adam, adamw, sgd, but got 'adma' (did you mean 'adam'?)",
            ],
        ),
        (
            [_SOUND, "momentum = {values = [2.0, 0.5], when = 3}"],
            [
                'momentum: when must be a table such as {optimizer = "sgd"}',
                "0 <= momentum < 1 must hold, but got 2.0",
            ],
        ),
        (
            [_SOUND, "dropout = [0.5, 0.5, 7.0]"],
            [
                "dropout: the values of a choice must differ, but got [0.5, 0.5, 7.0]",
                "0 <= dropout < 1 must hold, but got 7.0",
            ],
        ),
        (
            [_SOUND, "optimizer = ['sgd', 'adam']", "momentum = {values = [0.9, 3.0], when = {optimizer = 'adamw'}}"],
            ["momentum: optimizer never is 'adamw'", "0 <= momentum < 1 must hold, but got 3.0"],
        ),
    ],
)
def test_a_mistake_is_told_once_and_none_of_its_consequences(lines: list[str], messages: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        SearchSpace.from_toml("\n".join(["[parameters]", *lines]), "x.toml")
    assert str(caught.value).splitlines() == ["x.toml is not valid:", *(f"  - {message}" for message in messages)]


def test_a_misspelt_table_is_one_mistake() -> None:
    with pytest.raises(InputError) as caught:
        SearchSpace.from_toml(f"[parametrs]\n{_SOUND}", "x.toml")
    assert str(caught.value).splitlines()[1:] == ["  - unknown key 'parametrs' (did you mean 'parameters'?)"]
