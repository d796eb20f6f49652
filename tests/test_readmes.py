"""What the READMEs say can be typed: commands parse, spaces load, Python compiles, links lead somewhere."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from search.cli.main import app
from spaces import SearchSpace

ROOT = Path(__file__).parents[1]
READMES = sorted(path for path in ROOT.rglob("README.md") if not {".venv", "runs"} & {*path.relative_to(ROOT).parts})
MOST_LINES, MOST_BYTES = 150, 10_000


def blocks(kinds: str) -> Iterator[tuple[str, str]]:
    """Name of the file and text of every code block of these languages."""
    for path in READMES:
        for found in re.finditer(rf"^```(?:{kinds})\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL):
            yield str(path.relative_to(ROOT)), found[1]


def commands() -> list[str]:
    """Every ``genresweep`` command line that stands on a line of its own, comments left out."""
    found = []
    for path in READMES:
        text = re.sub(r" \\\n\s*", " ", path.read_text())
        lines = [line.strip() for line in text.splitlines()]
        found += [line.partition("  #")[0].strip() for line in lines if line.startswith("genresweep ")]
    return found


def words(command: str) -> list[str]:
    """The words after ``genresweep``, shell variables filled in."""
    plain = re.sub(r"\$seed\b", "1", command)
    plain = re.sub(r"\$split\b", "random", plain)
    return shlex.split(plain)[1:]


@pytest.mark.parametrize("command", commands())
def test_commands_have_the_options_that_they_are_shown_with(command: str) -> None:
    name, *arguments = words(command)
    group: Any = typer.main.get_command(app)
    context = group.make_context("genresweep", [name, "--help"], resilient_parsing=True)
    group.commands[name].make_context(name, arguments, parent=context)


def test_there_are_commands_to_try() -> None:
    assert len(commands()) > 20


@pytest.mark.parametrize(("name", "text"), list(blocks("toml")))
def test_toml_is_a_space_or_a_mapping(name: str, text: str) -> None:
    if "parameters" in tomllib.loads(text):
        SearchSpace.from_toml(text, source=name)
    else:
        assert {"label", "numbers"} <= tomllib.loads(text).keys()


@pytest.mark.parametrize(("name", "text"), list(blocks("python")))
def test_python_imports_what_there_is(name: str, text: str) -> None:
    compile(text, name, "exec")
    imports = "\n".join(line for line in text.splitlines() if line.startswith(("from ", "import ")))
    exec(imports, {})


@pytest.mark.parametrize("path", READMES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_paths_lead_somewhere(path: Path) -> None:
    text = path.read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert target.startswith("http") or (path.parent / target).exists(), target
    for named in re.findall(r"`((?:search|results|trainables|data|spaces|tests)/[\w/.]+\.\w+)`", text):
        assert (ROOT / named).exists(), named


def test_the_first_one_can_be_read_at_once() -> None:
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= MOST_LINES and len(text.encode()) <= MOST_BYTES
