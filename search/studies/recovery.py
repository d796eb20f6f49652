"""Repairs before a study goes on: lost checkpoints are replaced by older ones, and leftovers are deleted."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from data.object_stores import delete_file, join, list_files
from results.dataframes.frames import load_trials
from results.record.records import CheckpointRef, State, TrialKey, TrialRecord
from results.record.study import Study
from search.scheduling.failures import may_be_revived
from search.snapshots.copies import check_owner
from search.studies.promotion import choose_incumbent
from trainables.checkpoint import CheckpointError, verify

_log = logging.getLogger("genresweep")


def rewind(study: Study) -> list[TrialRecord]:
    """Point unfinished configurations whose newest checkpoint is damaged at an older one, or at the start.

    The epochs after it are forgotten and will be trained again, to the same numbers. Returns the rewound rows.
    """
    return _take_back(study, [trial for trial in study.trials() if not trial.state.is_final])


def revive(study: Study) -> list[TrialRecord]:
    """Set configurations that failed for want of memory or with their worker to pending: another machine may do better.

    Decisions of the rungs stand; a configuration that comes late to one is judged by its cutoff. Stages after the
    sweep are done again only if it then has another incumbent. Returns the revived rows.
    """
    failed = [trial for trial in study.trials() if may_be_revived(trial)]
    revived = [replace(trial, state=State.PENDING, reason=None) for trial in failed]
    if revived:
        with study.transaction():
            study.update_trials(revived)
            study.reopen_stage("sweep")
        _log.warning("%d configurations are tried again whose worker died or had too little memory", len(revived))
    return revived


def rewind_incumbent(study: Study) -> bool:
    """Rewind the incumbent's repeats, which are about to be re-scored; return True where any must train again."""
    key = choose_incumbent(load_trials(study))
    if key is None:
        return False
    return bool(_take_back(study, [trial for trial in study.trials() if trial.key.config_id == key.config_id]))


def _take_back(study: Study, trials: Iterable[TrialRecord]) -> list[TrialRecord]:
    known: dict[str, bool] = {}
    history = _history(study)
    rewound = []
    for trial in trials:
        if trial.checkpoint is None or _whole(study, trial.checkpoint, known):
            continue
        older = [ref for ref in history[trial.key] if ref.epoch < trial.epoch and _whole(study, ref, known)]
        newest = max(older, key=lambda ref: ref.epoch, default=None)
        epoch = newest.epoch if newest else 0
        rewound.append(replace(trial, checkpoint=newest, epoch=epoch, state=State.PENDING, reason=None))
    if rewound:
        with study.transaction():
            study.forget_epochs({trial.key: trial.epoch for trial in rewound})
            study.update_trials(rewound)
    for trial in rewound:
        _log.warning("%s goes back to epoch %d: its checkpoint was damaged", trial.key.config_id, trial.epoch)
    return rewound


def clear_leftovers(study: Study) -> None:
    """Delete leftovers of killed workers and drivers: half-written files, and checkpoints of no committed segment."""
    check_owner(study)
    for name in checkpoint_files(study).keys() - study.checkpoints_recorded():
        delete_file(join(study.checkpoints, name))
    for path in study.directory.rglob(".*.tmp"):
        if path.is_file():
            path.unlink()


def checkpoint_files(study: Study) -> dict[str, int]:
    """Return the names and sizes in bytes of the checkpoints on disk, half-written ones among them."""
    files = list_files(study.checkpoints).items()
    return {name: size for name, size in files if "/" not in name and name.endswith((".safetensors", ".tmp"))}


def _whole(study: Study, reference: CheckpointRef, known: dict[str, bool]) -> bool:
    if reference.file not in known:
        try:
            verify(join(study.checkpoints, reference.file), reference.sha256)
            known[reference.file] = True
        except CheckpointError as error:
            _log.warning("%s", error)
            known[reference.file] = False
    return known[reference.file]


def _history(study: Study) -> Mapping[TrialKey, list[CheckpointRef]]:
    """Return, for each configuration, every checkpoint that ever held it."""
    found = defaultdict(list)
    with study.reading():
        for segment in study.segments():
            for row, key in enumerate(segment.keys):
                if (reference := segment.reference(row)) is not None:
                    found[key].append(reference)
    return found
