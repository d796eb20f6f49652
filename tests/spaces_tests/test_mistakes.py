"""Spaces that are none: all mistakes in one message, each told once."""

from __future__ import annotations

import pytest

from data.errors import InputError
from spaces import SearchSpace
from spaces.configuration import HYPERPARAMETERS


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
