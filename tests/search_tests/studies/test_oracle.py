"""The product against a plain Ray Tune script: the same curves, and the same stops."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ray.tune.schedulers import ASHAScheduler

from data.inputs.features import Features
from results.dataframes.frames import load_curves
from results.record.records import TrialKey
from results.record.study import Study
from search import run_sweep
from search.planning.prepared_data import prepare
from search.scheduling.rungs import Asha
from spaces import Configuration, SearchSpace, load_space
from tests.support import oracle

EPOCHS, SEED = 3, 42
Run = Callable[..., pd.DataFrame]


def _one_of_each_shape() -> tuple[Configuration, ...]:
    """One configuration of the paper's grid for each of its 12 shapes; the other values take turns."""
    shapes: dict[tuple[object, ...], list[Configuration]] = {}
    for c in load_space("paper").configurations():
        shapes.setdefault((c.hidden_layers, c.batch_norm, c.batch_size), []).append(c)
    return tuple(members[7 * place % len(members)] for place, members in enumerate(shapes.values()))


POINTS = _one_of_each_shape()


@pytest.fixture(scope="module")
def study(ray_session: int, small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The product's exhaustive sweep over these twelve."""
    out = tmp_path_factory.mktemp("oracle") / "study"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SearchSpace, "configurations", lambda space: POINTS)
        run_sweep(str(small / "tracks.csv"), out=out, scheduler="none", epochs=EPOCHS, seed=SEED)
    return out


@pytest.fixture(scope="module")
def features(study: Path) -> Features:
    with Study.open(study) as opened:
        return prepare(opened.settings).features


def test_the_twelve_are_of_all_kinds() -> None:
    assert len({(c.hidden_layers, c.batch_norm, c.batch_size) for c in POINTS}) == len(POINTS) == 12
    for name in ("dropout", "learning_rate", "optimizer", "clip_norm"):
        assert len({getattr(c, name) for c in POINTS}) == 2, name


def test_the_same_curves_to_float_tolerance(study: Path, features: Features, tmp_path: Path) -> None:
    plain = oracle.run(POINTS, features, seed=SEED, epochs=EPOCHS, folder=tmp_path)
    ours = load_curves(study).set_index(["config_id", "epoch"]).sort_index()
    theirs = plain.set_index(["config_id", "epoch"]).sort_index()
    assert len(theirs) == 12 * EPOCHS
    assert list(ours.index) == list(theirs.index)
    for name in ("train_loss", "val_loss"):
        np.testing.assert_allclose(ours[name], theirs[name], rtol=0, atol=2e-3)
    rows = np.abs(ours["val_accuracy"] - theirs["val_accuracy"]).to_numpy() * len(features.y_val)
    assert rows.max() <= 2.01, "a few rows may stand on the edge between two genres"
    assert (rows < 0.5).mean() > 0.8


@pytest.mark.slow
def test_the_same_stops_as_tunes_scheduler_under_tune(features: Features, tmp_path: Path) -> None:
    """One trial after another: each meets the rungs as its forerunners have left them."""
    scheduler = ASHAScheduler(max_t=EPOCHS, grace_period=1, reduction_factor=2)
    plain = oracle.run(POINTS, features, seed=SEED, epochs=EPOCHS, folder=tmp_path, scheduler=scheduler, at_once=1)
    epochs = plain.groupby("config_id", sort=False)["epoch"].max()
    assert set(epochs) == {1, 2, 3}, "the case is about stops at both rungs"
    rungs = Asha(1, 2, EPOCHS)
    accuracy = plain.set_index(["config_id", "epoch"])["val_accuracy"]
    for configuration in POINTS:
        key, epoch = TrialKey(configuration.config_id, SEED), 1
        while epoch < EPOCHS and rungs.report(epoch, {key: accuracy[key.config_id, epoch]})[0].promoted:
            epoch += 1
        assert epochs[key.config_id] == epoch
