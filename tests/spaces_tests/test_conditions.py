"""Parameters that apply to some points only, and hidden layers by depth, width and taper."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import InputError
from spaces import Choice, Configuration, SearchSpace, Uniform, load_space
from spaces.space import LARGEST_GRID

_TOML = """
name = "mine"
[parameters]
depth = [1, 2]
width = [8, 16]
taper = {values = [1.0, 0.5], when = {depth = 2}}
optimizer = ["adam", "sgd"]
momentum = {values = [0.5, 0.9], when = {optimizer = "sgd"}}
"""


def test_a_conditional_grid_lists_each_network_once() -> None:
    space = SearchSpace.from_toml(_TOML)
    shapes = [(8,), (16,), (8, 8), (8, 4), (16, 16), (16, 8)]
    trainings = [("adam", 0.0), ("sgd", 0.5), ("sgd", 0.9)]
    points = space.configurations()
    assert space.size == len(points) == 18
    assert {(c.hidden_layers, (c.optimizer, c.momentum)) for c in points} == set(itertools.product(shapes, trainings))
    assert len({c.config_id for c in points}) == 18
    assert set(space.sample(18, seed=1)) == set(points)


def test_conditions_survive_the_way_to_toml_and_back() -> None:
    for space in (SearchSpace.from_toml(_TOML), load_space("wide")):
        assert SearchSpace.from_toml(space.to_toml()) == space


@given(seed=st.integers(0, 10_000))
def test_values_are_what_build_was_given(seed: int) -> None:
    space = load_space("wide")
    (configuration,) = space.sample(1, seed)
    values = space.values(configuration)
    assert space.build(lambda name, parameter: values[name]) == configuration
    assert ("momentum" in values) == (configuration.optimizer == "sgd")
    assert ("taper" in values) == (len(configuration.hidden_layers) > 1)


@pytest.mark.parametrize(
    ("name", "shapes", "encodings"),
    [("wide", 60, {"standardised", "quantile", "piecewise_linear"}), ("strong", 8, {"piecewise_linear"})],
)
def test_named_spaces_have_few_enough_shapes_for_stacks(name: str, shapes: int, encodings: set[str]) -> None:
    points = load_space(name).sample(3000, seed=0)
    assert len({(c.hidden_layers, c.batch_size) for c in points}) == shapes
    assert {c.encoding for c in points} == encodings


def test_a_grid_with_conditions_too_large_to_list_says_so() -> None:
    values = {f: Choice(tuple(float(i) / 200 for i in range(100))) for f in ("dropout", "label_smoothing")}
    space = SearchSpace(
        "large",
        {"hidden_layers": Choice(((8,),)), "optimizer": Choice(("adam", "sgd")), **values,
         "weight_decay": Choice(tuple(map(float, range(10)))), "momentum": Choice((0.1, 0.2))},
        {"momentum": {"optimizer": ("sgd",)}},
    )  # fmt: skip
    assert space.size is not None and space.size > LARGEST_GRID
    with pytest.raises(InputError, match="can be listed"):
        space.configurations()
    assert len(set(space.sample(20, seed=0))) == 20


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('momentum = {values = [0.9], when = {optimiser = "sgd"}}', "must name choices that stand before it"),
        ('momentum = {values = [0.9], when = {optimizer = "adamw"}}', "optimizer never is 'adamw'"),
        ("momentum = [0.9]", "momentum goes with optimizer sgd alone"),
        ("momentum = {values = [0.9], when = 3}", "when must be a table"),
        ("schedule_epochs = [10]", "schedule_epochs goes with a schedule"),
        ("taper = [0.0]", "0 < taper <= 1 must hold, but got 0.0"),
        ("hidden_layers = [[8]]", "hidden_layers and depth, width exclude each other"),
        ("momentum = {values = [0.9], low = 1}", "expected {low = NUMBER"),
    ],
)
def test_mistakes_in_conditions_and_structure(line: str, message: str) -> None:
    text = f'[parameters]\ndepth = 1\nwidth = 8\noptimizer = ["adam", "sgd"]\n{line}\n'
    with pytest.raises(InputError) as caught:
        SearchSpace.from_toml(text)
    assert message in str(caught.value)


@pytest.mark.parametrize("line", ["depth = 0", "depth = 2.0", "depth = {low = 1, high = 3}", "depth = 33"])
def test_a_depth_is_a_small_whole_number(line: str) -> None:
    with pytest.raises(InputError, match="depth must be"):
        SearchSpace.from_toml(f"[parameters]\n{line}\nwidth = 8\n")


def test_a_single_optimizer_needs_no_condition() -> None:
    parameters = {"hidden_layers": Choice(((8,),)), "optimizer": Choice(("sgd",)), "momentum": Uniform(0.0, 0.99)}
    assert all(c.optimizer == "sgd" and c.momentum > 0 for c in SearchSpace("s", parameters).sample(5, seed=0))


def test_what_changes_nothing_is_no_second_configuration() -> None:
    with pytest.raises(InputError, match="momentum goes with"):
        Configuration(hidden_layers=(8,), momentum=0.5)
    with pytest.raises(InputError, match="schedule_epochs goes with"):
        Configuration(hidden_layers=(8,), schedule_epochs=5)


def test_a_taper_that_does_nothing_is_no_second_configuration() -> None:
    text = "[parameters]\ndepth = [1, 2]\nwidth = 8\ntaper = [1.0, 0.5]\n"
    space = SearchSpace.from_toml(text)
    assert space.size == 3
    assert [c.hidden_layers for c in space.configurations()] == [(8,), (8, 8), (8, 4)]
    assert len(set(space.sample(3, seed=1))) == 3
    assert space.values(space.configurations()[0]) == {"depth": 1, "width": 8}


def test_the_taper_of_rounded_widths_stays_within_its_range() -> None:
    parameters = {"depth": Choice((2,)), "width": Choice((64,)), "taper": Uniform(0.3, 1.0)}
    space = SearchSpace("s", parameters)
    point = {"depth": 2, "width": 64, "taper": 0.3}
    assert space.values(space.build(lambda name, parameter: point[name]))["taper"] == 0.3


def test_a_default_that_a_condition_leaves_is_among_the_choices() -> None:
    space = SearchSpace.from_toml(
        """
        [parameters]
        hidden_layers = [[8]]
        activation = ["relu", "tanh"]
        encoding = {values = ["quantile"], when = {activation = "relu"}}
        """
    )
    assert set(space.choices("encoding")) == {"quantile", "standardised"}
    assert space.choices("epochs") == (None,)


def test_a_value_is_checked_beside_every_way_to_meet_its_condition() -> None:
    with pytest.raises(InputError, match="momentum goes with optimizer sgd alone, but got 0.9 with 'adam'"):
        SearchSpace.from_toml(
            """
            [parameters]
            hidden_layers = [[8]]
            optimizer = ["sgd", "adam"]
            momentum = {values = [0.9], when = {optimizer = ["sgd", "adam"]}}
            """
        )
