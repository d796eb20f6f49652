"""A configuration's curve and state, to the bit, whatever it is stacked with and however its epochs are cut.

Float32 and the real kernels, all twelve stacks of the paper's grid.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from spaces import Configuration
from tests.support.made_up import (
    ENGINES,
    StackKey,
    curve,
    key_name,
    paper_stacks,
    same_state,
    train,
    training_data,
)
from trainables.checkpoint import MemberSource, read_members, write_segment
from trainables.segment_protocol import Ending
from trainables.stack.batches import TrainingData
from trainables.training import SegmentResult

_STACKS = paper_stacks()
_SHORT, _LONG = 2, 20
# A tail of 11 rows after whole batches of 16 and of 32; one left-over row for 16, then one for 32 too.
_ROWS = 203
_SINGLE_LEFT = (209, 193)

every_stack = pytest.mark.parametrize("key", _STACKS, ids=key_name)


@functools.cache
def _data(rows: int = _ROWS, inputs: int = 14) -> TrainingData:
    return training_data(rows, inputs=inputs)


@functools.cache
def _together(key: StackKey, epochs: int, engine: str = "compiled") -> SegmentResult:
    """All sixteen members as one stack: what the others are held against."""
    return train(_STACKS[key], _data(), epochs, engine=engine)


def _assert_same(result: SegmentResult, row: int, expected: SegmentResult, expected_row: int) -> None:
    assert curve(result.members[row]) == curve(expected.members[expected_row])
    assert result.members[row].ending == expected.members[expected_row].ending
    assert same_state(result.state, row, expected.state, expected_row)


def _assert_groups_agree(
    members: Sequence[Configuration],
    groups: Sequence[Sequence[int]],
    data: TrainingData,
    expected: SegmentResult,
    engine: str = "compiled",
) -> None:
    for group in groups:
        last_epoch = len(expected.members[group[0]].epochs)
        result = train([members[m] for m in group], data, last_epoch, engine=engine)
        for row, member in enumerate(group):
            _assert_same(result, row, expected, member)


def test_the_paper_has_twelve_stacks_of_sixteen() -> None:
    assert len(_STACKS) == 12
    assert {len(members) for members in _STACKS.values()} == {16}


def test_the_rows_leave_odd_tails() -> None:
    assert [_ROWS % batch_size for batch_size in (16, 32)] == [11, 11]
    assert [rows % batch_size for rows, batch_size in zip(_SINGLE_LEFT, (16, 32), strict=True)] == [1, 1]


@pytest.mark.parametrize("engine", ENGINES)
@every_stack
def test_one_five_and_sixteen_members(key: StackKey, engine: str) -> None:
    expected = _together(key, _SHORT, engine)
    singles, fives = [[m] for m in range(16)], [range(m, min(m + 5, 16)) for m in range(0, 16, 5)]
    _assert_groups_agree(_STACKS[key], [*singles, *fives], _data(), expected, engine)


@pytest.mark.parametrize("engine", ENGINES)
@every_stack
def test_any_order(key: StackKey, engine: str) -> None:
    """Families no longer stand together, and no member is where it was."""
    order = random.Random(3).sample(range(16), 16)
    expected = _together(key, _SHORT, engine)
    _assert_groups_agree(_STACKS[key], [order, order[:7]], _data(), expected, engine)


@every_stack
def test_epochs_in_one_segment_or_in_two(key: StackKey, tmp_path: Path) -> None:
    """1 to 20, or 1 to 7 in two stacks and, through their checkpoints and in another order, 8 to 20."""
    members, data, expected = _STACKS[key], _data(), _together(key, _LONG)
    order = random.Random(5).sample(range(16), 16)
    sources: dict[int, MemberSource] = {}
    curves: dict[int, list[str]] = {}
    for number, group in enumerate((order[:9], order[9:])):
        first = train([members[m] for m in group], data, 7)
        path = tmp_path / f"{number}.safetensors"
        sha256 = write_segment(path, [first.state], [members[m].config_id for m in group], 7)
        sources |= {member: MemberSource(str(path), sha256, row) for row, member in enumerate(group)}
        curves |= {member: curve(first.members[row]) for row, member in enumerate(group)}
    again = sorted(order, key=lambda m: (m % 3, m))
    state = read_members([sources[m] for m in again])
    second = train([members[m] for m in again], data, _LONG, first_epoch=8, state=state)
    for row, member in enumerate(again):
        assert curves[member] + curve(second.members[row]) == curve(expected.members[member])
        assert same_state(second.state, row, expected.state, member)


@every_stack
def test_members_that_leave_do_not_disturb_the_others(key: StackKey) -> None:
    """Some run out of patience and one diverges; those who stay have the bits that they have alone."""
    members, epochs = _STACKS[key], 8
    calm = members[::3]
    restless = [
        replace(calm[0], learning_rate=0.5, optimizer="adam", patience=1, clip_norm=None),
        replace(calm[1], learning_rate=1e30, optimizer="sgd", clip_norm=None),
        replace(calm[2], learning_rate=0.2, optimizer="adam", patience=2),
    ]
    company = [restless[0], *calm[:2], restless[1], *calm[2:], restless[2]]
    mixed, alone = train(company, _data(), epochs), train(calm, _data(), epochs)
    for row, configuration in enumerate(calm):
        _assert_same(mixed, company.index(configuration), alone, row)
    for configuration in restless:
        row = company.index(configuration)
        _assert_same(mixed, row, train([configuration], _data(), epochs), 0)
    endings = [member.ending for member in mixed.members]
    assert Ending.DIVERGED in endings
    assert Ending.EARLY_STOPPED in endings


@pytest.mark.parametrize("rows", _SINGLE_LEFT)
@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_single_row_left_over(rows: int, batch_norm: bool) -> None:
    for key in (key for key in _STACKS if key[1] == batch_norm and key[2] == (16 if rows == 209 else 32)):
        expected = train(_STACKS[key], _data(rows), 2)
        _assert_groups_agree(_STACKS[key], [[0], [15], [3, 9, 4, 14, 8]], _data(rows), expected)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("inputs", [384, 398])
def test_text_and_fusion_features(inputs: int, engine: str) -> None:
    key = ((64, 32), True, 32)
    expected = train(_STACKS[key], _data(inputs=inputs), 2, engine=engine)
    groups = [[0], [7], [15], [3, 9, 4, 14, 8], random.Random(1).sample(range(16), 16)]
    _assert_groups_agree(_STACKS[key], groups, _data(inputs=inputs), expected, engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_clipping_of_others_leaves_an_exploding_member_as_it_is(engine: str) -> None:
    """A norm that overflows, on a member that does not clip, beside members that do."""
    wild = Configuration(hidden_layers=(16,), dropout=0.0, learning_rate=1e-3, batch_size=16)
    data = _data()
    explosive = TrainingData(replace(data.train, x=data.train.x * 1e20), data.val, data.classes)
    members = [wild, replace(wild, clip_norm=0.5), replace(wild, clip_norm=1.5)]
    result, alone = train(members, explosive, 2, engine=engine), train([wild], explosive, 2, engine=engine)
    _assert_same(result, 0, alone, 0)
