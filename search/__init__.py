"""Code that runs studies and writes their records.

``run_sweep`` and ``resume_sweep`` are loaded at their first use: reading a study needs neither Ray nor torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from search.cluster import environment

environment.check_packages()

if TYPE_CHECKING:
    from search.studies.sweep import resume_sweep, run_sweep

__all__ = ["resume_sweep", "run_sweep"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'search' has no attribute {name!r}")
    from search.studies import sweep

    return getattr(sweep, name)
