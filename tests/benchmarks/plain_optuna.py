"""Optuna by itself, as its documentation shows it: ``optimize``, a process per core, TPE and the median pruner.

    python -m tests.benchmarks.plain_optuna arrays.npz space.toml journal.log SEED WORKER EPOCHS

Each trial trains one configuration epoch by epoch and reports after each. The processes share a journal and stop
when they have trained ``EPOCHS`` epochs together. Networks, batches and noise are genresweep's, so that a configuration
has the same curve here and there: what differs is the search. ``searches`` starts it.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import optuna
import torch
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from search.suggestions.optuna_space import OptunaSpace
from spaces import load_space
from trainables.mlp import Architecture
from trainables.stack.batches import TrainingData
from trainables.stack.state import StackState
from trainables.training import train_segment

EPOCHS = 20
"""Of a trial that nobody prunes."""


def spent(study: optuna.Study) -> int:
    """Epochs that all processes have reported."""
    return sum(len(trial.intermediate_values) for trial in study.get_trials(deepcopy=False))


def objective(trial: optuna.Trial, space: OptunaSpace, data: TrainingData, seed: int) -> float:
    """Best validation accuracy of a configuration, pruned by its accuracy so far."""
    configuration = space.suggestion(trial)
    architecture = Architecture.of(configuration, data.train.x.shape[1], data.classes)
    state = StackState.initial(architecture, 1, seed)
    best = 0.0
    for epoch in range(1, EPOCHS + 1):
        trained = train_segment([configuration], state, data, seed=seed, first_epoch=epoch, last_epoch=epoch)
        state = trained.state
        best = max(best, trained.members[0].epochs[0].val_accuracy)
        trial.report(best, epoch)
        trial.set_user_attr(f"at-{epoch}", time.time())
        if trial.should_prune():
            raise optuna.TrialPruned
    return best


def main() -> None:
    """Search until all processes together have spent their epochs."""
    arrays, space, journal, seed, worker, epochs = sys.argv[1:]
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sides = [np.load(arrays)[name] for name in ("x_train", "y_train", "x_val", "y_val")]
    data = TrainingData.of(*sides, int(sides[1].max()) + 1)
    study = optuna.create_study(
        study_name="plain",
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=1000 * int(seed) + int(worker)),
        storage=JournalStorage(JournalFileBackend(journal)),
        load_if_exists=True,
    )
    known = OptunaSpace(load_space(space), ordinal=False)

    def stop_when_spent(study: optuna.Study, _: optuna.trial.FrozenTrial) -> None:
        if spent(study) >= int(epochs):
            study.stop()

    study.optimize(lambda trial: objective(trial, known, data, int(seed)), callbacks=[stop_when_spent])


if __name__ == "__main__":
    main()
