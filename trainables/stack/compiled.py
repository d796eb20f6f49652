"""Loading of the compiled kernels, and the description of a stack for them."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import importlib
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import numpy as np

from data.files import write_atomically
from data.machine.cache_folder import cache_dir
from trainables.mlp import Architecture
from trainables.stack.stacked_mlp import Layout

_KERNELS = Path(__file__).resolve().parents[1] / "kernels"
"""The package that is compiled; it imports only numba and NumPy."""
_READY = "ready"


@functools.cache
def load_kernels() -> ModuleType:
    """Import ``trainables.kernels.training`` from a copy in the user's cache (`data.machine.cache_folder`).

    Numba keeps compiled code beside the source, by the source's path. Ray unpacks our code into another folder for
    every session, so without the copy every worker of every session would compile again, for a dozen seconds.
    """
    sources = _sources()
    folder = _folder(cache_dir(), sources)
    for name, source in sources.items():
        if not (folder / name).is_file() or (folder / name).read_bytes() != source:
            write_atomically(folder / name, source)
    _compile_once(folder)
    sys.path.insert(0, str(folder.parent))
    try:
        return importlib.import_module(f"{folder.name}.training")
    finally:
        sys.path.remove(str(folder.parent))


def are_compiled(cache: Path) -> bool:
    """Return True where a cache folder holds the kernels compiled for this code, this numba and this processor."""
    return (_folder(cache, _sources()) / _READY).exists()


def _sources() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(_KERNELS.glob("*.py"))}


def _folder(cache: Path, sources: Mapping[str, bytes]) -> Path:
    return cache / "kernels" / f"genresweep_kernels_{_identity(sources)}"


def _identity(sources: Mapping[str, bytes]) -> str:
    """Return a hash of all that compiled code depends on, with the processor, since machines may share a cache."""
    from llvmlite.binding import get_host_cpu_name

    parts = [*sources.values(), version("numba").encode(), get_host_cpu_name().encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


_COMPILE = """
import importlib, sys
import numpy as np
sys.path.insert(0, sys.argv[1])
module = importlib.import_module(sys.argv[2] + ".training")
row, one = np.zeros((1, 80), np.float32), np.ones((1, 1), np.float32)
layers = np.full((1, 8), -1, np.int64)
layers[0, :4] = 8, 8, 0, 64
work = np.zeros(module.work_size(1, 8, 80, 2), np.float32)
rows, y = row[:, :16].reshape(2, 8).copy(), np.zeros(2, np.int64)
members = module.Members(row, row.copy(), row.copy(), row.copy(), row[:, :0].copy(), row[:, :0].copy())
chunk, shape = module.Chunk(rows, y, rows.copy()), module.Shape(layers, 8, 5, 2, 0)
module.train_stack(members, chunk, shape, np.zeros((1, 9)), one, 0, work, np.zeros(1))
module.evaluate_stack(members, rows, y, shape, work, np.zeros(1), np.zeros((1, 5, 5), np.int64))
module.draw_noise(module.twister(0), 1.0, row[0].copy())
"""


def _compile_once(folder: Path) -> None:
    """Compile in a separate process, one at a time, so that every trainer loads the same code.

    A process that compiles for itself was seen to round differently from those that load the result.
    """
    ready = folder / _READY
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            command = [sys.executable, "-c", _COMPILE, str(folder.parent), folder.name]
            subprocess.run(command, check=False, capture_output=True)
            ready.touch()


def aligned(numbers: int, kind: np.dtype) -> np.ndarray:
    """Return an array aligned to the core's cache lines, since a vector across two lines takes twice as long."""
    line = 64 // kind.itemsize
    array = np.empty(numbers + line, kind)
    start = -array.ctypes.data % 64 // kind.itemsize
    return array[start : start + numbers]


def layer_table(architecture: Architecture) -> np.ndarray:
    """Return the places of each layer's tensors in a member's row: int64 ``(L, 8)``, the columns of ``kernels``."""
    layout = Layout.of(architecture)
    slots = {slot.name: slot for slot in (*layout.parameters, *layout.statistics)}
    stems = [f"hidden.{depth}.0" for depth in range(len(architecture.hidden_layers))] + ["output"]
    table = np.full((len(stems), 8), -1, dtype=np.int64)
    for row, stem in zip(table, stems, strict=True):
        norm = stem.removesuffix(".0") + ".1"
        row[:2] = slots[f"{stem}.weight"].shape
        names = (f"{stem}.weight", f"{stem}.bias", f"{norm}.weight", f"{norm}.bias")
        for column, name in enumerate((*names, f"{norm}.running_mean", f"{norm}.running_var"), start=2):
            if name in slots:
                row[column] = slots[name].start
    return table
