"""Titles as numbers: sentence models and the embeddings that are kept."""
