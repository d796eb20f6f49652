"""The command line. Exit codes: 0 done, 1 the study failed, 2 the input is wrong, 130 interrupted."""

from __future__ import annotations

import errno
import functools
import gc
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer

from data.errors import FailureError, InputError, InputWarning
from data.files import user_path
from search.cli import compare, dashboard, train, view
from search.cli.console import ERR, OUT, NobodyReadsError, settle_streams, writing_results
from search.cli.progress import watch
from search.cluster.environment import collect_rarely, settle

_WIDTH, _LINES, _FEWEST = 800, 24, 8
"""Letters of a line; lines of an error with its notes, and of an error whose notes are many, at most."""
_SIGPIPE = 128 + 13
"""Exit code that shells report for a command whose reader has ended."""

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _say_version(asked: bool) -> None:
    if asked:
        OUT.print(f"genresweep {metadata.version('genresweep')}")
        raise typer.Exit


@app.callback(no_args_is_help=True)
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Say which version this is.", callback=_say_version, is_eager=True)
    ] = False,
) -> None:
    """Hyperparameter search over music genre networks, trained as stacks under Ray Tune."""


def with_homes(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with ``~`` expanded in every path that it is given; shells leave it in ``--out=~/x``."""

    @functools.wraps(command)
    def expanded(**values: Any) -> None:
        given = {name: _with_home(value) for name, value in values.items()}
        try:
            command(**given)
        except BrokenPipeError as error:  # no reader of standard output, which has its own: a connection
            raise _broken_connection(error) from error

    return expanded


def _broken_connection(error: OSError) -> FailureError:
    """Return an error that Typer does not take for the end of the reader of standard output."""
    failure = FailureError(f"a connection broke: {error.strerror or error}")
    for note in getattr(error, "__notes__", []):
        failure.add_note(note)
    return failure


def _with_home(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_home(item) for item in value]
    return user_path(value) if isinstance(value, Path) else value


for command in (
    train.run,
    train.sweep,
    train.resume,
    view.status,
    watch.watch,
    dashboard.dashboard,
    view.trials,
    view.describe,
    view.predict,
    view.report,
    compare.compare,
    compare.importance,
    compare.replay,
    compare.export,
    train.ensemble,
    train.trees,
    train.prune,
    view.doctor,
):
    app.command(short_help=(command.__doc__ or "").partition("\n")[0])(with_homes(command))


def main() -> None:
    """Run the console script."""
    settle_streams()
    collect_rarely()
    code = run(sys.argv[1:])
    # Python would look through all that was imported once more, for a second or two: what must be closed has been
    gc.freeze()
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code."""
    settle()
    try:
        with warnings_shown():
            result = typer.main.get_command(app).main(arguments, prog_name="genresweep", standalone_mode=False)
        with writing_results():
            sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except typer.TyperException as error:
        return _misused(error)
    except InputError as error:
        return _fail(error, 2, arguments)
    except NobodyReadsError:
        return _SIGPIPE
    except SystemExit as end:  # Typer exits by itself, with 1, where nobody reads its help
        return _SIGPIPE if end.code == 1 else int(end.code or 0)
    except (KeyboardInterrupt, typer.Abort):
        ERR.print("interrupted; what was committed is kept", highlight=False)
        return 130
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            return _fail(InputError(f"a name that is too long for a file: {error.filename}"), 2, arguments)
        return _fail(error, 1, arguments)


def _misused(error: Any) -> int:
    """Print how a command is used and what was wrong, whatever text of the user's that quotes; return code 2."""
    if isinstance(error.message, str):
        error.message = _cut(error.message, _LINES)
    error.show()
    return 2


@contextmanager
def warnings_shown() -> Iterator[None]:
    """Run the body with every `InputWarning` shown on standard error, each text once."""
    said: set[str] = set()
    show_others = warnings.showwarning

    def show(message: Any, category: type[Warning], *where: Any, **more: Any) -> None:
        if not issubclass(category, InputWarning):
            show_others(message, category, *where, **more)
        elif (text := str(message)) not in said:
            said.add(text)
            ERR.print(f"note: {text}", highlight=False, markup=False)

    with warnings.catch_warnings():
        warnings.simplefilter("always", InputWarning)
        warnings.showwarning = show
        yield


def _fail(error: Exception, code: int, arguments: list[str]) -> int:
    if "--debug" in arguments:
        traceback.print_exception(error)
    message = str(error) if isinstance(error, InputError | FailureError) else f"{type(error).__name__}: {error}"
    notes = getattr(error, "__notes__", [])
    whole = sum(note.count("\n") + 1 for note in notes)  # such as a proposed mapping: half of one is of no use
    lines = [f"genresweep: {_cut(message, max(_FEWEST, _LINES - whole))}", *notes]
    ERR.print("\n".join(lines), highlight=False, markup=False)
    return code


def _cut(message: str, most: int) -> str:
    """Return a message of ``most`` lines, whatever text of the user's it quotes."""
    lines = [
        line if len(line) <= _WIDTH else f"{line[: _WIDTH - 200]} ... {line[-200:]}" for line in message.split("\n")
    ]
    return "\n".join(lines if len(lines) <= most else [*lines[: most - 2], "  ...", lines[-1]])
