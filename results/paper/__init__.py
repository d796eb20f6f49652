"""Comparison of the paper's numbers with ours."""
