"""The networks around the sweep: simple (paper 4.2), text and fusion (4.4), transfer (4.5)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from data.feature_store import put_features
from data.inputs.features import Features, build_features
from data.inputs.splits import extend_split
from data.tables.tracks import join_tracks
from results.judging.ensemble import ENSEMBLE
from results.record.places import FUSION_SWEEP
from results.record.records import StageEpoch, StageScore
from results.record.stage_records import StageRecord
from search.cluster.tasks import map_remote, remote_variants
from search.scheduling.untrainable import WAY_OUT, UntrainableError
from search.studies.model_directories import architecture_for, four_scores, write_model
from search.studies.stages.fusion_sweep import SWEPT, Swept, sweep_fusion
from spaces import Configuration
from trainables.checkpoint import load_model
from trainables.model_card import ModelCard, Provenance
from trainables.stages import Variant, VariantResult, for_stage, simple_network, warm_start

if TYPE_CHECKING:
    from search.studies.stages.context import Run

_log = logging.getLogger("genresweep")

MODELS: Mapping[tuple[str, str], str] = {
    ("simple", "simple"): "stages/simple",
    ("fusion", "text"): "stages/text",
    ("fusion", "scratch"): "stages/fusion-scratch",
    ("fusion", "warm"): "stages/fusion-warm",
    ("fusion", SWEPT): f"{FUSION_SWEEP}/best",
    ("transfer", "transfer"): "stages/transfer",
    ("transfer", "scratch"): "stages/transfer-scratch",
}
"""Model directories of the best network of each stage's variants, within the study's directory."""


def simple(run: Run, record: StageRecord) -> None:
    """Train the paper's simple network, and record its learning curve."""
    settings = run.stage_settings
    configuration = for_stage(simple_network(), settings.patience, settings.epochs)
    features = run.features("audio", configuration)
    handle = put_features(features)
    variants = [Variant(name="simple", configuration=configuration)]
    (results,) = _train(run, [(handle, variants, run.study.settings.seed, settings.epochs)])
    _record(record, results)
    _save(run, MODELS["simple", "simple"], results[0], configuration, features)


def fusion(run: Run, record: StageRecord) -> None:
    """Train text alone and audio + text with the promoted hyperparameters, from scratch and warm-started."""
    settings, seed = run.stage_settings, run.study.settings.seed
    swept = _swept(run, record) if settings.fusion_sweep else None  # first: an interrupted one is gone on with
    promoted, card = load_model(run.study.directory / "best")
    configuration = for_stage(card.configuration, settings.patience, settings.epochs)
    text, fused = run.features("text", configuration), run.features("fusion", configuration)
    architecture = architecture_for(configuration, fused)
    initial, copied = warm_start(
        architecture, fused.names, promoted.state_dict(), card.inputs, seed, fresh_output=False
    )
    variants = [
        Variant(name="scratch", configuration=configuration),
        Variant(name="warm", configuration=configuration, initial=initial),
    ]
    both, alone = _train(
        run,
        [
            (put_features(fused), variants, seed, settings.epochs),
            (put_features(text), [Variant(name="text", configuration=configuration)], seed, settings.epochs),
        ],
    )
    _record(record, [*alone, *both])
    for result, features in [(alone[0], text), *((result, fused) for result in both)]:
        _save(run, MODELS["fusion", result.name], result, configuration, features)
    chosen = _choose_fusion(run, both, swept, configuration, fused)
    ensemble = Path(FUSION_SWEEP, ENSEMBLE)
    mixed = f"; {ensemble} mixes those of its own sweep" if (run.study.directory / ensemble).is_dir() else ""
    record.note = (
        f"stages/fusion is the {chosen} one{mixed}; the warm start copied {len(copied.inputs)} of {len(fused.names)} "
        f"input columns and {', '.join(copied.tensors) or 'no whole tensor'}"
    )


def _swept(run: Run, record: StageRecord) -> Swept | None:
    """Return what came out of the stage's own sweep, and record it; ``None`` where no network got a score."""
    try:
        swept = sweep_fusion(run)
    except UntrainableError as error:
        _log.warning("the fusion stage's own sweep: %s", error)
        return None
    record.curves += swept.curve
    record.scores += swept.scores
    run.listener.waiting("training the promoted hyperparameters on audio + text")
    return swept


def _choose_fusion(
    run: Run, trained: Sequence[VariantResult], swept: Swept | None, configuration: Configuration, features: Features
) -> str:
    """Write the most accurate network on audio + text to ``stages/fusion``, and return the name of its variant.

    Where it is another than before, a transfer that stands on that is forgotten, and done again.
    """
    best, weights = _best(trained), run.study.directory / "stages" / "fusion" / "model.safetensors"
    before = weights.read_bytes() if weights.exists() else None
    if swept is not None and (best is None or swept.val_accuracy > best.epochs[best.best_epoch - 1].val_accuracy):
        chosen = SWEPT
        _copy(run, "stages/fusion", swept)
    elif best is not None:
        chosen = best.name
        _save(run, "stages/fusion", best, configuration, features)
    else:
        raise UntrainableError(
            f"no fusion network was trained to a score: the promoted hyperparameters make it diverge.\n{WAY_OUT}"
        )
    if before is not None and weights.read_bytes() != before:
        with run.study.transaction():
            run.study.forget_stages(["transfer"])
    return chosen


