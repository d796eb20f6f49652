"""What studies show: comparison, importance, learning curves, and the way to Optuna's tools."""
