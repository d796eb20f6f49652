"""Studies from their settings to their end: the sweep, the stages around it, and resuming."""
