"""Networks of one shape that train together."""
