"""Colours of the pictures, told apart by the colour-blind, too."""

SHADES = ("#c3d3e6", "#94b8dc", "#5c96cc", "#2f70ae", "#0b4180")
"""Fifths of the accuracy, the weakest first."""
BEST = "#d95f02"
"""The best configuration."""
GREY = "#c8c8c8"
"""Rows that are not trained, or not selected."""