def transfer(run: Run, record: StageRecord) -> None:
    """Train five to six genres: the fusion network continued (or frozen below its output), against one from scratch."""
    new = run.prepared.transfer_tracks
    if new is None:
        record.note = "skipped: there are no rows of a sixth genre; name them with --transfer-data"
        return
    settings = run.stage_settings
    source, card = load_model(run.study.directory / "stages" / "fusion")
    tracks = join_tracks(run.prepared.tracks, new)
    split = extend_split(run.prepared.split, run.prepared.tracks, new)
    text_model = run.prepared.text_model
    features = build_features(
        tracks, split, card.feature_kind, scaler=card.scaler, text_model=text_model, encoder=run.encoder
    )
    configuration = for_stage(card.configuration, settings.patience, settings.transfer_epochs)
    seeds = [run.study.settings.seed + offset for offset in range(settings.transfer_seeds)]
    handle = put_features(features)
    calls = [
        (handle, _transfer_variants(configuration, features, source.state_dict(), card, seed, settings.freeze),
         seed, settings.transfer_epochs)
        for seed in seeds
    ]  # fmt: skip
    results = [result for pair in _train(run, calls) for result in pair]
    _record(record, results)
    notes = []
    for name in ("transfer", "scratch"):
        best = _best([result for result in results if result.name == name])
        if best is not None:
            _save(run, MODELS["transfer", name], best, configuration, features)
            notes.append(f"{MODELS['transfer', name]} is the one of seed {best.seed}")
    record.note = "; ".join(notes)


def _train(run: Run, calls: Sequence[tuple[Any, ...]]) -> list[list[VariantResult]]:
    """Return ``remote_variants`` of each (handle, variants, seed, epochs), on the study's device."""
    device = run.study.settings.device.value
    placed, epochs = [(*call, device) for call in calls], [call[-1] for call in calls]
    found: list[list[VariantResult]] = map_remote(remote_variants, placed, run.places, run.counted("epochs"), epochs)
    return found


def _transfer_variants(
    configuration: Configuration,
    features: Features,
    source: Mapping[str, torch.Tensor],
    card: ModelCard,
    seed: int,
    freeze: bool,
) -> list[Variant]:
    architecture = architecture_for(configuration, features)
    initial, _ = warm_start(architecture, features.names, source, card.inputs, seed, fresh_output=True)
    return [
        Variant(name="transfer", configuration=configuration, initial=initial, frozen=freeze),
        Variant(name="scratch", configuration=configuration),
    ]


def _best(results: Sequence[VariantResult]) -> VariantResult | None:
    """Return the variant most accurate at its best epoch; ``None`` where all diverged before they had a score."""
    scored = [result for result in results if result.best_epoch > 0]
    return max(scored, key=lambda result: result.epochs[result.best_epoch - 1].val_accuracy, default=None)


def _record(record: StageRecord, results: Sequence[VariantResult]) -> None:
    """Add the curves and scores of trained variants to the record."""
    for result in results:
        record.curves += [StageEpoch(variant=result.name, seed=result.seed, **vars(epoch)) for epoch in result.epochs]
        if result.best_epoch == 0:  # it diverged before it had a score
            continue
        sides: list[tuple[str, Mapping[str, float] | None]] = [
            ("validation", result.epochs[result.best_epoch - 1].to_json()),
            ("holdout", result.holdout),
        ]
        for side, metrics in sides:
            if metrics is not None:
                scores = four_scores(metrics)
                record.scores.append(
                    StageScore(variant=result.name, seed=result.seed, side=side, epoch=result.best_epoch, scores=scores)
                )


def _copy(run: Run, directory: str, swept: Swept) -> None:
    """Write the best network of the fusion stage's own sweep as the model directory of a stage."""
    network, card = load_model(swept.directory)
    origin = replace(card.provenance, stage=Path(directory).name, variant=SWEPT)
    features = run.features("fusion", card.configuration)
    place = run.study.directory / directory
    write_model(run.study, place, network.state_dict(), card.configuration, features, origin)


def _save(run: Run, directory: str, result: VariantResult, configuration: Configuration, features: Features) -> None:
    """Write a stage's model directory, of the same kind as ``best/``."""
    if result.best_epoch == 0:
        return
    metrics = {key: value for key, value in result.epochs[result.best_epoch - 1].to_json().items() if "val_" in key}
    write_model(
        run.study,
        run.study.directory / directory,
        result.state,
        configuration,
        features,
        Provenance(
            stage=Path(directory).name,
            variant=result.name,
            seed=result.seed,
            epoch=result.best_epoch,
            metrics=metrics,
        ),
    )
