from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save

from data.files import write_atomically
from spaces import Configuration
from tests.support.made_up import flipped, same_state, train, training_data
from trainables.checkpoint import (
    CheckpointError,
    MemberSource,
    read_members,
    write_segment,
)
from trainables.mlp import Architecture
from trainables.stack.state import StackState

_CONFIGURATION = Configuration(hidden_layers=(8, 4), batch_norm=True, batch_size=16)
_ARCHITECTURE = Architecture(input_size=3, hidden_layers=(8, 4), output_size=2, batch_norm=True)


def _trained(members: int = 3, batch_norm: bool = True) -> StackState:
    configuration = Configuration(hidden_layers=(8, 4), batch_norm=batch_norm, batch_size=16)
    return train([configuration] * members, training_data(40, 20), 2).state


def _write(path: Path, state: StackState) -> MemberSource:
    ids = [f"{row:012x}" for row in range(len(state))]
    return MemberSource(str(path), write_segment(path, [state], ids, 2), 0)


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_segment_comes_back_bit_for_bit(tmp_path: Path, batch_norm: bool, dtype: torch.dtype) -> None:
    configuration = Configuration(hidden_layers=(8, 4), batch_norm=batch_norm, batch_size=16)
    state = train([configuration] * 3, training_data(40, 20, dtype=dtype), 2).state
    source = _write(tmp_path / "deeper" / "a", state)
    read = read_members([MemberSource(source.path, source.sha256, row) for row in (2, 0, 1)])
    assert all(same_state(read, place, state, row) for place, row in enumerate((2, 0, 1)))
    assert [path.name for path in tmp_path.rglob("*")] == ["deeper", "a"]


def test_an_average_comes_back_and_where_none_is_the_file_has_none(tmp_path: Path) -> None:
    data = training_data(40, 20)
    plain, averaged = (train([replace(_CONFIGURATION, ema_decay=decay)] * 2, data, 2).state for decay in (0.0, 0.9))
    sources = [_write(tmp_path / name, state) for name, state in (("plain", plain), ("averaged", averaged))]
    read = read_members(sources[1:])
    assert same_state(read, 0, averaged, 0)
    assert read.average_parameters is not None and not torch.equal(read.average_parameters, read.parameters)
    assert "average_parameters" not in load((tmp_path / "plain").read_bytes())
    with pytest.raises(CheckpointError, match="different architectures"):
        read_members(sources)


def test_what_is_not_a_number_comes_back_too(tmp_path: Path) -> None:
    state = _trained()
    state.parameters[1].fill_(torch.nan)
    state.best_accuracy[0] = -torch.inf
    source = _write(tmp_path / "a", state)
    read = read_members([MemberSource(source.path, source.sha256, row) for row in range(3)])
    assert all(same_state(read, row, state, row) for row in range(3))


def test_members_from_several_files_keep_their_order(tmp_path: Path) -> None:
    states = [_trained(2), _trained(3)]
    for number, state in enumerate(states):
        state.parameters.copy_(torch.arange(len(state))[:, None] + 10.0 * number)
    a, b = (_write(tmp_path / name, state) for name, state in zip("ab", states, strict=True))
    wanted = [(b, 2), (a, 0), (b, 0), (a, 1), (b, 2)]
    read = read_members([MemberSource(source.path, source.sha256, row) for source, row in wanted])
    assert read.parameters[:, 0].tolist() == [12, 0, 10, 1, 12]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content[: len(content) // 2],
        lambda content: b"",
        flipped,
        lambda content: content + b"\0",
        lambda content: b"\xff" * len(content),
    ],
    ids=["cut", "half", "empty", "flipped bit", "longer", "rubbish"],
)
def test_a_damaged_segment_is_refused(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "a"
    source = _write(path, _trained())
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(CheckpointError, match=r"a is damaged: expected SHA-256 \w{12}.*bytes"):
        read_members([source])


def test_a_missing_segment_and_one_that_is_a_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for name in ("nothing", "folder"):
        with pytest.raises(CheckpointError, match="cannot be read"):
            read_members([MemberSource(str(tmp_path / name), "0" * 64, 0)])


def test_another_configurations_file_is_refused(tmp_path: Path) -> None:
    source = _write(tmp_path / "a", _trained())
    _write(tmp_path / "b", _trained(batch_norm=False))
    (tmp_path / "b").replace(tmp_path / "a")
    with pytest.raises(CheckpointError, match="damaged"):
        read_members([source])


def test_members_of_two_architectures_are_refused(tmp_path: Path) -> None:
    sources = [_write(tmp_path / "a", _trained()), _write(tmp_path / "b", _trained(batch_norm=False))]
    with pytest.raises(CheckpointError, match="different architectures"):
        read_members(sources)


@pytest.mark.parametrize("row", [-1, 3, 2**40])
def test_a_row_that_is_not_there_is_refused(tmp_path: Path, row: int) -> None:
    source = _write(tmp_path / "a", _trained())
    with pytest.raises(CheckpointError, match="3 rows"):
        read_members([MemberSource(source.path, source.sha256, row)])


def _without(name: str) -> dict[str, torch.Tensor]:
    return {n: tensor for n, tensor in _trained().tensors().items() if n != name}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no safetensors at all",
        b"\xff" * 8,
        save({}),
        save({"parameters": torch.zeros(1)}),
        save(_without("waited")),
        save(_trained().tensors() | {"more": torch.zeros(3)}),
        save(_trained().tensors() | {"momentum": torch.zeros(3, 1)}),
        save(_trained().tensors() | {"parameters": torch.tensor(1.0)}),
    ],
    ids=[
        "empty",
        "text",
        "huge header",
        "nothing",
        "one",
        "one missing",
        "one more",
        "wrong shape",
        "no axis",
    ],
)
def test_a_file_that_never_was_a_segment_is_refused_whatever_its_hash(tmp_path: Path, content: bytes) -> None:
    sha256 = write_atomically(tmp_path / "a", content)
    with pytest.raises(CheckpointError, match="not a segment's"):
        read_members([MemberSource(str(tmp_path / "a"), sha256, 0)])


def test_a_segment_of_several_architectures(tmp_path: Path) -> None:
    """Rows are counted through all stacks; members of one architecture go on together, wherever they stood."""
    stacks = [_trained(2), _trained(3, batch_norm=False), _trained(1)]
    ids = [f"{row:012x}" for row in range(6)]
    sha256 = write_segment(tmp_path / "a", stacks, ids, 2)
    source = [MemberSource(str(tmp_path / "a"), sha256, row) for row in range(7)]
    for rows, expected in (((5, 1), ((2, 0), (0, 1))), ((4, 2), ((1, 2), (1, 0)))):
        read = read_members([source[row] for row in rows])
        assert all(same_state(read, place, stacks[s], row) for place, (s, row) in enumerate(expected))
    with pytest.raises(CheckpointError, match="different architectures"):
        read_members([source[0], source[2]])
    with pytest.raises(CheckpointError, match="has 6 rows, none of them 6"):
        read_members([source[6]])
