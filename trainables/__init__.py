"""Networks, trained as stacks, and what they are compared with."""

SEMANTICS_VERSION = 1
"""Raised whenever the same configuration and seed would train to another curve, but for the rounding of sums.

A study resumes only under its own."""
