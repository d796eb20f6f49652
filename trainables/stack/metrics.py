"""Validation metrics of every member at once, from one confusion matrix each."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.stack.batches import Rows
from trainables.stack.layers import picked
from trainables.stack.stacked_mlp import StackedMLP

_CHUNK_ROWS = 256


def weighted_scores(confusion_KCC: Tensor) -> dict[str, Tensor]:
    """Return accuracy and weighted precision, recall and F1 ``(K,)`` of confusion matrices (true, predicted genre).

    A genre that is never predicted has precision 0, as scikit-learn's ``zero_division=0``.
    """
    confusion = confusion_KCC.double()
    correct = confusion.diagonal(dim1=1, dim2=2)
    support, predicted = confusion.sum(2), confusion.sum(1)
    share = support / support.sum(1, keepdim=True)
    precision, recall = correct / predicted.clamp(min=1), correct / support.clamp(min=1)
    f1 = 2 * correct / (predicted + support).clamp(min=1)
    return {
        "val_accuracy": correct.sum(1) / support.sum(1),
        "val_precision": (share * precision).sum(1),
        "val_recall": (share * recall).sum(1),
        "val_f1": (share * f1).sum(1),
    }


def evaluate(stack: StackedMLP, rows: Rows) -> dict[str, Tensor]:
    """Return the mean cross-entropy ``val_loss`` and the weighted scores ``(K,)`` float64 of every member.

    Members whose outputs are not finite get NaN throughout.
    """
    classes = stack.architecture.output_size
    loss = torch.zeros(stack.size, dtype=torch.float64, device=rows.x.device)
    counts = torch.zeros(stack.size * classes * classes, dtype=torch.int64, device=rows.x.device)
    offsets = torch.arange(stack.size, device=rows.x.device)[:, None] * classes
    for x, y in zip(rows.x.split(_CHUNK_ROWS), rows.y.split(_CHUNK_ROWS), strict=True):
        log_p = stack.infer(x)[..., :classes]
        loss -= picked(log_p, y).sum(1, dtype=torch.float64)
        cells = (offsets + y) * classes + log_p.argmax(-1)
        counts += torch.bincount(cells.flatten(), minlength=len(counts))
    return summarised(loss, counts.view(stack.size, classes, classes))


def summarised(loss_K: Tensor, confusion_KCC: Tensor) -> dict[str, Tensor]:
    """Return ``val_loss``, the mean of summed losses, and the weighted scores, NaN where that is not finite."""
    loss = loss_K / confusion_KCC[0].sum()
    scores = weighted_scores(confusion_KCC)
    return {"val_loss": loss, **{name: score.where(loss.isfinite(), torch.nan) for name, score in scores.items()}}
