"""Titles as numbers: sentence models and cached embeddings."""
