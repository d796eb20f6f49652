"""How many made-up examples a property is tried on: few by default, five times as many under ``thorough``."""

from __future__ import annotations

from typing import Any

from hypothesis import settings

QUICK, THOROUGH = 40, 200


def load_profiles() -> None:
    """Register both profiles and load the quick one; ``--hypothesis-profile thorough`` loads the other after it."""
    settings.register_profile("quick", deadline=None, max_examples=QUICK)
    settings.register_profile("thorough", deadline=None, max_examples=THOROUGH)
    settings.load_profile("quick")


def examples(count: int, **options: Any) -> settings:
    """Return settings of ``count`` examples under the quick profile, and of as many times more under the other."""
    return settings(max_examples=count * settings().max_examples // QUICK, **options)
