from __future__ import annotations

import json
import random
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import InputError
from spaces import Configuration
from spaces.configuration import HYPERPARAMETERS

_POSITIVE = st.floats(1e-6, 1e3)
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "batch_norm": st.booleans(),
    "dropout": st.floats(0, 1, exclude_max=True),
    "learning_rate": _POSITIVE,
    "batch_size": st.integers(2, 512),
    "optimizer": st.sampled_from(["adam", "adamw", "sgd"]),
    "clip_norm": st.none() | _POSITIVE,
    "activation": st.sampled_from(["relu", "tanh"]),
    "weight_decay": st.floats(0, 1),
    "patience": st.none() | st.integers(1, 50),
    "epochs": st.none() | st.integers(1, 500),
}
_CONFIGURATIONS = st.fixed_dictionaries(
    {"hidden_layers": st.lists(st.integers(1, 512), min_size=1, max_size=4).map(tuple)}, optional=_VALUES
)


@given(values=_CONFIGURATIONS, seed=st.integers(0, 99))
def test_an_id_depends_on_the_values_and_on_nothing_else(values: dict[str, Any], seed: int) -> None:
    configuration = Configuration(**values)
    shuffled = dict(random.Random(seed).sample(list(values.items()), len(values)))
    assert Configuration.from_mapping(shuffled).config_id == configuration.config_id
    assert Configuration.from_mapping(json.loads(json.dumps(values))).config_id == configuration.config_id
    again = Configuration.from_json(configuration.to_json())
    assert again == configuration
    assert again.config_id == configuration.config_id


@given(a=_CONFIGURATIONS, b=_CONFIGURATIONS)
def test_ids_are_equal_where_configurations_are(a: dict[str, Any], b: dict[str, Any]) -> None:
    one, two = Configuration(**a), Configuration(**b)
    assert (one == two) == (one.config_id == two.config_id)


def test_the_same_value_written_otherwise_is_the_same_configuration() -> None:
    one = Configuration(hidden_layers=(8,), dropout=0, clip_norm=1, learning_rate=1, weight_decay=0)
    two = Configuration(hidden_layers=[8], dropout=-0.0, clip_norm=1.0, learning_rate=1.0, weight_decay=-0.0)  # type: ignore[arg-type]
    assert one == two
    assert one.config_id == two.config_id


@pytest.mark.parametrize(
    ("configuration", "config_id"),
    [
        (Configuration(hidden_layers=(64, 32)), "f11f8d3a0dea"),
        (
            Configuration(
                hidden_layers=(8,),
                activation="tanh",
                weight_decay=0.01,
                patience=3,
                epochs=50,
                clip_norm=2,
                optimizer="adamw",
                batch_size=64,
                dropout=0,
            ),
            "1be632badd76",
        ),
    ],
)
def test_ids_never_change(configuration: Configuration, config_id: str) -> None:
    """Records on disk name configurations by these."""
    assert configuration.config_id == config_id


def test_every_mistake_is_in_one_message() -> None:
    with pytest.raises(InputError) as caught:
        Configuration(
            hidden_layers=(),
            batch_norm="yes",  # type: ignore[arg-type]
            dropout=1.0,
            learning_rate=0.0,
            batch_size=1,
            optimizer="adm",
            clip_norm=0.0,
            activation="rleu",
            weight_decay=-1.0,
            patience=0,
            epochs=-5,
            momentum=1.0,
            label_smoothing=-0.1,
            schedule="cosin",
            schedule_epochs=0,
            encoding="quantiles",
            ema_decay=1.0,
        )
    message = str(caught.value)
    assert all(f"{name} " in message or f"{name} must" in message for name in HYPERPARAMETERS)
    assert "did you mean 'adam'?" in message
    assert "did you mean 'relu'?" in message
    assert message.count("\n  - ") == len(HYPERPARAMETERS)


def test_unknown_and_missing_names() -> None:
    with pytest.raises(InputError, match=r"'dropot' \(did you mean 'dropout'\?\), 'colour'"):
        Configuration.from_mapping({"hidden_layers": [8], "dropot": 0.3, "colour": 1})
    with pytest.raises(InputError, match="needs hidden_layers"):
        Configuration.from_mapping({"dropout": 0.3})


_ODD_VALUES = [
    None, True, False, -1, 0, 1, 2, 10**30, 10**400, -(10**400), -0.0, 0.5, 1e308, float("nan"), float("inf"),
    -float("inf"), "", "adam", "0.5", "\0", [], (), [[8]], [8, "8"], [True], [8, None], [0.5], {}, {8},
    {"low": 1}, date(2024, 2, 29), b"8", object(), [10**400],
]  # fmt: skip


@pytest.mark.parametrize("name", HYPERPARAMETERS)
@pytest.mark.parametrize("value", _ODD_VALUES, ids=lambda value: type(value).__name__)
def test_any_value_in_any_place_is_taken_or_refused_as_input(name: str, value: Any) -> None:
    try:
        configuration = Configuration.from_mapping({"hidden_layers": [8], name: value})
    except InputError as error:
        message = str(error)
    else:
        assert Configuration.from_json(configuration.to_json()) == configuration
        return
    assert name in message
