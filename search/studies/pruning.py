"""Deletion of segment checkpoints that are no longer needed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from data.object_stores import delete_file, join
from results.dataframes.frames import load_trials
from results.record.places import FUSION_SWEEP
from results.record.records import State
from results.record.study import Study
from search.scheduling.failures import may_be_revived
from search.snapshots.copies import check_owner
from search.studies.promotion import choose_incumbent
from search.studies.recovery import checkpoint_files


@dataclass(frozen=True)
class Pruned:
    """Number and megabytes of the deleted files."""

    files: int
    megabytes: float


def prune(directory: Path, *, keep_finished: bool = True) -> Pruned:
    """Delete every checkpoint but the newest of each configuration that can still be trained on.

    Those are the unfinished ones, those that failed by the machine's fault and, with ``keep_finished``, those that a
    later ``resume --epochs`` would extend. The best so far keeps its own and its repeats', to be promoted from. A run's
    fusion sweep is pruned with it. ``InputError`` where a driver holds the study.
    """
    with Study.open_for_writing(directory) as study:
        check_owner(study, claimed=True)
        trials = study.trials()
        best = choose_incumbent(load_trials(study))
        best_id = best.config_id if best else None
        needed = {
            trial.checkpoint.file
            for trial in trials
            if trial.checkpoint is not None
            and (
                not trial.state.is_final
                or (keep_finished and trial.state is State.FINISHED)
                or may_be_revived(trial)
                or trial.key.config_id == best_id
            )
        }
        unneeded = {name: size for name, size in checkpoint_files(study).items() if name not in needed}
        for name in unneeded:
            delete_file(join(study.checkpoints, name))
    inner = directory / FUSION_SWEEP
    within = prune(inner, keep_finished=keep_finished) if (inner / "manifest.json").exists() else Pruned(0, 0.0)
    return Pruned(len(unneeded) + within.files, sum(unneeded.values()) / 1e6 + within.megabytes)
