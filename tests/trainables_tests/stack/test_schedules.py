"""Learning rates: a table of an epoch's steps says what each step says alone."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spaces import Configuration
from trainables.stack.schedules import RateTable, learning_rates


@given(
    schedule=st.sampled_from(["constant", "cosine", "one_cycle"]),
    epochs=st.integers(1, 4),
    steps=st.integers(1, 70),
    chunk=st.integers(1, 17),
)
def test_a_table_of_rates_is_the_rates_of_its_chunks(schedule: str, epochs: int, steps: int, chunk: int) -> None:
    known = {} if schedule == "constant" else {"schedule": schedule, "schedule_epochs": 2}
    configurations = [Configuration(hidden_layers=(8,), learning_rate=rate, **known) for rate in (0.1, 0.003)]
    table = RateTable(configurations, steps)
    for epoch in range(epochs):
        for first in range(0, steps, chunk):
            taken, count = epoch * steps + first, min(chunk, steps - first)
            alone = [learning_rates(c, taken, count, steps) for c in configurations]
            np.testing.assert_array_equal(table.rates(taken, count), np.stack(alone))
