"""All that the sections of a study page are made from, read once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from results.analysis.rows import StudyRows, read_rows
from results.paper.report import Report, read_report
from results.pictures.configurations import Configurations, read_all
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
        states = [_state(Path(directory)) for directory in directories]
        return cls(
            directories=tuple(Path(directory) for directory in directories),
            studies=read_all(list(directories)),
            rows=tuple(read_rows(directory) for directory in directories),
            report=report or read_report(directories),
            state=next(state for state in ("running", "interrupted", "finished") if state in states),
        )

    @property
    def several(self) -> bool:
        """True for more than one study."""
        return len(self.studies) > 1


def _state(directory: Path) -> str:
    with Study.open(directory) as study:
        if study.incumbent is not None and all(trial.state.is_final for trial in study.trials()):
            return "finished"
        return "running" if study.driver else "interrupted"
