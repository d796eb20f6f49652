from __future__ import annotations

import numpy as np
import pytest
import torch

from data.inputs.features import Features, FeatureScaler
from spaces import Configuration
from tests.support.made_up import arrays
from trainables.mlp import Architecture, GenreMLP
from trainables.stages import Variant, train_variants, warm_start

AUDIO = ("tempo", "energy", "mode")
FUSION = (*AUDIO, "text_000", "text_001")
HIDDEN = (24, 16)


def _architecture(inputs: int, outputs: int = 5, hidden: tuple[int, ...] = HIDDEN) -> Architecture:
    return Architecture(input_size=inputs, hidden_layers=hidden, output_size=outputs, batch_norm=True)


def _features(inputs: int = 14, holdout: int = 40) -> Features:
    names = tuple(f"input_{n}" for n in range(inputs))
    sides = {
        "train": arrays(300, inputs, seed=1),
        "val": arrays(90, inputs, seed=2),
        "holdout": arrays(holdout, inputs),
    }
    return Features(
        names=names,
        genres=("a", "b", "c", "d", "e"),
        scaler=FeatureScaler(names=names, mean=np.zeros(inputs), scale=np.ones(inputs)),
        fingerprint="made up",
        kind="audio",
        **{f"{axis}_{side}": pair[n] for side, pair in sides.items() for n, axis in enumerate("xy")},
    )


def test_a_warm_start_copies_what_fits_and_leaves_the_rest_fresh() -> None:
    source = GenreMLP.build(_architecture(3), seed=1).state_dict()
    target = _architecture(5)
    fresh = GenreMLP.build(target, seed=2).state_dict()
    state, copied = warm_start(target, FUSION, source, AUDIO, 2, fresh_output=False)
    first = "hidden.0.0.weight"
    assert torch.equal(state[first][:, :3], source[first])
    assert torch.equal(state[first][:, 3:], fresh[first][:, 3:])
    assert copied.inputs == AUDIO
    assert copied.fresh == (first,)
    for name in copied.tensors:
        assert torch.equal(state[name], source[name])
    assert set(copied.tensors) == set(state) - {first}


def test_columns_follow_their_names_not_their_places() -> None:
    source = GenreMLP.build(_architecture(3), seed=1).state_dict()
    state, _ = warm_start(_architecture(3), AUDIO[::-1], source, AUDIO, 2, fresh_output=False)
    assert torch.equal(state["hidden.0.0.weight"], source["hidden.0.0.weight"].flip(1))


def test_transfer_keeps_every_layer_but_the_output() -> None:
    source = GenreMLP.build(_architecture(5), seed=1).state_dict()
    target = _architecture(5, outputs=6)
    fresh = GenreMLP.build(target, seed=2).state_dict()
    state, copied = warm_start(target, FUSION, source, FUSION, 2, fresh_output=True)
    assert copied.fresh == ("output.weight", "output.bias")
    for name in copied.fresh:
        assert torch.equal(state[name], fresh[name])
        assert state[name].shape != source[name].shape
    assert all(torch.equal(state[name], source[name]) for name in copied.tensors)


def test_another_shape_copies_nothing_that_does_not_fit() -> None:
    source = GenreMLP.build(_architecture(5, hidden=(32, 16)), seed=1).state_dict()
    state, copied = warm_start(_architecture(5), FUSION, source, FUSION, 2, fresh_output=False)
    assert copied.inputs == ()
    assert "hidden.1.0.weight" not in copied.tensors
    assert torch.equal(state["output.weight"], source["output.weight"])


@pytest.mark.parametrize("batch_norm", [True, False])
def test_frozen_layers_do_not_move_and_the_output_does(batch_norm: bool) -> None:
    features = _features()
    configuration = Configuration(hidden_layers=HIDDEN, batch_norm=batch_norm, weight_decay=1e-2, clip_norm=0.5)
    initial = GenreMLP.build(Architecture.of(configuration, 14, 5), seed=9).state_dict()
    variants = [
        Variant(name="frozen", configuration=configuration, initial=initial, frozen=True),
        Variant(name="free", configuration=configuration, initial=initial),
    ]
    frozen, free = train_variants(variants, features, seed=3, epochs=3)
    trained = [name for name in initial if "running" not in name and "num_batches" not in name]
    moved = {name for name in trained if not torch.equal(frozen.state[name], initial[name])}
    assert moved == {"output.weight", "output.bias"}
    assert all(not torch.equal(free.state[name], initial[name]) for name in trained)


def test_a_variant_trains_as_it_would_alone_and_is_scored_at_its_best_epoch() -> None:
    features, configuration = _features(), Configuration(hidden_layers=HIDDEN)
    other = GenreMLP.build(Architecture.of(configuration, 14, 5), seed=9).state_dict()
    variants = [Variant(name="warm", configuration=configuration, initial=other)]
    scratch = Variant(name="scratch", configuration=configuration)
    (alone,) = train_variants([scratch], features, seed=3, epochs=4)
    together = train_variants([*variants, scratch], features, seed=3, epochs=4)[1]
    assert [e.val_accuracy for e in alone.epochs] == [e.val_accuracy for e in together.epochs]
    best = max(alone.epochs, key=lambda e: e.val_accuracy)
    assert alone.best_epoch == best.epoch
    network = GenreMLP(14, HIDDEN, 5)
    network.load_state_dict(dict(alone.state))
    network.eval()
    found = network(torch.from_numpy(features.x_holdout)).argmax(1).numpy()
    assert alone.holdout is not None
    assert alone.holdout["val_accuracy"] == pytest.approx((found == features.y_holdout).mean())


def test_without_held_out_rows_there_is_no_such_score() -> None:
    variant = Variant(name="scratch", configuration=Configuration(hidden_layers=HIDDEN))
    (result,) = train_variants([variant], _features(holdout=0), seed=3, epochs=1)
    assert result.holdout is None
