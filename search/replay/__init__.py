"""Schedulers over recorded curves, in simulated time, without training."""
