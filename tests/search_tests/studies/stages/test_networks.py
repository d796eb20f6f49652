"""Fusion and transfer as they call training: whose rows train, which weights they start from, what a freeze keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from data.inputs.features import Features, audio_matrix
from data.inputs.splits import split_tracks
from data.tables.tracks import Tracks, join_tracks
from results.record.manifest import Manifest
from results.record.settings import StageSettings, StudySettings
from results.record.stage_records import StageRecord, commit_stage, load_stage_curves, load_stage_scores
from results.record.study import Study, StudyError
from search.cluster.placement import Places, Resources
from search.planning.prepared_data import Prepared, data_facts, prepare
from search.scheduling.listener import Listener
from search.studies.model_directories import architecture_for, write_model
from search.studies.stages import networks
from search.studies.stages.context import Run
from spaces import Configuration
from tests.support.tables import table, write_csv
from trainables import SEMANTICS_VERSION
from trainables.checkpoint import load_model
from trainables.mlp import GenreMLP
from trainables.model_card import ModelCard, Provenance
from trainables.stages import Variant, VariantResult
from trainables.training import result_of

CONFIGURATION = Configuration(hidden_layers=(16, 8), learning_rate=1e-2)
SEED = 42
State = Mapping[str, torch.Tensor]


class Staged:
    """A run of which the sweep is done, whose stages train here, with all that they handed to training."""

    def __init__(self, folder: Path, study: Study, prepared: Prepared) -> None:
        places = Places(lambda: [], {"CPU": 1.0}, None)
        self.run = Run(study, prepared, Resources(), Listener(), places)
        self.folder = study.directory
        self.put: list[Features] = [prepared.features]
        self.calls: list[tuple[Features, Sequence[Variant], int]] = []
        self.results: list[VariantResult] = []

    def train(
        self,
        function: Callable[..., Any],
        calls: Sequence[tuple[Any, ...]],
        places: Places,
        on_done: Any,
        steps: Sequence[int],
    ) -> list[Any]:
        assert len(steps) == len(calls)
        self.calls += [(features, variants, seed) for features, variants, seed, *_ in calls]
        found = [result_of(function(*call)) for call in calls]
        self.results += [result for results in found for result in results]
        return found

    def remember(self, features: Features) -> Features:
        self.put.append(features)
        return features

    def stage(self, step: Callable[[Run, StageRecord], None]) -> StageRecord:
        record = StageRecord(step.__name__)
        step(self.run, record)
        commit_stage(self.run.study, record)
        return record

    def variants(self, name: str) -> list[tuple[Features, Variant, int]]:
        return [(f, variant, seed) for f, variants, seed in self.calls for variant in variants if variant.name == name]


Start = Callable[..., Staged]


@pytest.fixture
def start(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    known, edm = table(150), table(60, seed=5, genres=("edm",))
    for frame in (known, edm):
        frame["track_name"] = [f"{('Song', 'Beat')[row % 2]} {row}" for row in range(len(frame))]
    # a third of the new rows are tracks that the old table holds, too
    for column in ("track_name", "track_album_name", "duration_ms"):
        edm.loc[:19, column] = known.loc[:19, column]
    paths = write_csv(known, tmp_path / "tracks.csv"), write_csv(edm, tmp_path / "edm.csv")
    opened: list[Study] = []

    def begin(split: str = "random", configuration: Configuration = CONFIGURATION, **wanted: Any) -> Staged:
        wanted = {"transfer_data": str(paths[1]), "epochs": 2, "transfer_epochs": 2, "transfer_seeds": 2, **wanted}
        settings = StudySettings(
            data=str(paths[0]),
            text_model=str(tiny_model),
            split=split,
            holdout=0.2,
            seed=SEED,
            stages=StageSettings(**wanted),
        )
        prepared = prepare(settings)
        manifest = Manifest(
            settings=settings,
            data=data_facts(prepared),
            versions={},
            semantics=SEMANTICS_VERSION,
            created="2026-01-01T00:00:00+00:00",
        )
        study = Study.create(tmp_path / "study", manifest, [])
        opened.append(study)
        promoted = GenreMLP.build(architecture_for(configuration, prepared.features), seed=9)
        best, features = study.directory / "best", prepared.features
        write_model(study, best, promoted.state_dict(), configuration, features, Provenance())
        staged = Staged(tmp_path, study, prepared)
        monkeypatch.setattr(networks, "put_features", staged.remember)
        monkeypatch.setattr("search.cluster.tasks.get_features", lambda features: features)
        monkeypatch.setattr(networks, "map_remote", staged.train)
        return staged

    yield begin
    for study in opened:
        study.close()


def rows_of(features: Features, tracks: Tracks, side: str) -> set[int]:
    """The rows of the table that a side of the features holds, told by their numbers."""
    matrix, names, _ = audio_matrix(tracks)
    columns = [features.scaler.standardiser.names.index(name) for name in names]
    mean, scale = features.scaler.standardiser.mean[columns], features.scaler.standardiser.scale[columns]
    scaled = ((matrix - mean) / scale).astype(np.float32)
    row_of = {row.tobytes(): number for number, row in enumerate(scaled)}
    assert len(row_of) == len(tracks)
    held = np.ascontiguousarray(getattr(features, f"x_{side}")[:, columns])
    return {row_of[row.tobytes()] for row in held}


def check_no_leak(in_order: Sequence[Features], prepared: Prepared) -> None:
    """No row that a stage is judged by has trained it or a stage before it; nor has the same track, if told apart."""
    assert prepared.transfer_tracks is not None
    old, tracks = len(prepared.tracks), join_tracks(prepared.tracks, prepared.transfer_tracks)
    keys = tracks.track_keys
    trained: set[int] = set()
    for features in in_order:
        trained |= rows_of(features, tracks, "train")
        judged = rows_of(features, tracks, "val") | rows_of(features, tracks, "holdout")
        assert judged and not judged & trained
        told_apart = {row for row in judged if row >= old or prepared.split.kind != "random"}
        assert not set(keys[sorted(told_apart)]) & set(keys[sorted(trained)])
    new = set(range(old, len(tracks)))
    assert judged & new and trained & new


@pytest.mark.parametrize("split", ["random", "track", "album"])
def test_no_row_that_judges_a_stage_has_trained_an_ancestor(start: Start, split: str) -> None:
    staged = start(split)
    staged.stage(networks.fusion)
    staged.stage(networks.transfer)
    in_order = [features for features in staged.put if features.kind != "text"]
    assert [features.kind for features in in_order] == ["audio", "fusion", "fusion"]
    check_no_leak(in_order, staged.run.prepared)


def test_the_check_finds_a_redrawn_split(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    staged = start()
    staged.stage(networks.fusion)

    def redrawn(split: Any, old: Tracks, new: Tracks) -> Any:
        return split_tracks(join_tracks(old, new), kind=split.kind, seed=split.seed, holdout=0.2)

    monkeypatch.setattr(networks, "extend_split", redrawn)
    staged.stage(networks.transfer)
    with pytest.raises(AssertionError):
        check_no_leak([features for features in staged.put if features.kind != "text"], staged.run.prepared)


FIRST = "hidden.0.0.weight"


def check_copied(
    initial: State, source: State, card: ModelCard, features: Features, seed: int, fresh: set[str]
) -> None:
    """What fits is the source's to the bit; ``fresh`` tensors and columns of new inputs are the seed's, and differ."""
    drawn = GenreMLP.build(architecture_for(card.configuration, features), seed).state_dict()
    copied = [name for name in source if name != FIRST and name not in fresh]
    assert copied and set(initial) == set(drawn) == {FIRST, *copied, *fresh}
    for name in copied:
        assert torch.equal(initial[name], source[name]), name
    for name in fresh:
        assert torch.equal(initial[name], drawn[name]), name
        assert not torch.equal(initial[name][: len(source[name])], source[name]), name
    assert set(card.inputs) <= set(features.names)
    for column, name in enumerate(features.names):
        known = name in card.inputs
        expected = source[FIRST][:, card.inputs.index(name)] if known else drawn[FIRST][:, column]
        assert torch.equal(initial[FIRST][:, column], expected), name
        assert not known or not torch.equal(initial[FIRST][:, column], drawn[FIRST][:, column]), name


def test_fusion_starts_from_the_promoted_weights(start: Start) -> None:
    staged = start()
    staged.stage(networks.fusion)
    promoted, card = load_model(staged.folder / "best")
    ((features, warm, seed),) = staged.variants("warm")
    assert warm.initial is not None and len(features.names) > len(card.inputs)
    check_copied(warm.initial, promoted.state_dict(), card, features, seed, fresh=set())
    for name in ("scratch", "text"):
        ((_, variant, _),) = staged.variants(name)
        assert variant.initial is None and not variant.frozen


@pytest.mark.parametrize("freeze", [False, True])
def test_transfer_starts_from_the_fused_weights_and_a_freeze_keeps_them(start: Start, freeze: bool) -> None:
    staged = start(freeze=freeze)
    staged.stage(networks.fusion)
    fused, card = load_model(staged.folder / "stages" / "fusion")
    source = fused.state_dict()
    staged.stage(networks.transfer)
    transfers = staged.variants("transfer")
    assert [seed for _, _, seed in transfers] == [SEED, SEED + 1]
    output = {name for name in source if name.startswith("output.")}
    for features, variant, seed in transfers:
        assert variant.frozen is freeze and variant.initial is not None
        check_copied(variant.initial, source, card, features, seed, fresh=output)
    assert all(v.initial is None and not v.frozen for _, v, _ in staged.variants("scratch"))
    trained = [result.state for result in staged.results if result.name == "transfer"]
    for state in [*trained, load_model(staged.folder / "stages" / "transfer")[0].state_dict()]:
        kept = {name for name in source if torch.equal(state[name], source[name])}
        assert kept == (set(source) - output if freeze else set())


def test_transfer_leaves_its_best_network_and_the_best_from_scratch(start: Start) -> None:
    staged = start()
    staged.stage(networks.fusion)
    staged.stage(networks.transfer)
    for directory, name in (("transfer", "transfer"), ("transfer-scratch", "scratch")):
        network, card = load_model(staged.folder / "stages" / directory)
        assert card.provenance.variant == name
        ours = [result for result in staged.results if result.name == name and len(result.state["output.bias"]) == 6]
        assert len(ours) == 2
        best = max(ours, key=lambda result: max(epoch.val_accuracy for epoch in result.epochs))
        assert card.provenance.seed == best.seed
        assert all(torch.equal(tensor, best.state[key]) for key, tensor in network.state_dict().items())


def test_a_network_that_diverges_at_once_leaves_a_curve_and_no_score(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged = start()
    wild = replace(networks.simple_network(), learning_rate=1e38, batch_norm=False, clip_norm=None)
    monkeypatch.setattr(networks, "simple_network", lambda: wild)
    staged.stage(networks.simple)
    study = staged.run.study
    assert load_stage_curves(study)["val_loss"].isna().all() and len(load_stage_curves(study)) == 1
    assert load_stage_scores(study).empty
    assert not (staged.folder / "stages" / "simple").exists()


def test_promoted_hyperparameters_that_diverge_are_said(start: Start) -> None:
    with pytest.raises(StudyError, match="no fusion network was trained to a score"):
        start(configuration=replace(CONFIGURATION, learning_rate=1e38)).stage(networks.fusion)
