"""The networks that an ensemble is chosen among: each at its best epoch, from its checkpoint."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from data.inputs.features import Features
from results.dataframes.frames import load_trials
from results.record.records import TrialKey, TrialRecord
from results.record.study import Study
from search.studies.model_directories import architecture_for, features_for
from search.studies.promotion import member_source
from spaces import Configuration
from trainables.checkpoint import CheckpointError, MemberSource, read_each
from trainables.scoring import best_probabilities
from trainables.stack.state import StackState

_TOLERANCE = 1e-2
"""Largest relative difference of a network's loss from the record; 1e-6 or so on the machine that trained it."""


@dataclass(frozen=True, eq=False)
class Library:
    """A study whose networks are candidates, and its standardised features."""

    study: Study
    features: Features

    def encoded(self, configuration: Configuration) -> Features:
        """Return the features in a configuration's encoding."""
        if configuration.encoding not in self._encoded:
            self._encoded[configuration.encoding] = features_for(configuration, self.features)
        return self._encoded[configuration.encoding]

    @cached_property
    def _encoded(self) -> dict[str, Features]:
        return {}

    @cached_property
    def networks(self) -> list[Network]:
        """All networks that have a score, in the order of the search space."""
        records = {trial.key: trial for trial in self.study.trials()}
        trials = load_trials(self.study).dropna(subset=["val_accuracy", "val_loss"])
        rows = zip(trials["config_id"], trials["seed"], trials["best_epoch"], trials["val_loss"], strict=True)
        return [Network(self, records[TrialKey(one, int(seed))], int(epoch), loss) for one, seed, epoch, loss in rows]

    @cached_property
    def digest(self) -> str:
        """A hash of the networks and their losses."""
        lines = [f"{one.record.key} {one.epoch} {one.loss!r}\n" for one in self.networks]
        return hashlib.sha256("".join(lines).encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class Network:
    """A trained network at its best epoch, and its mean cross-entropy on the validation rows."""

    library: Library
    record: TrialRecord
    epoch: int
    loss: float

    @property
    def name(self) -> str:
        """The name of its folder among the members of one study."""
        return f"{self.record.key.config_id}-{self.record.key.seed}"

    @property
    def features(self) -> Features:
        """The features that it reads."""
        return self.library.encoded(self.record.configuration)

    @property
    def source(self) -> MemberSource:
        """The place of its checkpoint, which it must have."""
        assert self.record.checkpoint is not None
        return member_source(self.library.study, self.record.checkpoint)

    def probabilities(self, state: StackState, x: np.ndarray) -> np.ndarray:
        """Return its probabilities ``(n, genres)`` float32 for rows ``x (n, d)``."""
        return best_probabilities(state, architecture_for(self.record.configuration, self.features), x)[0]

    def true_probabilities(self, state: StackState) -> np.ndarray:
        """Return the probability of each validation row's true genre, ``(n,)`` float32."""
        y = self.features.y_val
        return self.probabilities(state, self.features.x_val)[np.arange(len(y)), y]


def true_probabilities(networks: Sequence[Network], left_out: list[str]) -> Iterator[tuple[Network, np.ndarray]]:
    """Yield each network that its checkpoint still holds, with the probability of each validation row's true genre.

    A sentence for each other one is added to ``left_out``.
    """
    files: dict[tuple[Library, str], list[Network]] = defaultdict(list)
    for one in networks:
        if one.record.checkpoint is None:
            left_out.append(f"{one.name}: it has no checkpoint")
        else:
            files[one.library, one.record.checkpoint.file].append(one)
    for (_, file), own in files.items():
        try:
            states = read_each([one.source for one in own])
        except CheckpointError as error:
            gone = isinstance(error.__cause__, FileNotFoundError)
            why = "is gone (prune deletes those that no resume needs)" if gone else "is damaged"
            left_out += [f"{one.name}: its checkpoint {file} {why}" for one in own]
            continue
        for one, state in zip(own, states, strict=True):
            true = one.true_probabilities(state)
            if _scores_as_recorded(true, one.loss):
                yield one, true
            else:
                left_out.append(f"{one.name}: its checkpoint does not score as recorded")


def _scores_as_recorded(true: np.ndarray, loss: float) -> bool:
    """Return True where probabilities have a loss; one that is 0 in single precision has no logarithm to compare."""
    return not true.all() or bool(np.isclose(-np.log(true.astype(np.float64)).mean(), loss, rtol=_TOLERANCE))
