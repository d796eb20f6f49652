from __future__ import annotations

import itertools

import pytest

from data.errors import InputError
from spaces import Configuration, SearchSpace, load_space

_TABLE_4 = itertools.product(
    ((64, 32), (16, 16, 16), (128, 16)),
    (True, False),
    (0.3, 0.7),
    (1e-3, 1e-4),
    (16, 32),
    ("adam", "sgd"),
    (0.5, 1.5),
)
_EXPECTED = [
    Configuration(
        hidden_layers=hidden_layers,
        batch_norm=batch_norm,
        dropout=dropout,
        learning_rate=learning_rate,
        batch_size=batch_size,
        optimizer=optimizer,
        clip_norm=clip_norm,
    )
    for hidden_layers, batch_norm, dropout, learning_rate, batch_size, optimizer, clip_norm in _TABLE_4
]


def test_the_papers_grid_is_its_table() -> None:
    space = load_space("paper")
    assert space.size == 192
    assert list(space.configurations()) == _EXPECTED
    assert len({c.config_id for c in space.configurations()}) == 192


def test_with_both_training_lengths_it_is_twice_as_large() -> None:
    space = load_space("paper-full")
    assert space.size == 384
    assert len({c.config_id for c in space.configurations()}) == 384
    assert {c.epochs for c in space.configurations()} == {20, 50}
    values = {tuple(value for name, value in vars(c).items() if name != "epochs") for c in space.configurations()}
    assert values == {tuple(v for n, v in vars(c).items() if n != "epochs") for c in _EXPECTED}


@pytest.mark.parametrize("name", ["paper", "paper-full"])
def test_each_id_leads_back_to_its_values(name: str) -> None:
    space = load_space(name)
    for configuration in space.configurations():
        assert space.configuration(configuration.config_id) == configuration


def test_the_papers_ids_never_change() -> None:
    ids = [c.config_id for c in load_space("paper").configurations()]
    assert (ids[0], ids[100], ids[191]) == ("d114537ba69d", "9475a72cfa61", "1edb5c7eed61")
    assert load_space("paper-full").configurations()[0].config_id == "f89dd5fb95a0"


def test_ids_do_not_depend_on_the_order_of_the_space() -> None:
    space = load_space("paper")
    turned = SearchSpace("turned", dict(reversed(list(space.parameters.items()))))
    assert [c.config_id for c in turned.configurations()] != [c.config_id for c in space.configurations()]
    assert {c.config_id for c in turned.configurations()} == {c.config_id for c in space.configurations()}


def test_an_unknown_id_is_refused() -> None:
    with pytest.raises(InputError, match="'paper' has no configuration 'abc'"):
        load_space("paper").configuration("abc")
