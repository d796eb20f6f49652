"""Where a study's files lie beyond its directory."""
