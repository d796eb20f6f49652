"""Optuna beside the grid: what it suggests becomes rows of the record."""
