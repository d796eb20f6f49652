"""The command on the machine itself: doctor."""

from __future__ import annotations

import typer

from search import options
from search.console import OUT, print_json

_WIDTH = 16


def doctor(as_json: options.Json = False, debug: options.Debug = False) -> None:
    """What this machine grants, and what will not work, with the fix beside it: before hours are spent."""
    from search import doctor as machine

    checks = machine.examine()
    if as_json:
        print_json(machine.as_json(checks))
    else:
        for check in checks:
            line = f"{check.state:<6}{check.name:<{_WIDTH}}{check.found}"
            OUT.print(line, markup=False, highlight=False, soft_wrap=True)
            if check.fix is not None:
                OUT.print(f"{'':<{6 + _WIDTH}}-> {check.fix}", markup=False, highlight=False, soft_wrap=True)
    if not machine.can_sweep(checks):
        raise typer.Exit(2)
