"""``genresweep dashboard``: the study pages of a folder, live in a browser."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from data.errors import InputError, command
from data.run_directories import RUNS
from search.cli import options
from search.cli.console import ERR, OUT, print_json


def dashboard(
    runs: Annotated[Path, typer.Argument(help="The folder that holds the studies.", metavar="[RUNS]")] = RUNS,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port of this machine; 8321 or the next free one by default, 0 for any."),
    ] = None,
    open_it: Annotated[bool, typer.Option("--open", help="Open it in this machine's browser, too.")] = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """The study pages of a folder, in a browser on this machine, also while they run; Ctrl-C ends it."""
    _refuse_what_is_no_folder(runs)
    try:
        from search.dashboard import server
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn"):
            raise
        raise InputError(
            f"the dashboard needs {error.name}, which is not installed. "
            "Fix: pip install -c .ci/constraints.txt -e '.[dashboard]'"
        ) from error
    with server.listening(port) as opened:
        url, found = server.address(opened)
        if port is None and found != server.PORT:
            ERR.print(f"port {server.PORT} is taken: another dashboard, perhaps; this one has {found}")
        if as_json:
            print_json({"url": url, "folder": str(runs.resolve())})
        else:
            OUT.print(f"{runs}: {url} (Ctrl-C ends it)", markup=False)
        if open_it:
            webbrowser.open(url)
        server.serve(runs, opened)


def _refuse_what_is_no_folder(runs: Path) -> None:
    if (runs / "manifest.json").is_file():
        folder = runs.resolve().parent
        raise InputError(f"{runs} is a study: give the folder that holds it, {command('dashboard', folder)}")
    if not runs.is_dir():
        raise InputError(
            f"no folder {runs}/: begin a study with `genresweep sweep`, or name the folder of your studies"
        )
