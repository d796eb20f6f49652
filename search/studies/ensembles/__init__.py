"""Ensembles: members chosen among all networks of a sweep, or of several, and written as one model directory."""
