"""Order of the segments, and decisions at the rungs."""
