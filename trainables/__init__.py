"""Networks, trained as stacks, and the baselines they are compared with."""

SEMANTICS_VERSION = 1
"""Version of the training, raised when a configuration and seed would train to another curve (rounding of sums aside).

A study resumes only under its own version."""
