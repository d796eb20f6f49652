"""All that the sections of a study page are made from, read once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from results.analysis.rows import StudyRows, read_rows
from results.paper.report import Report, read_report
from results.pictures.configurations import Configurations
from results.record.study import Study


@dataclass(frozen=True, eq=False)
class Context:
    """The studies of a page: their directories, configurations, and report, in one order."""

    directories: tuple[Path, ...]
    studies: tuple[Configurations, ...]
    rows: tuple[StudyRows, ...]
    """All that the pictures need of each study."""
    report: Report
    state: str
    """``finished``, ``running`` or ``interrupted``: that of the study that is furthest from its end."""

    @classmethod
    def read(cls, directories: Sequence[str | Path], report: Report | None = None) -> Context:
        """Read studies, also while they are being written.

        Raises ``InputError`` where they cannot stand in one report.
        """
        states, studies, rows = zip(*(_read(Path(directory)) for directory in directories), strict=True)
        return cls(
            directories=tuple(Path(directory) for directory in directories),
            studies=studies,
            rows=rows,
            report=report or read_report(directories),
            state=next(state for state in ("running", "interrupted", "finished") if state in states),
        )

    @property
    def several(self) -> bool:
        """True for more than one study."""
        return len(self.studies) > 1


def _read(directory: Path) -> tuple[str, Configurations, StudyRows]:
    """Return the state of a study, its configurations, and what the pictures need of it."""
    with Study.open(directory) as study:
        configurations, rows = Configurations.read(study), replace(read_rows(study), study=str(directory))
        if study.incumbent is not None and all(trial.state.is_final for trial in rows.trials):
            return "finished", configurations, rows
        return "running" if study.driver else "interrupted", configurations, rows
