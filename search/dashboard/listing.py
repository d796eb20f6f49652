"""The list of studies, as a page of the same kind as theirs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from results.page.payload import Block, Note, Page, Section, Table
from search.dashboard.studies import Row

_COLUMNS = ("study", "state", "ended", "best accuracy", "started")
_NONE = Note(text="There is no study here yet: begin one, and it appears.", code="genresweep sweep --help")


def list_page(folder: str, rows: Sequence[Row], url: Callable[[Row], str]) -> Page:
    """Return the page that lists studies, each with a link to its ``url``."""
    listed = Table(
        title="",
        columns=_COLUMNS,
        rows=tuple(_cells(row) for row in rows),
        numeric=(False, False, True, True, False),
        folded=False,
        links=tuple(url(row) for row in rows),
    )
    block: Block = listed if rows else _NONE
    heading = f"{len(rows):,} {'study' if len(rows) == 1 else 'studies'}"
    section = Section(id="studies", heading=heading, blocks=(block,))
    return Page(title="Studies", subtitle=folder, state="", sections=(section,))


def _cells(row: Row) -> tuple[str, ...]:
    if row.message:
        return (row.name, f"{row.state}: {row.message}", "", "", "")
    best = "–" if row.best is None else f"{row.best:.4f}"
    return (row.name, row.state, f"{row.ended:,} of {row.total:,}", best, _local(row.started))


def _local(moment: str) -> str:
    """Return a time of a manifest in this machine's zone; empty where it is none."""
    try:
        return f"{datetime.fromisoformat(moment).astimezone():%Y-%m-%d %H:%M}"
    except ValueError:
        return ""
