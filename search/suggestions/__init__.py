"""Optuna beside the grid: its suggestions become rows of the record."""
