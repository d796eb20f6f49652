"""The record of a study, and the views of it. Never starts anything."""

from results.frames import load_curves, load_trials
from results.record import State, StudySettings
from results.study import Study

__all__ = ["State", "Study", "StudySettings", "load_curves", "load_trials"]
