from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.support.made_up import training_data
from trainables.stack.batches import Rows, batch_count, epoch_chunks, epoch_order
from trainables.stack.layers import padded


def _rows(count: int) -> Rows:
    """Rows that carry their own number, so that each can be recognised in a batch."""
    rows = training_data(max(count, 2)).train
    x = torch.arange(count, dtype=torch.float64)[:, None]
    return Rows(x, rows.y[:count], rows.one_hot[:count].double())


@given(count=st.integers(2, 500), batch_size=st.integers(2, 40), epoch=st.integers(1, 5))
def test_an_epoch_visits_every_row_once_in_its_order(count: int, batch_size: int, epoch: int) -> None:
    rows = _rows(count)
    labels, batches = [], []
    for chunk in epoch_chunks(rows, 3, epoch, batch_size, (7, 16)):
        labels.append(chunk.y)
        batches += chunk.batches()
    visited = torch.cat([batch.x[:, 0] for batch in batches]).long()
    left_over = count % batch_size == 1
    assert visited.tolist() == epoch_order(3, epoch, count).tolist()[: count - left_over]
    assert len(batches) == batch_count(count, batch_size)
    assert {len(batch.x) for batch in batches[:-1]} <= {batch_size}
    assert min(len(batch.x) for batch in batches) > 1
    assert torch.equal(torch.cat(labels), rows.y[visited])
    for batch in batches:
        assert torch.equal(batch.one_hot, rows.one_hot[batch.x[:, 0].long()])
        assert [tuple(noise.shape) for noise in batch.noise] == [(len(batch.x), padded(w)) for w in (7, 16)]
        assert all(bool((noise > 0).all()) for noise in batch.noise)


def test_order_and_noise_depend_on_seed_and_epoch_alone() -> None:
    rows = _rows(300)

    def first(seed: int, epoch: int) -> tuple[list[float], list[float]]:
        batch, *_ = next(iter(epoch_chunks(rows, seed, epoch, 16, (8,)))).batches()
        return batch.x[:, 0].tolist(), batch.noise[0].flatten().tolist()

    reference = first(1, 1)
    torch.manual_seed(99)
    assert first(1, 1) == reference
    for seed, epoch in ((1, 2), (2, 1)):
        order, noise = first(seed, epoch)
        assert order != reference[0]
        assert noise != reference[1]


def test_dropout_keeps_the_share_it_should() -> None:
    for p in (0.3, 0.7):
        noise = torch.cat([b.noise[0] for chunk in epoch_chunks(_rows(500), 1, 1, 16, (64,)) for b in chunk.batches()])
        kept = (noise / 2.0**100 > p).double().mean().item()
        assert abs(kept - (1 - p)) < 0.01
