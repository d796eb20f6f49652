"""A study whose configurations have all ended without a score: its error, and why going on is no help."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from results.record.records import TrialRecord
from results.record.study import StudyError
from search.scheduling.failures import may_be_revived


class UntrainableError(StudyError):
    """Error where nothing could be trained to a score, and going on with the study would end the same way."""


def why_untrainable(trials: Sequence[TrialRecord]) -> str | None:
    """Return why trials that have no score will never have one, or ``None`` where some may yet be trained.

    Those that failed with their worker, or for want of memory, are tried again by ``genresweep resume``.
    """
    if not trials or any(not trial.state.is_final or may_be_revived(trial) for trial in trials):
        return None
    ends = Counter((str(trial.state), trial.reason) for trial in trials)
    listed = [
        f"{count} {state}{f' ({reason})' if reason else ''}" for (state, reason), count in ends.most_common(_SHOWN)
    ]
    more = [f"{len(ends) - _SHOWN} other reasons"] if len(ends) > _SHOWN else []
    return f"no configuration could be trained to a score: {'; '.join([*listed, *more])}"


_SHOWN = 3
WAY_OUT = "Going on would end the same way: begin a new study with another --space, such as lower learning rates"
