"""Dataframes of studies."""
