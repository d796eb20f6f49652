from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import InputError
from spaces import Choice, SearchSpace, Uniform, load_space
from tests.support.examples import examples

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
        hidden_layers = [[64, 32]]                             # one network
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
        ("papr", r"paper, paper-full, wide, strong or a \.toml file.*'papr' \(did you mean 'paper'\?\)"),
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


@examples(20)
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
