"""The record of a study and the views of it. Nothing here starts any work."""

from results.analysis.spending import study_costs
from results.dataframes.ensembles import load_ensemble, load_judgements
from results.dataframes.frames import load_curves, load_trials
from results.dataframes.repeats import load_repeats, seed_agreement
from results.paper.scorecard import scorecard
from results.paper.transfer import load_transfer
from results.pictures.ablation import plot_ablation
from results.pictures.budget import plot_budget_correlation
from results.pictures.confusion import plot_confusion
from results.pictures.importances import plot_importances, plot_interaction, plot_main_effects
from results.pictures.rungs import plot_rungs
from results.pictures.spending import plot_best_so_far, plot_timeline
from results.record.records import State
from results.record.settings import StudySettings
from results.record.stage_records import load_stage_curves, load_stage_scores, load_stages
from results.record.study import Study

__all__ = [
    "State",
    "Study",
    "StudySettings",
    "load_curves",
    "load_ensemble",
    "load_judgements",
    "load_repeats",
    "load_stage_curves",
    "load_stage_scores",
    "load_stages",
    "load_transfer",
    "load_trials",
    "plot_ablation",
    "plot_best_so_far",
    "plot_budget_correlation",
    "plot_confusion",
    "plot_importances",
    "plot_interaction",
    "plot_main_effects",
    "plot_rungs",
    "plot_timeline",
    "scorecard",
    "seed_agreement",
    "study_costs",
]
