"""The record of a study, and the views of it. Never starts anything."""

from results.frames import load_curves, load_trials
from results.record import State, StudySettings
from results.repeats import load_repeats, seed_agreement
from results.study import Study

__all__ = [
    "State",
    "Study",
    "StudySettings",
    "load_curves",
    "load_repeats",
    "load_trials",
    "seed_agreement",
]
