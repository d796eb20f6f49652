"""The record of a study and the views of it. Nothing here starts any work."""

from results.paper.scorecard import scorecard
from results.paper.transfer import load_transfer
from results.record.records import State, StudySettings
from results.record.stage_records import load_stage_curves, load_stage_scores, load_stages
from results.record.study import Study
from results.tables.frames import load_curves, load_trials
from results.tables.repeats import load_repeats, seed_agreement

__all__ = [
    "State",
    "Study",
    "StudySettings",
    "load_curves",
    "load_repeats",
    "load_stage_curves",
    "load_stage_scores",
    "load_stages",
    "load_transfer",
    "load_trials",
    "scorecard",
    "seed_agreement",
]
