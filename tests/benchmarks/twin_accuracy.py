"""How near the synthetic twin comes to the real table: the same four models on both.

    python -m tests.benchmarks.twin_accuracy train.csv            # a real table, five genres
    python -m tests.benchmarks.twin_accuracy synthetic --seed 0   # the twin without EDM

80/20 stratified split, the paper's best architecture in plain torch, its XGBoost parameters.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
import torch
import xgboost
from sklearn.feature_selection import VarianceThreshold
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from data.tables.synthetic import NUMBERS, synthetic_frame
from data.titles.embeddings import embed_titles

EPOCHS = 20


def load(source: str, seed: int) -> pd.DataFrame:
    table = (
        synthetic_frame(seed=seed) if source == "synthetic" else pd.read_csv(source, sep="\t", keep_default_na=False)
    )
    table = table.assign(year=table.track_album_release_date.str[:4].astype(int))
    return table[table.playlist_genre != "edm"].reset_index(drop=True)


def standardised(values: np.ndarray, train: np.ndarray) -> np.ndarray:
    return make_pipeline(VarianceThreshold(1e-12), StandardScaler()).fit(values[train]).transform(values)


def network_accuracy(values: np.ndarray, labels: np.ndarray, train: np.ndarray, val: np.ndarray) -> list[float]:
    """Validation accuracy after every epoch: [128, 16], dropout .3, Adam 1e-3, batch 32, clip 1.5."""
    torch.manual_seed(0)
    x, y = torch.tensor(values, dtype=torch.float32), torch.tensor(labels)
    nn = torch.nn
    layers = [nn.Linear(x.shape[1], 128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, 16), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Dropout(0.3), nn.Linear(16, int(y.max()) + 1))
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    accuracy = []
    for _ in range(EPOCHS):
        model.train()
        for batch in torch.tensor(np.random.default_rng(len(accuracy)).permutation(train)).split(32):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.5)
            optimiser.step()
        model.eval()
        with torch.no_grad():
            accuracy.append((model(x[val]).argmax(1) == y[val]).double().mean().item())
    return accuracy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", help="'synthetic' or a tab-separated table of the paper's format")
    parser.add_argument("--seed", type=int, default=0, help="seed of the twin")
    parser.add_argument("--split-seed", type=int, default=42)
    parser.add_argument("--audio-only", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    table = load(options.source, options.seed)
    labels = np.unique(table.playlist_genre, return_inverse=True)[1]
    train, val = train_test_split(
        np.arange(len(table)), test_size=0.2, random_state=options.split_seed, stratify=labels
    )
    audio = np.hstack([standardised(table[[*NUMBERS, "key"]].to_numpy(float), train), table[["mode"]]])
    trees = xgboost.XGBClassifier(
        colsample_bytree=0.9, learning_rate=0.1, max_depth=10, n_estimators=300, subsample=0.9, random_state=0
    ).fit(audio[train], labels[train])
    features = {"audio": audio}
    if not options.audio_only:
        text = standardised(embed_titles(table.track_album_name, table.track_name), train)
        features |= {"text": text, "audio + text": np.hstack([audio, text])}
    print(f"{options.source}: {len(table)} rows, split seed {options.split_seed}, twin seed {options.seed}")
    print(f"  XGBoost, audio         {(trees.predict(audio[val]) == labels[val]).mean():.4f}")
    for name, values in features.items():
        curve = network_accuracy(values, labels, train, val)
        print(f"  network, {name:<13} best epoch {max(curve):.4f}, last {curve[-1]:.4f}", flush=True)


if __name__ == "__main__":
    main()
