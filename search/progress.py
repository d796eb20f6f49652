"""What a person sees while a sweep runs, on standard error: standard output is for results."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from results.record import State
from results.stage_record import StageRecord
from results.study import Study
from search.coordinator import Coordinator, Outcome
from search.listener import Listener


class LiveProgress(Listener):
    """One line: configurations that have ended, epochs trained, the best accuracy so far."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._best = float("nan")
        self._epochs = 0
        self._total = 0
        self._task: TaskID | None = None
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[said]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )

    def __enter__(self) -> LiveProgress:
        self._progress.start()
        self._waiting = self._progress.add_task("reading the tracks, starting Ray", total=None, said="")
        return self

    def __exit__(self, *exc: object) -> None:
        self._progress.stop()

    def started(self, study: Study, slots: int) -> None:
        """Replace the waiting line by the bar."""
        trials = study.trials()
        self._progress.update(self._waiting, visible=False)
        done = sum(trial.state.is_final for trial in trials)
        self._epochs = sum(trial.epoch for trial in trials)
        self._best = study.best_accuracy()
        self._total = study.settings.suggested or len(trials)
        self._task = self._progress.add_task(
            _at_once(slots), total=self._total, completed=done, said=f"{done}/{self._total}"
        )

    def resized(self, slots: int) -> None:
        """Name the new number."""
        if self._task is not None:
            self._progress.update(self._task, description=_at_once(slots))

    def segment(self, coordinator: Coordinator, outcome: Outcome) -> None:
        """Move the bar."""
        if self._task is None:
            return
        self._epochs += len(outcome.curves)
        scores = [row["val_accuracy"] for _, row in outcome.curves if row["val_accuracy"] == row["val_accuracy"]]
        self._best = max([*scores, self._best], key=lambda score: -1.0 if score != score else score)
        states, ended = coordinator.states, coordinator.ended
        counts = [f"{states[s]} {s}" for s in (State.STOPPED, State.DIVERGED, State.FAILED) if states[s]]
        said = [
            f"{ended}/{self._total} ended",
            *counts,
            f"{self._epochs:,} epochs",
            f"best {self._best:.4f}",
        ]
        self._progress.update(self._task, completed=ended, said=", ".join(said))

    def stopping(self, in_flight: int) -> None:
        """Say what is being waited for."""
        self._console.print(f"finishing {in_flight} segments in flight (Ctrl-C again stops at once)")

    def stage(self, name: str) -> None:
        """Name the stage that begins."""
        self._progress.update(self._waiting, description=f"stage: {name}", visible=True)

    def stage_done(self, record: StageRecord) -> None:
        """One line that stays."""
        self._console.print(f"{record.stage}: {record.seconds:.0f} s", markup=False)


def _at_once(slots: int) -> str:
    return f"training, {slots} at once" if slots else "waiting for a node that can hold a segment"
