"""The compiled training pass: numba and NumPy alone, imported from a copy by `trainables.stack.compiled`."""
