"""Settings of a process, made before it starts or joins a Ray: packages, environment variables, garbage collection."""

from __future__ import annotations

import gc
import importlib.util
import os
import secrets
import sys
from pathlib import Path

PACKAGES = ("data", "spaces", "trainables", "results", "search")
CODE_SUFFIXES = (".py", ".pyi", ".json")
"""Suffixes of the packages' files that a result may depend on, and that workers get: a README is none."""

_ALWAYS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",
    # The searcher hands out no more trials than there are places for.
    "TUNE_MAX_PENDING_TRIALS_PG": "1000000",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
}
LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Variable that, if 0 before Ray is imported, puts every port of a Ray that this process starts on loopback."""
_ON_THIS_MACHINE = {
    LOOPBACK: "0",
    # Workers that Ray starts in advance lack our code, so that Ray would end them unused.
    "RAY_prestart_worker_first_driver": "0",
}


def settle() -> None:
    """Set the variables that genresweep relies on; those that the user has set for a Ray on this machine stay.

    The command line and the functions that train call this first. Calling it again changes nothing.
    """
    os.environ.update(_ALWAYS)
    if os.environ.get("RAY_ADDRESS", "") in ("", "local"):
        for name, value in _ON_THIS_MACHINE.items():
            os.environ.setdefault(name, value)
        _tell_imported_ray()


def _tell_imported_ray() -> None:
    """Set what Ray 2.60 has read from `LOOPBACK` if it was imported before: it would listen to the whole network."""
    constants = sys.modules.get("ray._private.ray_constants")
    if constants is not None:
        constants.ENABLE_RAY_CLUSTER = os.environ[LOOPBACK].lower() in ("1", "true")  # type: ignore[attr-defined]


def settle_worker() -> None:
    """Set up a worker of Ray as it starts; Ray ends a worker in which this raises."""
    os.environ.update(_ALWAYS)
    collect_rarely()


def settle_access(address: str) -> None:
    """Set a token for a Ray on this machine before ``ray.init``, since other users of the machine reach loopback.

    Ray asks for a token wherever it starts by itself, unless ``RAY_AUTH_MODE`` says otherwise, and would write its own
    to the user's home. A cluster has its own way, which Ray finds out or the user sets.
    """
    if address == "local" and "RAY_AUTH_TOKEN_PATH" not in os.environ:
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


def collect_rarely() -> None:
    """Make this process look for cyclic garbage less often, which takes a fifth of the time of imports."""
    gc.set_threshold(10_000)


def check_packages() -> None:
    """Raise ``ImportError`` where a file or folder of the user's hides one of our packages."""
    root = Path(__file__).resolve().parents[2]
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        origin = Path(spec.origin).resolve() if spec and spec.origin else None
        if origin is None or origin.parent != root / name:
            raise ImportError(
                f"genresweep's package {name!r} is hidden by {origin or f'a folder called {name}'}: rename that, or "
                "start Python with -P (python -P script.py), which leaves the script's own folder out of where it looks"
            )
