"""Which segment trains next, and who goes on at a rung."""
