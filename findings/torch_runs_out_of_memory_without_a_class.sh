#!/usr/bin/env bash
# On a CPU, PyTorch has no exception of its own for memory that has run out: only the words of the message tell.
#
# One would expect: torch.OutOfMemoryError, which is in the public names since 2.5, or Python's MemoryError, which NumPy
#   raises for the same request; so that a search can tell "this machine is too small, try again elsewhere" from
#   "this configuration raises" with an except clause.
# What happens: on a CPU a tensor that is too large raises a plain RuntimeError, as a wrong shape does.
#   torch.OutOfMemoryError comes from accelerators alone, and MemoryError from NumPy, even for an array that is about to
#   become a tensor. One step of training can raise all three for one reason; two have a class.
# Versions: torch 2.13.0, numpy 2.4.6, on Linux. The message is that of c10/core/impl/alloc_cpu.cpp.
# What to do: except torch.OutOfMemoryError and MemoryError, and for a RuntimeError look for "can't allocate memory"; a
#   test should pin these words, since nothing else does.
#
# The request is for a petabyte, more than any address space grants: nothing is ever allocated.
set -euo pipefail

folder=$(mktemp -d /tmp/finding.XXXXXX)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check "torch==2.13.0" "numpy==2.4.6"

cat > ask.py <<'PYTHON'
import sys

import numpy
import torch

PETABYTE = 2**50


def raised(call):
    """The exception of a call that cannot succeed."""
    try:
        call()
    except (RuntimeError, MemoryError, ValueError) as error:
        return error
    raise SystemExit("it was allocated")


tensor = raised(lambda: torch.empty(PETABYTE, dtype=torch.uint8))
array = raised(lambda: numpy.empty(PETABYTE, dtype=numpy.uint8))
shapes = raised(lambda: torch.zeros(2, 3) @ torch.zeros(2, 3))
print(f"torch {torch.__version__}, numpy {numpy.__version__}")
for name, error in {"torch.empty": tensor, "numpy.empty": array, "wrong shapes": shapes}.items():
    kinds = [isinstance(error, kind) for kind in (torch.OutOfMemoryError, MemoryError)]
    print(f"{name}: {type(error).__name__}, OutOfMemoryError {kinds[0]}, MemoryError {kinds[1]}: {str(error)[:60]}...")
as_described = (
    type(tensor) is RuntimeError
    and type(shapes) is RuntimeError
    and isinstance(array, MemoryError)
    and "can't allocate memory" in str(tensor)
)
print("as described" if as_described else "this has changed")
sys.exit(not as_described)
PYTHON
venv/bin/python ask.py
