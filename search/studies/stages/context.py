"""The context in which a whole study's stages run."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from data.inputs.features import Features, build_features
from data.titles.embeddings import Encoder
from results.record.records import StageProgress
from results.record.settings import StageSettings
from results.record.study import Study
from search.cluster.placement import Places, Resources
from search.cluster.tasks import OnDone, remote_encoder
from search.planning.prepared_data import Prepared
from search.scheduling.bounds import Limit
from search.scheduling.listener import Listener
from search.studies.model_directories import features_for
from spaces import Configuration

if TYPE_CHECKING:
    from search.studies.sweep import SweepResult

_NOTED_SECONDS = 1.0
"""Least seconds between two notes in the record of how far a stage is."""


class StageInterruptedError(Exception):
    """Signal that the user stopped a sweep of a run: the run ends, and a later command goes on from here."""

    def __init__(self, result: SweepResult) -> None:
        super().__init__("interrupted")
        self.result = result


@dataclass(frozen=True)
class Run:
    """The study, data and resources that the stages work with."""

    study: Study
    prepared: Prepared
    resources: Resources
    listener: Listener
    places: Places
    limit: Limit = field(default_factory=Limit)
    """Bounds of the command, which the sweep keeps."""

    @property
    def stage_settings(self) -> StageSettings:
        """The settings of the stages."""
        settings = self.study.settings.stages
        assert settings is not None
        return settings

    @property
    def encoder(self) -> Encoder:
        """The encoder of titles that are in no cache."""
        return remote_encoder(self.places, self.counted("titles"))

    def counted(self, what: str) -> OnDone:
        """Return a function that tells how many pieces of a stage's work are done; ``what`` names them.

        The listener hears all, the record what is news after a second.
        """
        note = self.noted(what)

        def tell(done: int, total: int) -> None:
            self.listener.stage_progress(done, total, what)
            note(done, total)

        return tell

    def noted(self, what: str) -> Callable[[int, int], None]:
        """Return a function that notes in the record, once a second, how many pieces of a stage's work are done."""
        noted = -math.inf

        def note(done: int, total: int) -> None:
            nonlocal noted
            if time.monotonic() - noted >= _NOTED_SECONDS:
                self.study.set_stage_progress(StageProgress(done, total, what))
                noted = time.monotonic()

        return note

    def features(self, kind: str, configuration: Configuration | None = None) -> Features:
        """Return features of a kind on the study's split, in a configuration's encoding; standardised without one."""
        features, prepared = self.prepared.features, self.prepared
        if kind != features.kind:
            features = build_features(
                prepared.tracks, prepared.split, kind, text_model=prepared.text_model, encoder=self.encoder
            )
        return features_for(configuration, features) if configuration else features
