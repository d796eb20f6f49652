"""A whole study as its stages see it."""

from __future__ import annotations

from dataclasses import dataclass

from data.inputs.features import Features, build_features
from data.titles.embeddings import Encoder
from results.record.records import StageSettings
from results.record.study import Study
from search.cluster.placement import Places, Resources
from search.cluster.tasks import remote_encoder
from search.planning.data import Prepared
from search.scheduling.listener import Listener
from search.studies.model_directories import features_for
from spaces import Configuration


@dataclass(frozen=True)
class Run:
    """What the stages work on, and where."""

    study: Study
    prepared: Prepared
    resources: Resources
    listener: Listener
    places: Places

    @property
    def stage_settings(self) -> StageSettings:
        """The settings of the stages."""
        settings = self.study.settings.stages
        assert settings is not None
        return settings

    @property
    def encoder(self) -> Encoder:
        """What reads titles that are in no cache."""
        return remote_encoder(self.places)

    def features(self, kind: str, configuration: Configuration | None = None) -> Features:
        """Features of a kind on the study's split, in the encoding of a configuration; standardised without one."""
        features, prepared = self.prepared.features, self.prepared
        if kind != features.kind:
            features = build_features(
                prepared.tracks, prepared.split, kind, text_model=prepared.text_model, encoder=self.encoder
            )
        return features_for(configuration, features) if configuration else features
