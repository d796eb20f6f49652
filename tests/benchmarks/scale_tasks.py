"""What ``scale`` runs on workers. They cannot find the functions of a main module whose process was spawned."""

from __future__ import annotations

from typing import Any


def import_torch() -> bool:
    """What a worker has to import before its first segment."""
    import torch

    return torch.get_num_threads() > 0


def touch(array: Any) -> float:
    """Read of an array; it is here then."""
    return float(array[0, 0])
