"""The paper's audio + text network on many splits: where its .6174 lies among what the luck of a split gives.

python -m tests.benchmarks.split_luck train.csv --splits 30
"""

from __future__ import annotations

import argparse

import numpy as np

from data.inputs.kinds import FeatureKind
from results.paper.published import PAPER
from results.record.settings import StageSettings, StudySettings
from search.planning.prepared_data import prepare
from tests.benchmarks.split_seeds import PAPER_BEST
from trainables.stages import Variant, for_stage, train_variants

ACCURACY = next(entry.scores[0] or 0.0 for entry in PAPER if (entry.stage, entry.variant) == ("fusion", "scratch"))
"""Validation accuracy of the paper's Table 5, audio + text."""
EPOCHS = StageSettings.epochs


def best_accuracy(data: str, seed: int) -> tuple[float, float, int]:
    """Return the accuracy at the best epoch, that at the last, and the number of validation rows, of one split."""
    features = prepare(StudySettings(data=data, features=FeatureKind.FUSION, seed=seed)).features
    variant = Variant(name="scratch", configuration=for_stage(PAPER_BEST, None, EPOCHS))
    (result,) = train_variants([variant], features, seed=seed, epochs=EPOCHS)
    accuracies = [epoch.val_accuracy for epoch in result.epochs]
    return max(accuracies), accuracies[-1], len(features.y_val)


def main() -> None:
    """Print a line for each split, then mean, spread and the place of the paper's figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--splits", type=int, default=30)
    asked = parser.parse_args()
    found = []
    for seed in range(1, asked.splits + 1):
        best, last, rows = best_accuracy(asked.data, seed)
        found.append(best)
        print(f"split {seed}: best epoch {best:.4f}, last {last:.4f}, {rows:,} rows", flush=True)
    mean, spread = float(np.mean(found)), float(np.std(found, ddof=1))
    print(f"mean {mean:.4f}, spread {spread:.4f}, from {min(found):.4f} to {max(found):.4f}")
    reached = sum(one >= ACCURACY for one in found)
    print(
        f"the paper's {ACCURACY} is {(ACCURACY - mean) / spread:+.1f} spreads away; {reached} of {len(found)} reach it"
    )


if __name__ == "__main__":
    main()
