"""A space beyond the paper's under Ray: several encodings and architectures in one segment."""

from __future__ import annotations

from pathlib import Path

import pytest
from pandas.testing import assert_frame_equal

from data.inputs.encoding import encode_features
from data.inputs.features import Features
from results.dataframes.frames import load_curves, load_trials
from results.record.study import Study
from search import run_sweep
from search.planning.prepared_data import prepare
from spaces import Configuration
from tests.support.small import curves
from trainables.checkpoint import load_model
from trainables.stages import Variant, train_variants

pytestmark = pytest.mark.slow

_SPACE = """
name = "mixed"
[parameters]
depth = 2
width = 16
taper = 0.5
batch_size = 32
batch_norm = [true, false]
optimizer = ["adamw", "sgd"]
momentum = {values = [0.9], when = {optimizer = "sgd"}}
schedule = "one_cycle"
schedule_epochs = 3
label_smoothing = 0.1
encoding = ["standardised", "quantile", "piecewise_linear"]
ema_decay = [0.0, 0.9]
"""


@pytest.fixture(scope="module")
def studies(ray_session: int, small: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """The same sweep in one segment of all, and in stacks of five."""
    folder = tmp_path_factory.mktemp("wide")
    (folder / "mixed.toml").write_text(_SPACE)
    for stack_size in (24, 5):
        run_sweep(
            str(small / "tracks.csv"), out=folder / str(stack_size), space=str(folder / "mixed.toml"),
            scheduler="none", epochs=4, stack_size=stack_size,
        )  # fmt: skip
    return {stack_size: folder / str(stack_size) for stack_size in (24, 5)}


def test_architectures_that_share_batches_share_segments(studies: dict[int, Path]) -> None:
    with Study.open(studies[24]) as study:
        assert len(study.segments()[0].keys) == 24


def test_curves_do_not_depend_on_the_company(studies: dict[int, Path]) -> None:
    assert_frame_equal(curves(studies[24]), curves(studies[5]), check_exact=True)


def test_each_network_reads_its_own_encoding(studies: dict[int, Path]) -> None:
    trials, recorded = load_trials(studies[24]), load_curves(studies[24])
    with Study.open(studies[24]) as study:
        features = prepare(study.settings).features
        configurations = {t.key.config_id: t.configuration for t in study.trials()}
    assert trials.groupby("encoding")["weights"].nunique().eq(1).all()
    assert trials.groupby("encoding")["weights"].first()["piecewise_linear"] > trials["weights"].min()
    for config_id, configuration in list(configurations.items())[::4]:
        assert _alone(configuration, encode_features(features, configuration.encoding)) == [
            float(loss) for loss in recorded.loc[recorded["config_id"] == config_id, "val_loss"]
        ]


def _alone(configuration: Configuration, features: Features) -> list[float]:
    variant = Variant(name="alone", configuration=configuration)
    (result,) = train_variants([variant], features, seed=42, epochs=4)
    return [epoch.val_loss for epoch in result.epochs]


def test_the_incumbent_predicts_from_its_directory(studies: dict[int, Path]) -> None:
    _, card = load_model(studies[24] / "best")
    assert card.configuration.schedule == "one_cycle"
    assert len(card.inputs) == card.architecture.input_size
