"""Rendering of tables and figures to files."""
