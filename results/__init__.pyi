from .analysis.spending import study_costs
from .dataframes.ensembles import load_ensemble, load_judgements
from .dataframes.frames import load_curves, load_trials
from .dataframes.repeats import load_repeats, seed_agreement
from .paper.scorecard import scorecard
from .paper.transfer import load_transfer
from .pictures.ablation import plot_ablation
from .pictures.budget import plot_budget_correlation
from .pictures.confusion import plot_confusion
from .pictures.importances import plot_importances, plot_interaction, plot_main_effects
from .pictures.learning_curves import plot_learning_curves
from .pictures.parallel_coordinates import plot_parallel_coordinates
from .pictures.rungs import plot_rungs
from .pictures.spending import plot_best_so_far, plot_timeline
from .record.records import State
from .record.settings import StudySettings
from .record.stage_records import load_stage_curves, load_stage_scores, load_stages
from .record.study import Study

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
    "plot_learning_curves",
    "plot_main_effects",
    "plot_parallel_coordinates",
    "plot_rungs",
    "plot_timeline",
    "scorecard",
    "seed_agreement",
    "study_costs",
]
