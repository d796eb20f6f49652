"""The table of the hyperparameters, beside the fields of a configuration."""

from __future__ import annotations

from typing import get_args, get_type_hints

import pytest

from spaces import Configuration
from spaces.configuration import DEFAULTS, HYPERPARAMETERS
from spaces.hyperparameters import STRUCTURE_TABLE, TABLE, Hyperparameter, Kind

TYPES = {Kind.WIDTHS: tuple[int, ...], Kind.FLAG: bool, Kind.FRACTION: float, Kind.WHOLE: int, Kind.TEXT: str}


def test_each_field_has_one_row() -> None:
    assert sorted(row.name for row in TABLE) == sorted(HYPERPARAMETERS)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_a_row_agrees_with_its_field(row: Hyperparameter) -> None:
    hint = get_type_hints(Configuration)[row.name]
    kinds = [kind for kind in get_args(hint) or (hint,) if kind is not type(None)]
    assert TYPES[row.kind] in (hint, *kinds)
    assert row.kind is Kind.WIDTHS or row.problem(DEFAULTS[row.name]) is None
    assert bool(row.texts) == (row.kind is Kind.TEXT) == (not row.rule)
    assert row.neutral is None or row.neutral in row.texts
    assert (row.problem(None) is None) == (type(None) in get_args(hint))


@pytest.mark.parametrize("row", [*TABLE, *STRUCTURE_TABLE], ids=lambda row: row.name)
def test_what_is_wrong_is_said_with_the_value(row: Hyperparameter) -> None:
    assert str(row.problem("grue")).startswith(row.rule or row.name) and "but got 'grue'" in str(row.problem("grue"))
