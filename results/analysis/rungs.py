"""The ladder of a study's rungs: how many configurations arrived at each, went on, and were stopped."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pandas as pd

from results.analysis.rows import AnyStudy, TooFewError, read_rows
from results.record.records import Decision, State, TrialRecord

BY_THEMSELVES = (State.EARLY_STOPPED, State.DIVERGED, State.FAILED)
"""Endings that no rung decided."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RungLadder:
    """Result of `rung_ladder`, as dataframes with the index 0, 1, ...; with repeats, each counts.

    ``rungs``: one row per rung: ``epoch``, ``arrived`` (decisions on configurations there), ``promoted``, ``stopped``,
    ``ended`` (those that ended by themselves after the rung before, and never arrived here) (all int64), ``cutoff``
    (float64, the accuracy that the rung's last decision asked for, NaN where it asked for none), ``lowest_cutoff`` and
    ``highest_cutoff`` (of all its decisions: ASHA's moves while configurations arrive).
    ``endings``: one row per way and epoch in which configurations ended by themselves: ``state`` (str), ``epoch`` and
    ``count`` (int64).
    """

    scheduler: str
    rungs: pd.DataFrame
    endings: pd.DataFrame
    configurations: int
    finished: int
    """Configurations trained to the end of their budget."""
    ended_after: int
    """Configurations that ended by themselves after the last rung."""
    unfinished: int
    """Configurations that wait or train."""


def rung_ladder(study: AnyStudy) -> RungLadder:
    """Return the rungs of a study with what they decided, as it is in the record.

    Raises ``TooFewError``, an ``InputError``, where no rung has decided anything: always for the scheduler ``none``.
    """
    rows = read_rows(study)
    if not rows.decisions:
        exhaustive = rows.settings.scheduler == "none"
        why = "nothing was stopped early: the study trains every configuration to its end"
        raise TooFewError(rows.study, why if exhaustive else "no rung has decided yet")
    states = Counter(trial.state for trial in rows.trials)
    levels = sorted({decision.epoch for decision in rows.decisions})
    ends = Counter((trial.state, trial.epoch) for trial in rows.trials if trial.state in BY_THEMSELVES)
    return RungLadder(
        scheduler=rows.settings.scheduler,
        rungs=_rungs(levels, rows.decisions, rows.trials),
        endings=pd.DataFrame(
            [(str(state), epoch, count) for (state, epoch), count in sorted(ends.items(), key=lambda end: end[0][1])],
            columns=["state", "epoch", "count"],
        ).astype({"state": "str", "epoch": "int64", "count": "int64"}),
        configurations=len(rows.trials),
        finished=states[State.FINISHED],
        ended_after=sum(count for (_, epoch), count in ends.items() if epoch > levels[-1]),
        unfinished=states[State.PENDING] + states[State.RUNNING],
    )


def _rungs(levels: list[int], decisions: tuple[Decision, ...], trials: tuple[TrialRecord, ...]) -> pd.DataFrame:
    found = []
    for before, level in zip([-1, *levels], levels, strict=False):
        own = [decision for decision in decisions if decision.epoch == level]
        judged, promoted = {decision.key for decision in own}, sum(decision.promoted for decision in own)
        cutoffs = [float("nan") if decision.cutoff is None else decision.cutoff for decision in own]
        ended = [trial for trial in trials if trial.state in BY_THEMSELVES and before < trial.epoch <= level]
        found.append(
            {
                "epoch": level,
                "arrived": len(own),
                "promoted": promoted,
                "stopped": len(own) - promoted,
                "ended": sum(trial.key not in judged for trial in ended),
                "cutoff": cutoffs[-1],
                "lowest_cutoff": pd.Series(cutoffs).min(),
                "highest_cutoff": pd.Series(cutoffs).max(),
            }
        )
    return pd.DataFrame(found)
