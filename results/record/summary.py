"""A study in a few lines of HTML, for notebooks."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from results.record.records import State, TrialRecord
from results.record.settings import StudySettings


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a glance at a study should tell."""

    directory: Path
    settings: StudySettings
    driver: str
    """The process that writes the study; empty when there is none."""
    trials: Sequence[TrialRecord]
    best: TrialRecord | None
    """The configuration with the best validation accuracy of any epoch."""
    accuracy: float

    def to_html(self) -> str:
        """Return a small table: state, settings, numbers of configurations, and the best of them; text is escaped."""
        counts = Counter(trial.state for trial in self.trials)
        rows = {
            "state": self._state(),
            "search": f"{self.settings.search}, {self.settings.scheduler}, {self.settings.epochs} epochs",
            "data": self.settings.data,
            "configurations": ", ".join(f"{counts[state]:,} {state}" for state in State if counts[state]),
        }
        if self.best is not None:
            rows["best"] = f"{self.accuracy:.4f} by {self.best.key.config_id} {self.best.configuration.to_json()}"
        cells = "".join(
            f'<tr><th style="text-align:left">{name}</th><td style="text-align:left">{html.escape(text)}</td></tr>'
            for name, text in rows.items()
        )
        return f"<table><caption>{html.escape(self.directory.resolve().name)}</caption>{cells}</table>"

    def _state(self) -> str:
        if self.driver:
            return f"being written by {self.driver}"
        ended = all(trial.state.is_final for trial in self.trials)
        return "finished" if ended else "interrupted: genresweep resume goes on with it"
