"""The record of a study, and the views of it. Never starts anything."""

from results.frames import load_curves, load_trials
from results.record import State, StudySettings
from results.repeats import load_repeats, seed_agreement
from results.stage_record import load_stage_curves, load_stage_scores, load_stages
from results.study import Study
from results.tables import scorecard
from results.transfer import load_transfer

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
