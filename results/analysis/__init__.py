"""Analyses of studies: comparison, importance, learning curves, and the export to Optuna's tools."""
