"""Groups of options: what a command gets of them, and that their defaults are those of the settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from data.errors import InputError
from results.record.settings import Device, StageSettings, StudySettings
from search.cli.options import ClusterOptions, SettingsOptions, StageOptions, with_groups
from search.cluster.placement import Resources


def test_defaults_are_those_of_the_settings() -> None:
    assert SettingsOptions().settings() == StudySettings(data="synthetic")
    assert StageOptions().settings() == StageSettings()
    assert ClusterOptions().resources() == Resources()


def test_settings_are_checked_where_they_are_made() -> None:
    assert SettingsOptions(stack_size="7", device=Device.CUDA).settings().stack_size == 7
    with pytest.raises(InputError, match="--stack-size must be auto or a whole number"):
        SettingsOptions(stack_size="none").settings()
    with pytest.raises(InputError, match="--trials goes with"):
        SettingsOptions(trials=3).settings()


@dataclass(frozen=True, kw_only=True)
class Sizes:
    width: Annotated[int, typer.Option(min=1, help="Of a layer.")] = 8
    deep: Annotated[bool, typer.Option("--deep", help="More layers.")] = False


def test_a_command_gets_its_groups_beside_its_own_parameters() -> None:
    got: list[object] = []

    def build(*, place: Annotated[str, typer.Argument()], sizes: Sizes, count: int = 1) -> None:
        got.append((place, sizes, count))

    app = typer.Typer()
    app.command()(with_groups(build))
    for words in (["here"], ["here", "--width", "3", "--deep", "--count", "2"]):
        assert CliRunner().invoke(app, words).exit_code == 0
    assert got == [("here", Sizes(), 1), ("here", Sizes(width=3, deep=True), 2)]
    assert CliRunner().invoke(app, ["here", "--width", "0"]).exit_code == 2
    assert CliRunner().invoke(app, ["--width", "3"]).exit_code == 2, "the argument is still one"
